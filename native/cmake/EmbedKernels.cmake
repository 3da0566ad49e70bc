# Writes a C++ source that holds an image of kernels and their names: cmake -DUNIT= -DIMAGE= -DOUT= -DPTX= -P EmbedKernels.cmake
#
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

# In the section where CUDA's tools look for images in a library.
string(
  APPEND
  text
  "asm(\".pushsection .nv_fatbin, \\\"a\\\"\\n\"\n"
  "    \".balign 16\\n\"\n"
  "    \".globl kernels_of_${UNIT}\\n\"\n"
  "    \".hidden kernels_of_${UNIT}\\n\"\n"
  "    \"kernels_of_${UNIT}:\\n\"\n"
  "    \".incbin \\\"${IMAGE}\\\"\\n\"\n"
  "    \".popsection\");\n\n"
  "extern \"C\" {\n")
foreach(name IN LISTS names)
  string(APPEND text "extern const char ${name}[];\nconst char ${name}[] = \"${name}\";\n")
endforeach()
string(APPEND text "}\n")
file(WRITE "${OUT}" "${text}")
