#!/usr/bin/env bash
# The library with one function more, which launches without checking: build_unchecked.sh TARGET.so [ARCH]
# Needs cmake, nvcc, and FlashInfer's headers in FLASHINFER_INCLUDE_DIR. ARCH is the GPU's, 90 unless given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$1
arch=${2:-90}
: "${FLASHINFER_INCLUDE_DIR:?should be the folder that holds flashinfer/page.cuh}"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cmake -S "$here/../../.." -B "$build" -D BARACUDA_FFI_CUDA=ON -D "CMAKE_CUDA_ARCHITECTURES=$arch-real" \
  -D "FLASHINFER_INCLUDE_DIR=$FLASHINFER_INCLUDE_DIR" -D "CMAKE_PROJECT_baracuda_ffi_INCLUDE=$here/unchecked.cmake" > /dev/null
cmake --build "$build" --parallel > /dev/null
mkdir -p "$(dirname "$target")"
cp "$build/libbaracuda_ffi.so" "$target"
