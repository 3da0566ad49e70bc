#!/usr/bin/env bash
# The host library under sanitizers: sanitize.sh BUILD_DIR WHAT [SECONDS]
#   problems   random right appends, AddressSanitizer and UndefinedBehaviorSanitizer
#   append     libFuzzer on baracuda_paged_kv_append_run, _can_implement and _preload, the same sanitizers
#   bind       libFuzzer on baracuda_paged_kv_append_bind, the same sanitizers
#   threads    16 threads at once, ThreadSanitizer
# Without clang and its libFuzzer the two fuzz targets run on random bytes instead, built by the C compiler there is.
# DRIVER_FLAGS are further flags for the drivers: -DPLANTED_ERROR makes two of them wrong, to see that it is found.
# FUZZ_CORPUS, if set, is a folder where libFuzzer keeps what it found, for longer runs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
native=$here/../../native
build=$1
what=$2
seconds=${3:-20}
mkdir -p "$build"

clang=$(command -v clang clang-14 | head -1 || true)
has_libfuzzer() {
  echo 'int LLVMFuzzerTestOneInput(const unsigned char* d, unsigned long n) { return d == 0 && n == 1; }' > "$build/probe.c"
  [ -n "$clang" ] && "$clang" -fsanitize=fuzzer,address "$build/probe.c" -o "$build/probe" 2> /dev/null
}

# Clang where there is one: its sanitizers see streaming stores, which are calls of builtins to gcc.
fuzzer=
cc=${CC:-cc}
cxx=${CXX:-c++}
if has_libfuzzer; then
  cc=$clang
  cxx="$clang --driver-mode=g++"
  case $what in append | bind) fuzzer=yes ;; esac
fi
# ThreadSanitizer sees no access of 32 bytes: it gets the copy that other processors get.
library=(-std=c++17 -DBARACUDA_FFI_BUILDING -I "$native/src")
case $what in
  threads)
    sanitizers=thread
    library+=(-U__SSE2__)
    ;;
  *) sanitizers=address,undefined ;;
esac
flags=(-g -O1 -fno-omit-frame-pointer "-fsanitize=$sanitizers" -fno-sanitize-recover=all -I "$native/include")
# shellcheck disable=SC2206 # several flags
drivers=(-std=gnu11 -Wall -Wextra -Werror -O2 ${DRIVER_FLAGS:-})

compile() { # compile COMPILER SOURCE FLAGS...: an object in $objects
  local compiler=$1 source=$2
  shift 2
  local object=$build/$what.$(basename "$(dirname "$source")").$(basename "$source").o
  # shellcheck disable=SC2086 # the compiler may come with an argument
  $compiler "${flags[@]}" "$@" -c "$source" -o "$object"
  objects+=("$object")
}

objects=()
for source in $(find "$native/src" -name "*.cpp" | sort); do
  compile "$cxx" "$source" "${library[@]}" ${fuzzer:+-fsanitize=fuzzer-no-link}
done
case $what in
  problems) sources="random_problems problem model" ;;
  threads) sources="threads problem model" ;;
  *) sources="fuzz_$what arena model ${fuzzer:-replay}" ;;
esac
for source in ${sources/yes/}; do compile "$cc" "$here/native/$source.c" "${drivers[@]}"; done
# shellcheck disable=SC2086
$cxx "${flags[@]}" ${fuzzer:+-fsanitize=fuzzer} "${objects[@]}" -pthread -o "$build/$what"

export ASAN_OPTIONS=abort_on_error=0:exitcode=99:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:exitcode=99
cd "$build"
case $what in
  problems) "./$what" "$seconds" "$RANDOM" ;;
  threads) "./$what" ;;
  *)
    if [ -n "$fuzzer" ]; then
      corpus=${FUZZ_CORPUS:-$build/corpus-$what}
      mkdir -p "$corpus"
      "./$what" "-max_total_time=$seconds" -max_len=256 -len_control=0 -print_final_stats=1 "$corpus" 2>&1 | tail -25
    else
      echo "no clang with libFuzzer: random bytes instead"
      "./$what" "$seconds" "$RANDOM"
    fi
    ;;
esac
