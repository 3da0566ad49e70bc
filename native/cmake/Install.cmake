# What is installed, and where. The same relative folders in a wheel (below baracuda_ffi/) as in a prefix.
include(CMakePackageConfigHelpers)

set(_targets baracuda_ffi)
if(BARACUDA_FFI_STATIC)
  list(APPEND _targets baracuda_ffi_static)
endif()
install(TARGETS ${_targets} EXPORT baracuda_ffi-targets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES native/include/baracuda_ffi.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

# find_package(baracuda_ffi)
set(_cmake_dir share/cmake/baracuda_ffi)
install(EXPORT baracuda_ffi-targets NAMESPACE baracuda_ffi:: DESTINATION "${_cmake_dir}")
configure_package_config_file(native/cmake/baracuda_ffi-config.cmake.in baracuda_ffi-config.cmake
                              INSTALL_DESTINATION "${_cmake_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(baracuda_ffi-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/baracuda_ffi-config.cmake" "${PROJECT_BINARY_DIR}/baracuda_ffi-config-version.cmake"
        DESTINATION "${_cmake_dir}")

# pkg-config: the prefix is found from where the file lies, so that the whole can be moved.
file(RELATIVE_PATH BARACUDA_PC_TO_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" /prefix)
string(REGEX REPLACE "/$" "" BARACUDA_PC_TO_PREFIX "${BARACUDA_PC_TO_PREFIX}")
set(BARACUDA_PC_RPATH "")
if(NOT WIN32)
  set(BARACUDA_PC_RPATH " -Wl,-rpath,\${libdir}") # a program finds the library where it was linked with it
endif()
set(BARACUDA_PC_PRIVATE_LIBRARIES "")
foreach(_library IN LISTS BARACUDA_STATIC_LIBRARIES)
  string(APPEND BARACUDA_PC_PRIVATE_LIBRARIES " -l${_library}")
endforeach()
configure_file(native/cmake/baracuda_ffi.pc.in baracuda_ffi.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/baracuda_ffi.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# The Python package asks this module where the library is.
if(SKBUILD)
  set(BARACUDA_LIBRARY_NAME "${CMAKE_SHARED_LIBRARY_PREFIX}baracuda_ffi${CMAKE_SHARED_LIBRARY_SUFFIX}")
  set(BARACUDA_LIBRARY_DIR "${CMAKE_INSTALL_LIBDIR}")
  if(WIN32)
    set(BARACUDA_LIBRARY_DIR "${CMAKE_INSTALL_BINDIR}")
  endif()
  configure_file(native/cmake/_build_info.py.in _build_info.py @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/_build_info.py" DESTINATION .)
endif()

# FlashInfer's code is in the library, so its licence goes with a wheel.
if(BARACUDA_WITH_CUDA AND SKBUILD_STATE STREQUAL "wheel")
  if(FLASHINFER_LICENSE)
    set(FLASHINFER_LICENSE_FILE "${FLASHINFER_LICENSE}")
  endif()
  if(NOT EXISTS "${FLASHINFER_LICENSE_FILE}")
    message(FATAL_ERROR "A wheel has to carry FlashInfer's licence, and none lies near ${FLASHINFER_HEADERS_DIR}: "
                        "name its LICENSE file with -DFLASHINFER_LICENSE=FILE")
  endif()
  install(FILES "${FLASHINFER_LICENSE_FILE}" DESTINATION "${SKBUILD_METADATA_DIR}/licenses/flashinfer")
endif()
