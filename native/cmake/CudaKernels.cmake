# From a source that has kernels to an image of them in the library.
#
# Such a source is compiled twice: here by nvcc, which makes of its kernels PTX for each architecture, ptxas machine code of
# that, and fatbinary one image of it all; and by the host's compiler, as C++, for the functions that launch them. CUDA
# launches a kernel by its mangled name, which a host compiler knows as the symbol of a function: what is linked to that
# symbol is the name itself (native/src/cuda/kernel.h).
set(_baracuda_embed_script "${CMAKE_CURRENT_LIST_DIR}/EmbedKernels.cmake")
set(_baracuda_lower_script "${CMAKE_CURRENT_LIST_DIR}/LowerPtx.cmake")
if(BARACUDA_FFI_CUDA12_DRIVERS)
  include(Ptxas)
endif()

# What BARACUDA_FFI_CUDA12_DRIVERS makes code with: for the architectures up to each number, the version of PTX, that of CUDA's
# assembler, and the oldest CUDA whose driver loads what comes of it. sm_89's conversions to fp8 are of PTX 8.1.
set(_baracuda_assemblers "86|8.0|12.0|12.0" "89|8.1|12.1|12.1" "90|8.0|12.0|12.0" "999|8.7|12.9|12.8")

# Images are compressed, by zstd where the driver is known to read that, which those before CUDA 12.4 do not: what is for all
# drivers, and what is for those alone. PTX is for GPUs that none of the older ones knows.
set(_baracuda_compression --compress-all)
set(_baracuda_late_compression --compress-all)
if(BARACUDA_CUDA_VERSION VERSION_GREATER_EQUAL 12.8)
  list(APPEND _baracuda_compression --compress-mode=speed)
  set(_baracuda_late_compression --compress-mode=size)
endif()
if(BARACUDA_CUDA_VERSION VERSION_GREATER_EQUAL 13.0 AND NOT BARACUDA_FFI_CUDA12_DRIVERS)
  set(_baracuda_compression --compress-mode=size)
endif()

# For an architecture: `out_ptxas` is what assembles it, `out_ptx_version` the version that its PTX is lowered to, "" for the
# compiler's own, and `out_real_driver` and `out_ptx_driver` the oldest CUDA whose driver loads machine code and PTX of it.
function(_baracuda_choose_assembler architecture out_ptxas out_ptx_version out_real_driver out_ptx_driver)
  string(REGEX MATCH "^[0-9]+" number "${architecture}")
  foreach(each IN LISTS _baracuda_assemblers)
    string(REPLACE "|" ";" row "${each}")
    list(GET row 0 last)
    if(number LESS_EQUAL last)
      break()
    endif()
  endforeach()
  list(GET row 3 driver)
  if(BARACUDA_FFI_CUDA12_DRIVERS)
    list(GET row 1 ptx_version)
    list(GET row 2 assembler)
    baracuda_fetch_ptxas(${assembler} ptxas)
    set(ptx_driver "${driver}")
    if(BARACUDA_CUDA_VERSION VERSION_GREATER_EQUAL 12.8 AND ptx_driver VERSION_LESS 12.4)
      set(ptx_driver 12.4) # for its compression
    endif()
  else()
    # Machine code is for drivers of the assembler's major version, PTX for those that know the compiler's version of it.
    set(ptx_version "")
    set(ptxas "${BARACUDA_CUDA_BIN}/ptxas")
    string(REGEX REPLACE "\\..*" ".0" major "${BARACUDA_CUDA_VERSION}")
    if(major VERSION_GREATER driver)
      set(driver "${major}")
    endif()
    set(ptx_driver "${BARACUDA_CUDA_VERSION}")
  endif()
  set(${out_ptxas} "${ptxas}" PARENT_SCOPE)
  set(${out_ptx_version} "${ptx_version}" PARENT_SCOPE)
  set(${out_real_driver} "${driver}" PARENT_SCOPE)
  set(${out_ptx_driver} "${ptx_driver}" PARENT_SCOPE)
endfunction()

