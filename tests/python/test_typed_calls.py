"""What a type checker says of calls: mypy, over a file in which each wrong call says its error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import baracuda_ffi as bf

CALLS = Path(__file__).parent / "typed_calls.py"


def test_each_set_of_operands_is_an_overload(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    expected = {
        (number, found[1])
        for number, line in enumerate(CALLS.read_text().splitlines(), 1)
        if (found := re.search(r"# E: (\S+)$", line))
    }
    assert len(expected) > 20
    package = str(Path(bf.__file__).parents[1])
    command = [
        "mypy",
        "--strict",
        "--no-incremental",
        "--cache-dir",
        str(tmp_path),
        "--config-file",
        os.devnull,
    ]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(CALLS)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": package},
    )
    lines = [line for line in done.stdout.splitlines() if f"{CALLS.name}:" in line]
    found = {
        (int(match[1]), match[2])
        for line in lines
        if (match := re.search(r"typed_calls\.py:(\d+): error: .*\[(\S+)\]$", line))
    }
    errors = [line for line in lines if ": error: " in line]
    assert found == expected, "\n".join(errors) + done.stderr
