#!/usr/bin/env bash
# The library with one function more, which launches without checking: build_unchecked.sh TARGET.so [ARCH]
# Needs nvcc, and FlashInfer's headers in FLASHINFER_INCLUDE_DIR. ARCH is the GPU's, 90 unless given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
native=$here/../../../native
target=$1
arch=${2:-90}
PATH=$PATH:/usr/local/cuda/bin
: "${FLASHINFER_INCLUDE_DIR:?should be the folder that holds flashinfer/page.cuh}"
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
flags=(-std=c++17 -O2 -DNDEBUG -DBARACUDA_FFI_BUILDING -Xcompiler=-fPIC,-fvisibility=hidden
  -I "$native/include" -I "$native/src" -isystem "$FLASHINFER_INCLUDE_DIR"
  '-DBARACUDA_FLASHINFER_VERSION="unchecked"' "-DBARACUDA_CUDA_ARCHS=\"$arch\"" "-DBARACUDA_PTX_ARCH=\"$arch\""
  "-gencode=arch=compute_$arch,code=sm_$arch")
for source in $(find "$native/src" -name '*.cpp' ! -name absent.cpp -o -name '*.cu' | sort) "$here/../native/unchecked_launch.cpp"; do
  nvcc "${flags[@]}" -c "$source" -o "$objects/$(basename "$(dirname "$source")").$(basename "$source").o" &
done
for job in $(jobs -p); do wait "$job"; done
mkdir -p "$(dirname "$target")"
nvcc -shared -cudart static -Xcompiler=-fPIC "$objects"/*.o -lpthread -o "$target"
