"""Threads that rest between calls, and end: native/helpers.cpp, compiled with what it is about."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[3] / "native"
PROGRAM = Path(__file__).parents[1] / "native" / "helpers.cpp"
SOURCES = (
    "host/threads/work.cpp",
    "host/threads/helpers.cpp",
    "host/threads/cpus.cpp",
    "base/stay_loaded.cpp",
)
REST = 2000  # us that a helper rests here, so that many end just while they are taken


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_helpers_of_many_callers(tmp_path: Path, sanitizer: str) -> None:
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}, there is none")
    program = tmp_path / "helpers"
    includes = [f"-I{NATIVE / 'src'}", f"-I{PROGRAM.parent / 'model'}"]
    flags = ["-std=c++17", "-O1", "-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", "-pthread"]
    flags += ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-DREST={REST}"]
    flags += [f"-DBARACUDA_LONGEST_REST=std::chrono::microseconds({REST})"]
    sources = [str(NATIVE / "src" / source) for source in SOURCES]
    command = [compiler, *flags, *includes, str(PROGRAM), *sources, "-ldl", "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    done = subprocess.run([str(program), "3"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = re.fullmatch(r"helpers: (\d+) calls\n", done.stdout)
    assert found, done.stdout
    assert int(found[1]) > 1000
