#!/usr/bin/env bash
# The source distribution, built with the network cut. The build's own requirements come from a folder, as they would on
# a builder without a network; FlashInfer's headers come from inside.
. "$(dirname "$0")/lib.sh"

fresh_copy "$work/source"
new_environment "$work/env"

step "the source distribution"
"$work/env/bin/pip" install --quiet build
"$work/env/bin/python" -m build --sdist --outdir "$work/dist" "$work/source" > "$work/sdist.log" 2>&1 || {
  tail -30 "$work/sdist.log"
  exit 1
}
tar tf "$work"/dist/*.tar.gz | grep third_party/

step "what the build and the package require"
"$work/env/bin/pip" download --quiet --dest "$work/requirements" 'scikit-build-core>=1.1' pip cmake ninja numpy \
  cuda-bindings rich

step "pip install, no network"
PIP_NO_INDEX=1 PIP_FIND_LINKS="$work/requirements" without_network \
  "$work/env/bin/pip" install --quiet "$work"/dist/*.tar.gz
use_install "$work/env" cuda
