"""Threads that rest between calls, and end: native/helpers.cpp, compiled with what it is about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from proof.programs import NATIVE, build_program, said_by

SOURCES = [*sorted((NATIVE / "src" / "host" / "threads").glob("*.cpp")), NATIVE / "src/base/stay_loaded.cpp"]
REST = 2000  # us that a helper rests here, so that many end just while they are taken


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_helpers_of_many_callers(tmp_path: Path, sanitizer: str) -> None:
    flags = ("-Wpedantic", "-O1", "-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", "-pthread")
    rest = f"-DBARACUDA_LONGEST_REST=std::chrono::microseconds({REST})"
    program = build_program("helpers", tmp_path, *flags, rest, sources=SOURCES)
    said = said_by(program, "3")
    found = re.fullmatch(r"helpers: (\d+) calls\n", said)
    assert found, said
    assert int(found[1]) > 1000