# Sets `out` to the oldest driver that each kind of code needs: sm_80:12.0,...,compute_80:12.0
function(baracuda_list_drivers out)
  set(drivers "")
  foreach(architecture IN LISTS BARACUDA_REAL_ARCHITECTURES)
    _baracuda_choose_assembler(${architecture} _ _ driver _)
    list(APPEND drivers "sm_${architecture}:${driver}")
  endforeach()
  foreach(architecture IN LISTS BARACUDA_PTX_ARCHITECTURES)
    _baracuda_choose_assembler(${architecture} _ _ _ driver)
    list(APPEND drivers "compute_${architecture}:${driver}")
  endforeach()
  list(JOIN drivers "," drivers)
  set(${out} "${drivers}" PARENT_SCOPE)
endfunction()

# Adds a source with kernels to `target`. Its image is kernels_of_ and its path under native/src.
function(baracuda_add_kernels target source)
  file(RELATIVE_PATH unit "${PROJECT_SOURCE_DIR}/native/src" "${PROJECT_SOURCE_DIR}/${source}")
  string(REGEX REPLACE "\\.cu$" "" unit "${unit}")
  string(REPLACE "/" "_" unit "${unit}")
  set(dir "${PROJECT_BINARY_DIR}/kernels")
  file(MAKE_DIRECTORY "${dir}")
  set(images "")
  set(late_images "")
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
    _baracuda_choose_assembler(${architecture} ptxas ptx_version driver _)
    if(ptx_version)
      set(lowered "${dir}/${unit}.${architecture}.${ptx_version}.ptx")
      add_custom_command(
        OUTPUT "${lowered}"
        COMMAND "${CMAKE_COMMAND}" "-DIN=${ptx}" "-DOUT=${lowered}" "-DVERSION=${ptx_version}" -P "${_baracuda_lower_script}"
        DEPENDS "${ptx}" "${_baracuda_lower_script}"
        VERBATIM)
      set(ptx "${lowered}")
    endif()
    if(architecture IN_LIST BARACUDA_PTX_ARCHITECTURES)
      list(APPEND late_images "--image3=kind=ptx,sm=${architecture},file=${ptx}")
      list(APPEND files "${ptx}")
    endif()
    if(architecture IN_LIST BARACUDA_REAL_ARCHITECTURES)
      set(cubin "${dir}/${unit}.${architecture}.cubin")
      add_custom_command(
        OUTPUT "${cubin}"
        COMMAND "${ptxas}" -arch=sm_${architecture} "${ptx}" -o "${cubin}"
        DEPENDS "${ptx}"
        COMMENT "Machine code of ${source} for sm_${architecture}"
        VERBATIM)
      set(whose images)
      if(driver VERSION_GREATER_EQUAL 12.4)
        set(whose late_images)
      endif()
      list(APPEND ${whose} "--image3=kind=elf,sm=${architecture},file=${cubin}")
      list(APPEND files "${cubin}")
    endif()
  endforeach()
  set(all_images "")
  foreach(whose IN ITEMS images late_images)
    if(NOT ${whose})
      continue()
    endif()
    set(image "${dir}/${unit}.${whose}.fatbin")
    set(compression ${_baracuda_compression})
    if(whose STREQUAL "late_images")
      set(compression ${_baracuda_late_compression})
    endif()
    add_custom_command(
      OUTPUT "${image}"
      COMMAND "${BARACUDA_CUDA_BIN}/fatbinary" -64 ${compression} "--create=${image}" ${${whose}}
      DEPENDS ${files}
      COMMENT "Image of ${source}"
      VERBATIM)
    list(APPEND all_images "${image}")
  endforeach()
  set(embedded "${dir}/${unit}.cpp")
  add_custom_command(
    OUTPUT "${embedded}"
    COMMAND "${CMAKE_COMMAND}" "-DUNIT=${unit}" "-DIMAGES=${all_images}" "-DOUT=${embedded}" "-DPTX=${all_ptx}" -P
            "${_baracuda_embed_script}"
    DEPENDS ${all_ptx} ${all_images} "${_baracuda_embed_script}"
    COMMENT "Names of the kernels of ${source}"
    VERBATIM)
  set_source_files_properties("${embedded}" PROPERTIES OBJECT_DEPENDS "${all_images}")
  # The host's compiler knows neither the language by its ending nor nvcc's pragmas.
  set_source_files_properties("${source}" PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-Wno-unknown-pragmas")
  target_sources(${target} PRIVATE "${source}" "${embedded}")
endfunction()
