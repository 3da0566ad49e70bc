# What the scripts beside this file share. Each builds from a fresh copy of the sources in a folder of its own, installs
# into an empty environment, and uses what it installed. Sourced, not run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset BARACUDA_FFI_LIBRARY BARACUDA_FFI_PYPI_CUDA PYTHONPATH VIRTUAL_ENV

step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

# What git would commit, in the folder $1.
fresh_copy() {
  mkdir -p "$1"
  (
    cd "$repository"
    git ls-files --cached --others --exclude-standard -z |
      while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
      tar --null --files-from - --create
  ) | tar --extract --directory "$1"
}

# An empty environment in the folder $1, with a pip new enough for everything here.
new_environment() {
  "${PYTHON:-python3}" -m venv "$1"
  "$1/bin/pip" install --quiet --upgrade 'pip>=25.1'
}

# The wheel for the processor $1 of the sources $2, a folder or a source distribution, goes to the folder $3. $4 is a pip, and
# what follows are options for it. For another processor than this machine's a cross compiler is used.
build_wheel() {
  local machine=$1 source=$2 folder=$3 pip=$4 options=()
  shift 4
  if [ "$machine" != "$(uname -m)" ]; then
    options=(-C "cmake.define.CMAKE_TOOLCHAIN_FILE=native/cmake/$machine-linux-gnu.cmake")
  fi
  # The variable is how Python is told, and so whoever names a wheel, that it is another's platform.
  _PYTHON_HOST_PLATFORM=linux-$machine "$pip" wheel --quiet --no-deps --wheel-dir "$folder" "${options[@]}" "$@" "$source"
}

# Appends with what is installed in the environment $1; $2 is cuda or host: what its library has to have.
use_install() {
  (cd / && "$1/bin/python" "$here/use_install.py" "$2")
}

need_unshare() {
  if ! unshare --map-root-user "$@" true 2> /dev/null; then
    echo "not run: this system does not let unshare $* hide things"
    exit 77
  fi
}

# Runs a command where no CUDA toolkit can be seen.
without_toolkit() {
  need_unshare --mount
  unshare --map-root-user --mount bash -euo pipefail -c '
    for folder in /usr/local/cuda*/ /opt/cuda*/; do
      if [ -d "$folder" ]; then mount -t tmpfs none "$(readlink -f "$folder")"; fi
    done
    for nvcc in $(type -aP nvcc); do
      mount --bind /dev/null "$nvcc"
    done
    unset CUDACXX CUDA_HOME CUDA_PATH
    exec "$@"' without_toolkit "$@"
}

# Runs a command with no network at all.
without_network() {
  need_unshare --net
  unshare --map-root-user --net "$@"
}
