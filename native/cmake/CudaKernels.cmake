# From a source that has kernels to an image of them in the library.
#
# Such a source is compiled twice: here by nvcc, which makes of its kernels PTX for each architecture, ptxas machine code of
# that, and fatbinary one image of it all; and by the host's compiler, as C++, for the functions that launch them. CUDA
# launches a kernel by its mangled name, which a host compiler knows as the symbol of a function: what is linked to that
# symbol is the name itself (native/src/cuda/kernel.h).
set(_baracuda_embed_script "${CMAKE_CURRENT_LIST_DIR}/EmbedKernels.cmake")

# Adds a source with kernels to `target`. Its image is kernels_of_ and its path under native/src.
function(baracuda_add_kernels target source)
  file(RELATIVE_PATH unit "${PROJECT_SOURCE_DIR}/native/src" "${PROJECT_SOURCE_DIR}/${source}")
  string(REGEX REPLACE "\\.cu$" "" unit "${unit}")
  string(REPLACE "/" "_" unit "${unit}")
  set(dir "${PROJECT_BINARY_DIR}/kernels")
  file(MAKE_DIRECTORY "${dir}")
  set(images "")
  set(files "")
  set(all_ptx "")
  set(architectures ${BARACUDA_REAL_ARCHITECTURES} ${BARACUDA_PTX_ARCHITECTURES})
  list(REMOVE_DUPLICATES architectures)
  foreach(architecture IN LISTS architectures)
    set(ptx "${dir}/${unit}.${architecture}.ptx")
    list(APPEND all_ptx "${ptx}")
    add_custom_command(
      OUTPUT "${ptx}"
      COMMAND ${BARACUDA_NVCC} ${BARACUDA_NVCC_OPTIONS} -arch=compute_${architecture} -MD -MT "${ptx}" -MF "${ptx}.d" -ptx
              "${PROJECT_SOURCE_DIR}/${source}" -o "${ptx}"
      DEPENDS "${source}"
      DEPFILE "${ptx}.d"
      COMMENT "PTX of ${source} for compute_${architecture}"
      VERBATIM)
    if(architecture IN_LIST BARACUDA_PTX_ARCHITECTURES)
      list(APPEND images "--image3=kind=ptx,sm=${architecture},file=${ptx}")
      list(APPEND files "${ptx}")
    endif()
    if(architecture IN_LIST BARACUDA_REAL_ARCHITECTURES)
      set(cubin "${dir}/${unit}.${architecture}.cubin")
      add_custom_command(
        OUTPUT "${cubin}"
        COMMAND "${BARACUDA_CUDA_BIN}/ptxas" -arch=sm_${architecture} "${ptx}" -o "${cubin}"
        DEPENDS "${ptx}"
        COMMENT "Machine code of ${source} for sm_${architecture}"
        VERBATIM)
      list(APPEND images "--image3=kind=elf,sm=${architecture},file=${cubin}")
      list(APPEND files "${cubin}")
    endif()
  endforeach()
  set(image "${dir}/${unit}.fatbin")
  add_custom_command(
    OUTPUT "${image}"
    COMMAND "${BARACUDA_CUDA_BIN}/fatbinary" -64 ${BARACUDA_FATBINARY_OPTIONS} "--create=${image}" ${images}
    DEPENDS ${files}
    COMMENT "Image of ${source}"
    VERBATIM)
  set(embedded "${dir}/${unit}.cpp")
  add_custom_command(
    OUTPUT "${embedded}"
    COMMAND "${CMAKE_COMMAND}" "-DUNIT=${unit}" "-DIMAGE=${image}" "-DOUT=${embedded}" "-DPTX=${all_ptx}" -P
            "${_baracuda_embed_script}"
    DEPENDS ${all_ptx} "${image}" "${_baracuda_embed_script}"
    COMMENT "Names of the kernels of ${source}"
    VERBATIM)
  set_source_files_properties("${embedded}" PROPERTIES OBJECT_DEPENDS "${image}")
  # The host's compiler knows neither the language by its ending nor nvcc's pragmas.
  set_source_files_properties("${source}" PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-Wno-unknown-pragmas")
  target_sources(${target} PRIVATE "${source}" "${embedded}")
endfunction()
