#!/usr/bin/env bash
# An editable install rebuilds a changed .cu file when the package is imported.
. "$(dirname "$0")/lib.sh"

fresh_copy "$work/source"
new_environment "$work/env"

step "pip install --editable"
"$work/env/bin/pip" install --quiet 'scikit-build-core>=1.1' cmake ninja
"$work/env/bin/pip" install --quiet --no-build-isolation -C editable.rebuild=true --editable "$work/source"
PATH="$work/env/bin:$PATH" use_install "$work/env" cuda

build_info() { (cd / && PATH="$work/env/bin:$PATH" "$work/env/bin/python" -c "import baracuda_ffi as bf; print(bf.build_info())"); }

step "a change of a .cu file"
before=$(build_info)
sed -i 's/"flashinfer=" BARACUDA_FLASHINFER_VERSION/"flashinfer=" BARACUDA_FLASHINFER_VERSION "+changed"/' \
  "$work"/source/native/src/cuda/*.cu
grep -l '+changed' "$work"/source/native/src/cuda/*.cu
after=$(build_info)
printf '%s\n%s\n' "$before" "$after"
[[ $before != *changed* && $after == *0.6.9+changed* ]]
