#!/usr/bin/env bash
# Two builds of one source, in different folders and by different front ends, are the same bytes.
. "$(dirname "$0")/lib.sh"

new_environment "$work/env"
"$work/env/bin/pip" install --quiet build
fresh_copy "$work/one"
fresh_copy "$work/another/place"

step "pip wheel"
"$work/env/bin/pip" wheel --quiet --no-deps --wheel-dir "$work/by-pip" "$work/one"
step "python -m build"
"$work/env/bin/python" -m build --outdir "$work/by-build" "$work/another/place" > "$work/build.log" 2>&1
step "python -m build --sdist, again"
"$work/env/bin/python" -m build --sdist --outdir "$work/again" "$work/one" > "$work/sdist.log" 2>&1

cd "$work"
sha256sum by-pip/*.whl by-build/*.whl by-build/*.tar.gz again/*.tar.gz
cmp by-pip/*.whl by-build/*.whl
cmp by-build/*.tar.gz again/*.tar.gz
