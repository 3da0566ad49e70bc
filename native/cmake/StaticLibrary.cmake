# libbaracuda_ffi.a, for programs that are to be one file: the shared library's objects, once more.

# What a program that takes the archive has to be linked with besides: the C++ library, and what has been apart from libc.
set(BARACUDA_STATIC_LIBRARIES "")

if(BARACUDA_FFI_STATIC)
  foreach(_library IN LISTS CMAKE_CXX_IMPLICIT_LINK_LIBRARIES)
    if(_library MATCHES "^(stdc\\+\\+|c\\+\\+|c\\+\\+abi|m)$")
      list(APPEND BARACUDA_STATIC_LIBRARIES "${_library}")
    endif()
  endforeach()
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    list(APPEND BARACUDA_STATIC_LIBRARIES pthread dl)
  endif()
  list(REMOVE_DUPLICATES BARACUDA_STATIC_LIBRARIES)

  add_library(baracuda_ffi_static STATIC "$<TARGET_OBJECTS:baracuda_ffi>")
  add_library(baracuda_ffi::baracuda_ffi_static ALIAS baracuda_ffi_static)
  set_target_properties(baracuda_ffi_static PROPERTIES OUTPUT_NAME baracuda_ffi LINKER_LANGUAGE CXX)
  target_include_directories(
    baracuda_ffi_static INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/native/include>"
                                  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(baracuda_ffi_static INTERFACE ${BARACUDA_STATIC_LIBRARIES})
endif()
