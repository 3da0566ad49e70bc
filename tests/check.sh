#!/usr/bin/env bash
# All checks of a contribution: linters, formatters, types, then the tests. `tests/check.sh lint` leaves the tests out.
# Needs the package's [test] extra and the dev group: see docs/contributing.md.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()
check() {
  local name=$1
  shift
  printf '== %s\n' "$name"
  "$@" || failed+=("$name")
}

native_sources() {
  find native tests baracuda_ffi -name '*.h' -o -name '*.c' -o -name '*.cpp' -o -name '*.cu' | sort
}

clang_format_check() {
  native_sources | xargs clang-format --dry-run -Werror
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "mypy" mypy
check "clang-format" clang_format_check
check "the header as C and C++" pytest -q -rs tests/packaging/test_header.py
if [ "${1:-all}" != lint ]; then
  check "pytest" pytest
fi

if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi
echo "all checks passed"
