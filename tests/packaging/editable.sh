#!/usr/bin/env bash
# An editable install rebuilds what has a changed kernel in it when the package is imported.
. "$(dirname "$0")/lib.sh"

fresh_copy "$work/source"
new_environment "$work/env"

step "pip install --editable"
"$work/env/bin/pip" install --quiet 'scikit-build-core>=1.1' cmake ninja
"$work/env/bin/pip" install --quiet --no-build-isolation -C editable.rebuild=true --editable "$work/source"
PATH="$work/env/bin:$PATH" use_install "$work/env" cuda

# A kernel's name is in the library.
names() {
  local library
  library=$(cd / && PATH="$work/env/bin:$PATH" "$work/env/bin/python" -c "import baracuda_ffi as bf; print(bf.library_path())")
  grep -a -o "append[a-z_]*_kernel" "$library" | sort -u
}

step "a change of a kernel"
before=$(names)
sed -i 's/append_kernel/append_changed_kernel/' "$work"/source/native/src/cuda/bespoke/copy*
after=$(names)
printf '%s\n%s\n' "$before" "$after"
[[ $before == append_kernel && $after == append_changed_kernel ]]
