#!/usr/bin/env bash
# A wheel for Arm, made here by a cross compiler, or the one that $1 names; installed into an Arm Python and used there, by an
# emulator: the tests of the host backend, and those that launch with a stand-in for CUDA's driver. What follows $1 goes to pytest
# in place of the folders below, which take two cores a quarter of an hour.
. "$(dirname "$0")/lib.sh"
. "$here/emulated.sh"
need_arm

wheel=${1:-}
shift || true
some=$#
if [ "$some" = 0 ]; then
  set -- -m 'not slow and not gpu' -n 2 append c_abi format guarded library memory operands page_table pages quantised
fi

fresh_copy "$work/source"
if [ -z "$wheel" ]; then
  step "the wheel"
  new_environment "$work/env"
  build_wheel aarch64 "$work/source" "$work/wheel" "$work/env/bin/pip"
  wheel=$(echo "$work"/wheel/*.whl)
fi

step "an Arm Python with it"
new_arm_environment "$work/arm" "$wheel[test]"
use_arm_install "$work/arm" cuda

# What a test compiles it loads too.
export CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++
run_tests() { "$work/arm/python" -m pytest -q -p no:cacheprovider --timeout 1800 "$@"; }

step "the tests"
cd "$work/source/tests"
run_tests "$@"
if [ "$some" = 0 ]; then
  step "launches, with a stand-in for the driver"
  run_tests -m 'not gpu' proof/drivers/test_cuda_12_0.py
fi
