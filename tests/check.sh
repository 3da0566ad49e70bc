#!/usr/bin/env bash
# All checks of a contribution: linters, formatters, types, then the tests.
#   tests/check.sh           every check
#   tests/check.sh lint      all but the tests
#   tests/check.sh NAME...   the checks of these names, such as clang-tidy
# Needs the package's [test] extra and the dev group: see docs/contributing.md.
set -uo pipefail
cd "$(dirname "$0")/.."

check_ruff() { ruff check .; }
check_ruff_format() { ruff format --check .; }
check_mypy() { mypy; }
# Comments too, which clang-format leaves as they are, keep to its columns.
check_clang_format() {
  local sources
  sources=$(find native tests baracuda_ffi -name '*.h' -o -name '*.c' -o -name '*.cpp' -o -name '*.cu' | sort)
  # shellcheck disable=SC2086 # a list
  clang-format --dry-run -Werror $sources && ! grep -nE '^.{121,}' $sources
}
# Over what the host preset compiles: clang-tidy takes each source's options from there. Where there is a CUDA compiler, over
# the CUDA room too, its kernels' sources as the host's compiler reads them.
check_clang_tidy() {
  cmake --preset host > /dev/null && run-clang-tidy.py -p build/host -quiet -hide-progress || return
  command -v nvcc > /dev/null || return 0
  cmake --preset cuda -D CMAKE_CUDA_ARCHITECTURES=90-real > /dev/null &&
    run-clang-tidy.py -p build/cuda -quiet -hide-progress 'native/src/cuda/'
}
# As C and C++, in every language standard.
check_header() { pytest -q -rs tests/packaging/test_header.py; }
check_pytest() { pytest; }
# The site, with warnings as errors; needs the docs group, and so is none of lint's.
check_docs() { NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict --config-file .mkdocs.yml; }

lint=(ruff ruff-format mypy clang-format clang-tidy header)
case ${1:-} in
  "") names=("${lint[@]}" pytest) ;;
  lint) names=("${lint[@]}") ;;
  *) names=("$@") ;;
esac

for name in "${names[@]}"; do
  declare -F "check_${name//-/_}" > /dev/null || { echo "no check is named $name; there are ${lint[*]} pytest docs"; exit 2; }
done
failed=()
for name in "${names[@]}"; do
  printf '== %s\n' "$name"
  "check_${name//-/_}" || failed+=("$name")
done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[*]}"
  exit 1
fi
echo "all checks passed"
