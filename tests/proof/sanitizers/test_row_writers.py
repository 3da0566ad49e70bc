"""The ways of the host backend to write a row, by vectors and in plain C++: the same bytes.

A processor has one best way, and what an append writes shows no other: the sources of all are compiled into a
program, native/row_writers.cpp, that holds each against the portable one. `row_writers floats` does so over
all floats, in minutes.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[3] / "native"
PROGRAM = Path(__file__).parents[1] / "native" / "row_writers.cpp"

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="other processors have the portable way alone"
)


def build(folder: Path, *flags: str) -> Path:
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        pytest.skip("needs a C++ compiler, there is none")
    program = folder / "row_writers"
    sources = sorted((NATIVE / "src" / "host" / "formats").glob("*.cpp"))
    includes = [f"-I{folder}" for folder in (NATIVE / "src", NATIVE / "include", PROGRAM.parent)]
    command = [compiler, "-std=c++17", *flags, "-Wall", "-Wextra", "-Wpedantic", "-Werror", *includes]
    command += [str(PROGRAM), *map(str, sources), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    return program


def cpu_has(*names: str) -> bool:
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return flags is not None and set(names) <= set(flags[1].split())


@pytest.mark.parametrize(
    "flags", [("-O3",), ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")]
)
def test_every_way_writes_the_same_bytes(tmp_path: Path, flags: tuple[str, ...]) -> None:
    done = subprocess.run([str(build(tmp_path, *flags))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = re.fullmatch(
        r"row_writers: (\d+) rows as the portable way writes them, by ([a-z0-9 ]+)\n", done.stdout
    )
    assert found, done.stdout
    assert int(found[1]) > 100_000
    assert ("avx2" in found[2].split()) == cpu_has("avx2", "f16c")
    assert ("avx512" in found[2].split()) == cpu_has("avx512f", "avx512bw", "avx512vl", "avx512dq")
