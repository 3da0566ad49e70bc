#!/usr/bin/env bash
# Every way to build and install, one after another; what each printed goes to the folder $1, if given.
set -uo pipefail
cd "$(dirname "$0")"
logs=${1:-$(mktemp -d)}
mkdir -p "$logs"
failed=0
for script in machine_cuda no_cuda pypi_cuda build_tree editable sdist_offline reproducible aarch64 other_systems; do
  start=$SECONDS
  "./$script.sh" > "$logs/$script.log" 2>&1
  status=$?
  case $status in 0) verdict=passed ;; 77) verdict="not run" ;; *) verdict=FAILED failed=1 ;; esac
  printf '%-14s %s (%ss): %s\n' "$script" "$verdict" $((SECONDS - start)) "$logs/$script.log"
done
exit $failed
