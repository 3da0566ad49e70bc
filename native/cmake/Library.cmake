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
    append/memory.cpp
    append/problem.cpp
    append/run.cpp
    append/transform.cpp
    base/status.cpp
    cuda/flashinfer/limits.cpp
    host/backend.cpp
    host/judge.cpp
    host/formats/avx2.cpp
    host/formats/avx512.cpp
    host/formats/neon.cpp
    host/formats/portable.cpp
    host/formats/row_writers.cpp
    host/page_lists.cpp
    host/pages.cpp
    host/reachable.cpp
    host/row_conversion.cpp
    host/rows.cpp
    host/run_copy.cpp
    host/threads.cpp
    memory/meeting.cpp
    memory/span.cpp
    memory/tensor.cpp
    pages/bind.cpp
    pages/copy.cpp
    pages/memory.cpp
    pages/problem.cpp
    pages/run.cpp
    python/calls.cpp
    xla/handlers.cpp)
set(_cuda_sources
    cuda/backend.cpp
    cuda/bespoke/backend.cpp
    cuda/bespoke/copy.cu
    cuda/bespoke/cut.cpp
    cuda/bespoke/quantise/launch.cu
    cuda/context.cpp
    cuda/driver.cpp
    cuda/error.cpp
    cuda/flashinfer/backend.cu
    cuda/pages/backend.cpp
    cuda/pages/kernels.cu
    cuda/reachable.cpp)
if(BARACUDA_WITH_CUDA)
  list(APPEND _sources ${_cuda_sources})
else()
  list(APPEND _sources cuda/absent.cpp)
endif()
list(TRANSFORM _sources PREPEND native/src/)
if(BARACUDA_WITH_CUDA)
  list(TRANSFORM _cuda_sources PREPEND native/src/)
  set_source_files_properties(${_cuda_sources} PROPERTIES LANGUAGE CUDA)
endif()

add_library(baracuda_ffi SHARED ${_sources})
add_library(baracuda_ffi::baracuda_ffi ALIAS baracuda_ffi)
target_compile_features(baracuda_ffi PRIVATE cxx_std_17)
target_compile_definitions(baracuda_ffi PRIVATE BARACUDA_FFI_BUILDING)
target_include_directories(
  baracuda_ffi
  PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/native/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>"
  PRIVATE native/src)
target_link_libraries(baracuda_ffi PRIVATE Threads::Threads)
set_target_properties(
  baracuda_ffi
  PROPERTIES CXX_EXTENSIONS OFF
             CXX_VISIBILITY_PRESET hidden
             CUDA_VISIBILITY_PRESET hidden
             VISIBILITY_INLINES_HIDDEN ON
             CUDA_RUNTIME_LIBRARY Static)

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
  target_include_directories(baracuda_ffi SYSTEM PRIVATE "${FLASHINFER_HEADERS_DIR}")
  # NDEBUG in every build type: without it FlashInfer's headers print to stderr.
  target_compile_definitions(
    baracuda_ffi PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:NDEBUG>" "BARACUDA_FLASHINFER_VERSION=\"${FLASHINFER_VERSION}\""
                         "BARACUDA_CUDA_ARCHS=\"${BARACUDA_CUDA_ARCHS}\"" "BARACUDA_PTX_ARCH=\"${BARACUDA_PTX_ARCH}\"")
  set(_cuda_options --threads=2 -Xcompiler=-Wall,-Wextra)
  foreach(_map IN LISTS _prefix_maps ITEMS "-ffile-prefix-map=${FLASHINFER_HEADERS_DIR}=flashinfer")
    list(APPEND _cuda_options "-Xcompiler=${_map}")
  endforeach()
  if(BARACUDA_FFI_WERROR)
    list(APPEND _cuda_options -Werror=all-warnings -Xcompiler=-Werror)
  endif()
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0)
    list(APPEND _cuda_options --compress-mode=size) # CUDA 12.8 has it too, but drivers older than 12.4 cannot read it
  endif()
  target_compile_options(baracuda_ffi PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${_cuda_options}>")
  if(BARACUDA_CUDA_LIBRARY_DIR)
    target_link_options(baracuda_ffi PRIVATE "-L${BARACUDA_CUDA_LIBRARY_DIR}")
  endif()
endif()

# Only baracuda_* is visible, without symbol versions.
set(_exports "${PROJECT_SOURCE_DIR}/native/cmake/exports.map")
check_linker_flag(CXX "-Wl,--version-script=${_exports}" BARACUDA_LINKER_HAS_VERSION_SCRIPTS)
if(BARACUDA_LINKER_HAS_VERSION_SCRIPTS)
  target_link_options(baracuda_ffi PRIVATE "-Wl,--version-script=${_exports}" "-Wl,--exclude-libs,ALL"
                      "-Wl,--gc-sections" "-Wl,--as-needed")
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
