# An Arm Python on another processor: Debian's, by qemu's user mode, and its packages from PyPI. Sourced after lib.sh.

# Whether this machine has what crosses over: a compiler, an emulator, and apt to fetch Arm's Python with.
need_arm() {
  local missing=()
  command -v aarch64-linux-gnu-g++ > /dev/null || missing+=(g++-aarch64-linux-gnu)
  command -v qemu-aarch64 > /dev/null || missing+=(qemu-user)
  command -v apt-get > /dev/null || missing+=(apt)
  if [ ${#missing[@]} -gt 0 ]; then
    echo "not run: this machine lacks ${missing[*]}"
    exit 77
  fi
}

# Makes an environment in the folder $1 with what follows installed, requirements as pip takes them: $1/python runs in it.
# apt keeps its lists and what it downloads there too; nothing of the system is changed.
new_arm_environment() {
  local folder=$1 packages=$1/packages version platforms=()
  shift
  mkdir -p "$packages/lists/partial" "$packages/archives/partial"
  touch "$packages/status"
  local apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
    -o "Dir::State=$packages" -o "Dir::State::status=$packages/status" -o "Dir::Cache=$packages")
  "${apt[@]}" update
  "${apt[@]}" install --yes --no-install-recommends --download-only python3-minimal libpython3-stdlib libstdc++6 > /dev/null
  local package
  for package in "$packages"/archives/*.deb; do dpkg --extract "$package" "$folder/root"; done

  version=$(basename "$folder"/root/usr/bin/python3.[0-9]*)
  # A script, so that what a Python starts by sys.executable is emulated too.
  cat > "$folder/python" << end
#!/bin/sh
PYTHONHOME=$folder/root/usr exec qemu-aarch64 -L $folder/root -0 $folder/python $folder/root/usr/bin/$version "\$@"
end
  chmod +x "$folder/python"

  local glibc
  for glibc in 17 24 27 28 34 35; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
  new_environment "$folder/tools"
  "$folder/tools/bin/pip" install --quiet --target "$folder/root/usr/lib/python3/dist-packages" --python-version "${version#python}" \
    --only-binary :all: "${platforms[@]}" --platform manylinux2014_aarch64 --platform linux_aarch64 "$@"
  # PYTHONHOME is this Python's alone, and not what else it starts has to heed, such as a cmake of this machine's Python.
  echo "import os; os.environ.pop('PYTHONHOME', None)" > "$folder/root/usr/lib/python3/dist-packages/no_home.pth"
}

# As use_install, with the environment $1.
use_arm_install() {
  (cd / && "$1/python" "$here/use_install.py" "$2")
}
