#!/usr/bin/env bash
# pip install . with the machine's CUDA toolkit.
. "$(dirname "$0")/lib.sh"

step "pip install, the machine's CUDA"
fresh_copy "$work/source"
new_environment "$work/env"
"$work/env/bin/pip" install --quiet -C cmake.define.BARACUDA_FFI_CUDA=ON "$work/source"
use_install "$work/env" cuda
