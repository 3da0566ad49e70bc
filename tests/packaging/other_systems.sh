#!/usr/bin/env bash
# The library without CUDA for systems that are not at hand: every source is compiled and linked for each, with warnings as
# errors, by the compiler and the C and C++ libraries of PyPI's ziglang. What is made for musl is run here; macOS's and
# Windows' is compiled and not run. Minutes, most of them for the C++ libraries, which ZIG_GLOBAL_CACHE_DIR keeps.
. "$(dirname "$0")/lib.sh"

fresh_copy "$work/source"
new_environment "$work/env"
"$work/env/bin/pip" install --quiet cmake ninja 'ziglang>=0.17'
export PATH="$work/env/bin:$PATH" ZIG_GLOBAL_CACHE_DIR="${ZIG_GLOBAL_CACHE_DIR:-$work/zig}"

# compile TARGET SYSTEM PROCESSOR: a build in $work/TARGET, whose compiler is $work/TARGET.c++.
compile() {
  step "$1"
  printf '#!/bin/sh\nexec "%s" -m ziglang c++ -target %s "$@"\n' "$work/env/bin/python" "$1" > "$work/$1.c++"
  chmod +x "$work/$1.c++"
  cmake -S "$work/source" -B "$work/$1" -G Ninja -D CMAKE_SYSTEM_NAME="$2" -D CMAKE_SYSTEM_PROCESSOR="$3" \
    -D CMAKE_CXX_COMPILER="$work/$1.c++" -D BARACUDA_FFI_CUDA=OFF -D BARACUDA_FFI_WERROR=ON \
    -D BARACUDA_FFI_STATIC=ON > "$work/$1.log" || { tail -30 "$work/$1.log"; exit 1; }
  cmake --build "$work/$1" >> "$work/$1.log" || { tail -60 "$work/$1.log"; exit 1; }
  (cd "$work/$1" && ls -l libbaracuda_ffi.*)
}

compile x86_64-linux-musl Linux x86_64
"$work/x86_64-linux-musl.c++" -static -x c -I "$work/source/native/include" "$work/source/native/examples/c/append.c" \
  -x none "$work/x86_64-linux-musl/libbaracuda_ffi.a" -o "$work/append"
"$work/append"
compile aarch64-linux-musl Linux aarch64
compile aarch64-macos Darwin arm64
compile x86_64-windows-gnu Windows AMD64
