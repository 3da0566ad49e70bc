# Adds a source to the library: -D CMAKE_PROJECT_baracuda_ffi_INCLUDE=this.
set(_unchecked_launch "${CMAKE_CURRENT_LIST_DIR}/../native/unchecked_launch.cpp")
cmake_language(DEFER CALL target_sources baracuda_ffi PRIVATE "${_unchecked_launch}")
