# Writes a C++ source that holds an image of kernels and their names: cmake -DUNIT= -DIMAGES= -DOUT= -DPTX= -P EmbedKernels.cmake
#
# Several images, which are compressed each in a way of its own, become one: a header of 16 bytes, the last 8 of which say how
# many follow, and what follows the headers of all.
# PTX is what the image was made of, a file for each architecture: each has to have the same kernels.
set(names "")
foreach(ptx IN LISTS PTX)
  file(STRINGS "${ptx}" entries REGEX "\\.entry ")
  list(TRANSFORM entries REPLACE ".*\\.entry +([A-Za-z0-9_$]+).*" "\\1")
  list(SORT entries)
  if(names AND NOT entries STREQUAL names)
    message(FATAL_ERROR "${ptx} has other kernels than those before it of ${PTX}")
  endif()
  set(names "${entries}")
endforeach()
if(NOT names)
  message(FATAL_ERROR "no kernel in ${PTX}")
endif()

list(GET IMAGES 0 first)
set(size 0)
set(contents "")
foreach(image IN LISTS IMAGES)
  file(SIZE "${image}" image_size)
  math(EXPR size "${size} + ${image_size} - 16")
  string(APPEND contents "    \".incbin \\\"${image}\\\", 16\\n\"\n")
endforeach()

# In the section where CUDA's tools look for images in a library.
string(
  APPEND
  text
  "asm(\".pushsection .nv_fatbin, \\\"a\\\"\\n\"\n"
  "    \".balign 16\\n\"\n"
  "    \".globl kernels_of_${UNIT}\\n\"\n"
  "    \".hidden kernels_of_${UNIT}\\n\"\n"
  "    \"kernels_of_${UNIT}:\\n\"\n"
  "    \".incbin \\\"${first}\\\", 0, 8\\n\"\n"
  "    \".quad ${size}\\n\"\n"
  "${contents}"
  "    \".popsection\");\n\n"
  "extern \"C\" {\n")
foreach(name IN LISTS names)
  string(APPEND text "extern const char ${name}[];\nconst char ${name}[] = \"${name}\";\n")
endforeach()
string(APPEND text "}\n")
file(WRITE "${OUT}" "${text}")
