# libbaracuda_ffi: the sources, how they are compiled, and what of them is visible.
include(CheckLinkerFlag)

set(_sources
    backend_table.cpp
    abi/about.cpp
    abi/general.cpp
    abi/host_settings.cpp
    abi/mirrored.cpp
    abi/operand_array.cpp
    abi/pages.cpp
    abi/struct.cpp
    append/bind.cpp
    append/infer.cpp
    append/memory.cpp
    append/problem.cpp
    append/append.cpp
    append/run.cpp
    append/shapes.cpp
    append/transform.cpp
    base/status.cpp
    base/stay_loaded.cpp
    cuda/flashinfer/limits.cpp
    host/backend.cpp
    host/judge.cpp
    host/places.cpp
    host/formats/avx2.cpp
    host/formats/avx512.cpp
    host/formats/neon.cpp
    host/formats/portable.cpp
    host/formats/row_writers.cpp
    host/pages/backend.cpp
    host/pages/lists.cpp
    host/reachable.cpp
    host/row_conversion.cpp
    host/rows.cpp
    host/run_copy.cpp
    host/threads/cpus.cpp
    host/threads/helpers.cpp
    host/threads/work.cpp
    memory/halves.cpp
    memory/meeting.cpp
    memory/span.cpp
    memory/tensor.cpp
    pages/bind.cpp
    pages/copy.cpp
    pages/memory.cpp
    pages/operands.cpp
    pages/problem.cpp
    pages/run.cpp
    python/calls.cpp
    python/describer.cpp
    xla/handlers.cpp)
set(_cuda_sources
    cuda/backend.cpp
    cuda/bespoke/backend.cpp
    cuda/bespoke/cut.cpp
    cuda/context.cpp
    cuda/driver.cpp
    cuda/kernel.cpp
    cuda/pages/backend.cpp
    cuda/reachable.cpp)
set(_kernels cuda/bespoke/copy.cu cuda/bespoke/quantise/launch.cu cuda/flashinfer/backend.cu cuda/pages/kernels.cu)
if(BARACUDA_WITH_CUDA)
  list(APPEND _sources ${_cuda_sources})
else()
  list(APPEND _sources cuda/absent.cpp)
endif()
list(TRANSFORM _sources PREPEND native/src/)

add_library(baracuda_ffi SHARED ${_sources})
add_library(baracuda_ffi::baracuda_ffi ALIAS baracuda_ffi)
target_compile_features(baracuda_ffi PRIVATE cxx_std_17)
target_compile_definitions(baracuda_ffi PRIVATE BARACUDA_FFI_BUILDING)
target_include_directories(
  baracuda_ffi
  PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/native/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>"
  PRIVATE native/src)
target_link_libraries(baracuda_ffi PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
set_target_properties(
  baracuda_ffi
  PROPERTIES CXX_EXTENSIONS OFF
             CXX_VISIBILITY_PRESET hidden
             VISIBILITY_INLINES_HIDDEN ON)

if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  set(_warnings -Wall -Wextra -Wpedantic)
  if(BARACUDA_FFI_WERROR)
    list(APPEND _warnings -Werror)
  endif()
  # A product and a sum are two roundings (format/arithmetic.h), also for a processor that has both in one instruction.
  set(_arithmetic -ffp-contract=off)
  # No folder of the machine that built it in the library: two builds of one source are the same bytes.
  set(_prefix_maps "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=." "-ffile-prefix-map=${PROJECT_BINARY_DIR}=.")
  target_compile_options(baracuda_ffi PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${_warnings};${_arithmetic};${_prefix_maps}>")
endif()

if(BARACUDA_WITH_CUDA)
  set(BARACUDA_NVCC_OPTIONS
      -std=c++17
      -O3
      -DNDEBUG # in every build type
      "-I${PROJECT_SOURCE_DIR}/native/include"
      "-I${PROJECT_SOURCE_DIR}/native/src"
      -isystem
      "${FLASHINFER_HEADERS_DIR}")
  if(BARACUDA_FFI_WERROR)
    list(APPEND BARACUDA_NVCC_OPTIONS -Werror=all-warnings)
  endif()
  separate_arguments(_flags NATIVE_COMMAND "$ENV{CUDAFLAGS} ${CMAKE_CUDA_FLAGS}")
  list(APPEND BARACUDA_NVCC_OPTIONS ${_flags})
  include(CudaKernels)
  foreach(_source IN LISTS _kernels)
    baracuda_add_kernels(baracuda_ffi "native/src/${_source}")
  endforeach()
  target_include_directories(baracuda_ffi SYSTEM PRIVATE "${FLASHINFER_HEADERS_DIR}" "${BARACUDA_CUDA_INCLUDE}")
  list(JOIN BARACUDA_REAL_ARCHITECTURES "," _archs)
  list(JOIN BARACUDA_PTX_ARCHITECTURES "," _ptx)
  baracuda_list_drivers(_drivers)
  target_compile_definitions(
    baracuda_ffi
    PRIVATE "BARACUDA_FLASHINFER_VERSION=\"${FLASHINFER_VERSION}\"" "BARACUDA_CUDA_VERSION=\"${BARACUDA_CUDA_VERSION}\""
            "BARACUDA_CUDA_ARCHS=\"${_archs}\"" "BARACUDA_PTX_ARCH=\"${_ptx}\"" "BARACUDA_CUDA_DRIVERS=\"${_drivers}\"")
endif()

# Only baracuda_* is visible, without symbol versions.
set(_exports "${PROJECT_SOURCE_DIR}/native/cmake/exports.map")
check_linker_flag(CXX "-Wl,--version-script=${_exports}" BARACUDA_LINKER_HAS_VERSION_SCRIPTS)
if(BARACUDA_LINKER_HAS_VERSION_SCRIPTS)
  target_link_options(baracuda_ffi PRIVATE "-Wl,--version-script=${_exports}" "-Wl,--gc-sections" "-Wl,--as-needed")
  # Nothing may be left undefined, but a sanitizer's functions: with clang they are the program's.
  if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
    target_link_options(baracuda_ffi PRIVATE "-Wl,-z,defs")
  endif()
  set_property(TARGET baracuda_ffi PROPERTY LINK_DEPENDS "${_exports}")
endif()

if(BARACUDA_FFI_OLD_GLIBC AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND BARACUDA_LINKER_HAS_VERSION_SCRIPTS)
  include(OldGlibc)
  baracuda_link_for_old_glibc(baracuda_ffi)
endif()
