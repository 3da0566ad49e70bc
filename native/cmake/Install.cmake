# What is installed, and where. The same relative folders in a wheel (below baracuda_ffi/) as in a prefix.
install(TARGETS baracuda_ffi EXPORT baracuda_ffi-targets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES native/include/baracuda_ffi.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
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
