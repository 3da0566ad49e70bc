#!/usr/bin/env bash
# pip install . without CUDA: asked for, and for want of a compiler. ON without a compiler stops and says what helps.
. "$(dirname "$0")/lib.sh"

fresh_copy "$work/source"
new_environment "$work/env"

step "pip install, BARACUDA_FFI_CUDA=OFF"
"$work/env/bin/pip" install --quiet -C cmake.define.BARACUDA_FFI_CUDA=OFF "$work/source"
use_install "$work/env" host

step "pip install, AUTO, no toolkit to be seen"
without_toolkit "$work/env/bin/pip" install --force-reinstall --no-deps -v "$work/source" > "$work/auto.log" 2>&1
grep -A2 "CUDA backend: LEFT OUT: no CUDA compiler" "$work/auto.log"
use_install "$work/env" host

step "the functions without CUDA, in C: they check as usual, and run returns 3"
prefix=$(cd / && "$work/env/bin/baracuda-ffi" config --libdir)
cc -std=c11 -Wall -Wextra -Werror -o "$work/no_cuda" "$here/no_cuda.c" -I"$prefix/../include" -L"$prefix" \
  -Wl,-rpath,"$prefix" -lbaracuda_ffi
"$work/no_cuda"

step "pip install, ON, no toolkit to be seen: stops"
if without_toolkit "$work/env/bin/pip" install --force-reinstall --no-deps -C cmake.define.BARACUDA_FFI_CUDA=ON \
  "$work/source" > "$work/on.log" 2>&1; then
  echo "BARACUDA_FFI_CUDA=ON went through without a compiler"
  exit 1
fi
grep -A3 "BARACUDA_FFI_CUDA is ON, but the CUDA kernels cannot be built" "$work/on.log"
