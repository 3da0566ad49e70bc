"""What the threads of a GPU's warp read together on the way to a row's place, on the CPU under sanitizers:
``native/reading_in_warp.cpp`` runs the kernels' own code as 32 threads in turn, over right and damaged
tables, and holds it against the host's way for a row by itself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[3] / "native"
PROOF = Path(__file__).parents[1] / "native"


def test_a_warp_finds_what_a_row_by_itself_does(tmp_path: Path) -> None:
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}, there is none")
    program = tmp_path / "reading_in_warp"
    includes = [NATIVE / "src", NATIVE / "include", PROOF / "model", PROOF / "shims" / "cuda"]
    command = [compiler, "-std=c++17", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command += [
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unknown-pragmas",
        *[f"-I{folder}" for folder in includes],
    ]
    command += [str(PROOF / "reading_in_warp.cpp"), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    done = subprocess.run([str(program), "800", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = re.fullmatch(r"reading_in_warp: (\d+) rows, (\d+) served, (\d+) corrupt, (\d+) .*\n", done.stdout)
    assert found, done.stdout
    rows, served, corrupt, out_of_order = map(int, found.groups())
    assert rows > 200_000
    assert served > rows / 2
    assert corrupt > 1000
    assert out_of_order > 1000
