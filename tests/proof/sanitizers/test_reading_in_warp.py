"""What the threads of a GPU's warp read together on the way to a row's place, on the CPU under sanitizers:
``native/reading_in_warp.cpp`` runs the kernels' own code as 32 threads in turn, over right and damaged
tables, and holds it against the host's way for a row by itself.
"""

from __future__ import annotations

import re
from pathlib import Path

from proof.programs import PROGRAMS, build_program, said_by


def test_a_warp_finds_what_a_row_by_itself_does(tmp_path: Path) -> None:
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wno-unknown-pragmas")
    program = build_program("reading_in_warp", tmp_path, *flags, includes=[PROGRAMS / "shims" / "cuda"])
    said = said_by(program, "800", "1")
    found = re.fullmatch(r"reading_in_warp: (\d+) rows, (\d+) served, (\d+) corrupt, (\d+) .*\n", said)
    assert found, said
    rows, served, corrupt, out_of_order = map(int, found.groups())
    assert rows > 200_000
    assert served > rows / 2
    assert corrupt > 1000
    assert out_of_order > 1000
