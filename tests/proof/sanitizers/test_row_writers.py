"""The ways of the host backend to write a row, by vectors and in plain C++: the same bytes.

A processor has one best way, and what an append writes shows no other: the sources of all are compiled
into a program, native/row_writers.cpp, that holds each against the portable one. Arm's are held so on
other processors too, where there are a cross compiler and an emulator. `row_writers floats` does so over
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


def build(folder: Path, compiler: str, *flags: str) -> Path:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}, there is none")
    program = folder / "row_writers"
    sources = sorted((NATIVE / "src" / "host" / "formats").glob("*.cpp"))
    includes = [f"-I{folder}" for folder in (NATIVE / "src", NATIVE / "include", PROGRAM.parent / "model")]
    command = [compiler, "-std=c++17", *flags, "-Wall", "-Wextra", "-Wpedantic", "-Werror", *includes]
    command += [str(PROGRAM), *map(str, sources), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    return program


def ways_that_agree(command: list[str]) -> set[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = re.fullmatch(
        r"row_writers: (\d+) rows as the portable way writes them, by ([a-z0-9 ]+)\n", done.stdout
    )
    assert found, done.stdout
    assert int(found[1]) > 100_000
    return set(found[2].split())


def cpu_has(*names: str) -> bool:
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return flags is not None and set(names) <= set(flags[1].split())


@pytest.mark.parametrize(
    "flags", [("-O3",), ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")]
)
def test_every_way_writes_the_same_bytes(tmp_path: Path, flags: tuple[str, ...]) -> None:
    ways = ways_that_agree([str(build(tmp_path, os.environ.get("CXX", "c++"), *flags))])
    if platform.machine() == "x86_64":
        assert ("avx2" in ways) == cpu_has("avx2", "f16c")
        assert ("avx512" in ways) == cpu_has("avx512f", "avx512bw", "avx512vl", "avx512dq")
    else:
        assert ("neon" in ways) == (platform.machine() == "aarch64")


@pytest.mark.skipif(platform.machine() == "aarch64", reason="this processor has those ways itself")
def test_the_ways_of_arm_do_on_another_processor(tmp_path: Path) -> None:
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("needs qemu-aarch64, there is none")
    program = build(tmp_path, "aarch64-linux-gnu-g++", "-O2", "-static")
    assert ways_that_agree([emulator, str(program)]) == {"portable", "neon"}
