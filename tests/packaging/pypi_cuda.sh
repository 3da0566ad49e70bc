#!/usr/bin/env bash
# pip install . with the CUDA compiler from PyPI, where no toolkit can be seen.
. "$(dirname "$0")/lib.sh"

step "pip install, PyPI's CUDA, the machine's hidden"
fresh_copy "$work/source"
new_environment "$work/env"
BARACUDA_FFI_PYPI_CUDA=1 without_toolkit "$work/env/bin/pip" install --quiet "$work/source"
use_install "$work/env" cuda
