#!/usr/bin/env bash
# The host library under sanitizers: sanitize.sh BUILD_DIR WHAT [SECONDS]
#   problems   random right appends, AddressSanitizer and UndefinedBehaviorSanitizer
#   append     libFuzzer on baracuda_paged_kv_append_run, _can_implement and _preload, the same sanitizers
#   bind       libFuzzer on baracuda_paged_kv_append_bind, the same sanitizers
#   copies     random copies of pages, the same sanitizers
#   copies_by_threads  large ones, that threads share, ThreadSanitizer
#   overlap    caches in and beside each other, each held against all of its rows, the same sanitizers
#   threads    16 threads at once, ThreadSanitizer
#   edited_table  a page table that another thread edits, ThreadSanitizer
# CMakePresets.json says how the library is built: asan, fuzz, tsan. The drivers get the same flags.
# Without clang and its libFuzzer the two fuzz targets run on random bytes instead, built by the C compiler there is.
# DRIVER_FLAGS are further flags for the drivers: -DPLANTED_ERROR makes two of them wrong, to see that it is found.
# SEED is what the random problems and the random bytes start from, random itself unless set.
# FUZZ_CORPUS, if set, is a folder where libFuzzer keeps what it found, for longer runs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../../.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
what=$2
seconds=${3:-20}

clang=$(command -v clang clang-14 | head -1 || true)
has_libfuzzer() {
  echo 'int LLVMFuzzerTestOneInput(const unsigned char* d, unsigned long n) { return d == 0 && n == 1; }' > "$build/probe.c"
  [ -n "$clang" ] && "$clang" -fsanitize=fuzzer,address "$build/probe.c" -o "$build/probe" 2> /dev/null
}

# Clang where there is one: its sanitizers see streaming stores, which are calls of builtins to gcc.
case $what in threads | edited_table | copies_by_threads) preset=tsan ;; *) preset=asan ;; esac
fuzzer=
cc=${CC:-cc}
cxx=${CXX:-c++}
compiler=()
if has_libfuzzer; then
  cc=$clang
  cxx=$(dirname "$clang")/$(basename "$clang" | sed 's/^clang/clang++/')
  compiler=(-D "CMAKE_CXX_COMPILER=$cxx")
  case $what in append | bind) fuzzer=yes preset=fuzz ;; esac
fi

library=$build/$preset
quietly() { "$@" > "$build/cmake.log" 2>&1 || { cat "$build/cmake.log"; exit 1; }; }
quietly cmake --preset "$preset" -S "$repository" -B "$library" "${compiler[@]}"
quietly cmake --build "$library" --parallel "$(getconf _NPROCESSORS_ONLN)"

# shellcheck disable=SC2207 # several flags
flags=(-g $(sed -n 's/^CMAKE_CXX_FLAGS:[A-Z]*=//p' "$library/CMakeCache.txt") -I "$repository/native/include")
# shellcheck disable=SC2206 # several flags
drivers=(-std=gnu11 -Wall -Wextra -Werror -O2 -I "$here/../native/model" ${DRIVER_FLAGS:-})

model="model/model model/model_status model/model_rows model/formats"
case $what in
  problems) sources="random_problems model/problem $model" ;;
  threads | overlap | edited_table) sources="$what model/problem $model" ;;
  copies*) sources=copies ;;
  append) sources="fuzz/fuzz_append fuzz/take_append fuzz/arena $model ${fuzzer:-fuzz/replay}" ;;
  *) sources="fuzz/fuzz_$what fuzz/arena $model ${fuzzer:-fuzz/replay}" ;;
esac
objects=()
for source in ${sources/yes/}; do
  object=$build/$what.${source##*/}.o
  $cc "${flags[@]}" "${drivers[@]}" -c "$here/../native/$source.c" -o "$object"
  objects+=("$object")
done
$cxx "${flags[@]}" ${fuzzer:+-fsanitize=fuzzer} "${objects[@]}" -L "$library" -lbaracuda_ffi "-Wl,-rpath,$library" \
  -pthread -o "$build/$what"

export ASAN_OPTIONS=abort_on_error=0:exitcode=99:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:exitcode=99
cd "$build"
case $what in
  copies_by_threads) "./$what" "$seconds" "${SEED:-$RANDOM}" large ;;
  problems | overlap | copies) "./$what" "$seconds" "${SEED:-$RANDOM}" ;;
  threads) "./$what" ;;
  edited_table) "./$what" "$seconds" ;;
  *)
    if [ -n "$fuzzer" ]; then
      corpus=${FUZZ_CORPUS:-$build/corpus-$what}
      mkdir -p "$corpus"
      "./$what" "-max_total_time=$seconds" -max_len=512 -len_control=0 -print_final_stats=1 "$corpus" 2>&1 | tail -25
    else
      echo "no clang with libFuzzer: random bytes instead"
      "./$what" "$seconds" "${SEED:-$RANDOM}"
    fi
    ;;
esac
