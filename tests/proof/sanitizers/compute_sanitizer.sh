#!/usr/bin/env bash
# NVIDIA's compute-sanitizer over both kernels: zero errors from each of its tools, and planted errors that it catches.
# Needs a GPU, compute-sanitizer, and the package's test requirements. Other tests than test_both_kernels.py by name:
# compute_sanitizer.sh [PYTEST ARGUMENTS...]
set -uo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/local/cuda/bin
python=${PYTHON:-python3}
tests=("${@:-proof/sanitizers/test_both_kernels.py}")
found=86 # the status for errors found
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=0

# API errors are not asked for: CUDA's own runtime looks for functions of the driver that there may not be.
sanitize() { compute-sanitizer --tool "$1" --error-exitcode "$found" --report-api-errors no "${@:2}"; }

tools=(memcheck racecheck initcheck synccheck)
for tool in "${tools[@]}"; do # side by side: each is a process of its own that the GPU waits for most of the time
  {
    sanitize "$tool" "$python" -m pytest -q -m gpu -p no:cacheprovider -o timeout=600 "${tests[@]}" > "$logs/$tool" 2>&1
    echo $? > "$logs/$tool.status"
  } &
done
wait
for tool in "${tools[@]}"; do
  status=$(< "$logs/$tool.status")
  printf '%s: status %s\n' "$tool" "$status"
  grep -E '^=========.*(SUMMARY|ERROR)|passed|failed' "$logs/$tool" | tail -4
  if [ "$status" -ne 0 ] || ! grep -q 'SUMMARY: 0' "$logs/$tool" || ! grep -q ' passed' "$logs/$tool"; then
    failed=1
    tail -40 "$logs/$tool"
  fi
done

plant() { # plant TOOL WHICH WHAT-IT-MUST-SAY
  sanitize "$1" "$python" -m proof.children.cuda.planted_error "$2" > "$logs/planted" 2>&1
  local status=$?
  printf 'planted, %s: status %s\n' "$2" "$status"
  grep -m 1 -E "$3" "$logs/planted"
  grep 'SUMMARY' "$logs/planted"
  if [ $status -ne $found ] || ! grep -q -E "$3" "$logs/planted"; then
    failed=1
    echo "the planted error was not caught"
    tail -40 "$logs/planted"
  fi
}
plant memcheck page 'Invalid __global__ write'
plant initcheck uninitialised 'Uninitialized __global__ memory read'

[ $failed -eq 0 ] && echo "compute-sanitizer: no errors, and both planted ones were caught"
exit $failed
