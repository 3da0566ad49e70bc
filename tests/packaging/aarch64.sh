#!/usr/bin/env bash
# A wheel for Arm, made here by a cross compiler, or the one that $1 names; installed into an Arm Python and used there, by an
# emulator: the demo, and the tests of the host backend. What follows $1 goes to pytest: by default the folders below, a
# quarter of an hour of two cores.
. "$(dirname "$0")/lib.sh"
. "$here/emulated.sh"
need_arm

wheel=${1:-}
shift || true
if [ $# -eq 0 ]; then
  set -- -m 'not slow and not gpu' -n 2 append c_abi format guarded library memory operands page_table pages quantised
fi

fresh_copy "$work/source"
if [ -z "$wheel" ]; then
  step "the wheel"
  new_environment "$work/env"
  build_wheel aarch64 "$work/source" "$work/wheel" "$work/env/bin/pip" -C cmake.define.BARACUDA_FFI_CUDA=OFF
  wheel=$(echo "$work"/wheel/*.whl)
fi

step "an Arm Python with it"
new_arm_environment "$work/arm" "$wheel[test]"
use_arm_install "$work/arm" host

step "the tests"
cd "$work/source/tests"
"$work/arm/python" -m pytest -q -p no:cacheprovider --timeout 1800 "$@"
