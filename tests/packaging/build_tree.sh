#!/usr/bin/env bash
# A plain CMake build, used uninstalled through BARACUDA_FFI_LIBRARY, then installed and found by CMake and pkg-config
# after it was moved.
. "$(dirname "$0")/lib.sh"

fresh_copy "$work/source"
new_environment "$work/env"
"$work/env/bin/pip" install --quiet numpy rich cmake ninja
export PATH="$work/env/bin:$PATH"

step "cmake"
cmake -S "$work/source" -B "$work/build" -G Ninja -D BARACUDA_FFI_WERROR=ON
cmake --build "$work/build"

step "uninstalled, through BARACUDA_FFI_LIBRARY"
(cd / && BARACUDA_FFI_LIBRARY="$work/build/libbaracuda_ffi.so" PYTHONPATH="$work/source" python "$here/use_install.py" cuda)

step "installed, moved, found"
cmake --install "$work/build" --prefix "$work/first" > /dev/null
mv "$work/first" "$work/second"
if grep -rIE "$work|$repository" "$work/second"; then
  echo "a path of the build is in what was installed"
  exit 1
fi
libdir=$(echo "$work"/second/lib*/)
export PKG_CONFIG_PATH=$libdir/pkgconfig
cmake -S "$work/source/native/examples/cpp" -B "$work/cpp" -D CMAKE_PREFIX_PATH="$work/second" > /dev/null
cmake --build "$work/cpp" > /dev/null
"$work/cpp/append"
cc -o "$work/append" "$work/source/native/examples/c/append.c" $(pkg-config --cflags --libs baracuda_ffi) -ldl
"$work/append"
