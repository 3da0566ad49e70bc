"""The library as a file: what it links to, how large it is, and that it loads where there is no CUDA."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

import baracuda_ffi as bf
from support.processes.python import run_python

needs_readelf = pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf, there is none")

# glibc's, the compiler's and C++'s own.
ALLOWED = re.compile(r"(libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|ld-linux[-\w]*)\.so\.\d+")


def needed() -> list[str]:
    command = ["readelf", "-d", str(bf.library_path())]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", text)


@needs_readelf
def test_it_links_nothing_but_the_systems_libraries() -> None:
    libraries = needed()
    assert libraries
    assert [name for name in libraries if not ALLOWED.fullmatch(name)] == []


def test_it_is_below_three_megabytes() -> None:
    assert os.path.getsize(bf.library_path()) < 3_000_000


@needs_readelf
def test_it_says_nothing_of_the_machine_that_built_it() -> None:
    """No RPATH or RUNPATH, and a stack that is not executable."""
    command = ["readelf", "-Wdl", str(bf.library_path())]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "RPATH" not in text
    assert "RUNPATH" not in text
    stack = re.search(r"GNU_STACK.*", text)
    assert stack
    assert "RWE" not in stack[0]


def test_it_loads_alone_and_loads_no_driver() -> None:
    """ctypes and the file, nothing else; the driver is looked for by the first CUDA call only."""
    program = (
        "import ctypes, sys\n"
        "library = ctypes.CDLL(sys.argv[1])\n"
        "assert library.baracuda_ffi_abi_version() == 1\n"
        "maps = open('/proc/self/maps').read()\n"
        "assert 'libcuda' not in maps, maps\n"
    )
    done = run_python("-I", "-c", program, str(bf.library_path()))
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""
