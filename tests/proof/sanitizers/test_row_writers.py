"""The ways of the host backend to write a row, by vectors and in plain C++: the same bytes.

A processor has one best way, and what an append writes shows no other: the sources of all are compiled
into a program, native/row_writers.cpp, that holds each against the portable one. Arm's are held so on
other processors too, where there are a cross compiler and an emulator. `row_writers floats` does so over
all floats, in minutes.
"""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path

import pytest
from proof.programs import NATIVE, build_program, said_by

SOURCES = sorted((NATIVE / "src" / "host" / "formats").glob("*.cpp"))


def ways_that_agree(*command: str | Path) -> set[str]:
    said = said_by(*command)
    found = re.fullmatch(r"row_writers: (\d+) rows as the portable way writes them, by ([a-z0-9 ]+)\n", said)
    assert found, said
    assert int(found[1]) > 100_000
    return set(found[2].split())


def cpu_has(*names: str) -> bool:
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return flags is not None and set(names) <= set(flags[1].split())


@pytest.mark.parametrize(
    "flags", [("-O3",), ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")]
)
def test_every_way_writes_the_same_bytes(tmp_path: Path, flags: tuple[str, ...]) -> None:
    ways = ways_that_agree(build_program("row_writers", tmp_path, *flags, "-Wpedantic", sources=SOURCES))
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
    flags = ("-O2", "-static", "-Wpedantic")
    compiler = "aarch64-linux-gnu-g++"
    program = build_program("row_writers", tmp_path, *flags, sources=SOURCES, compiler=compiler)
    assert ways_that_agree(emulator, program) == {"portable", "neon"}
