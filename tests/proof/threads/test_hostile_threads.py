"""What another thread may do to a host append under way: edit its page table, or cancel its thread."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

import baracuda_ffi as bf
from support.c_abi.header import HEADER, compiler

SOURCES = Path(__file__).parents[1] / "native"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
        reason="needs two CPUs: on one, threads take turns, and an append uses none of its own",
    ),
]


def run_driver(folder: Path, name: str, *arguments: str) -> str:
    """native/NAME.c, against the library under test."""
    command = compiler()
    if command is None:
        pytest.skip("needs a C compiler, there is none")
    library = Path(bf.library_path()).resolve()
    model = sorted(str(source) for source in (SOURCES / "model").glob("model*.c"))
    sources = [str(SOURCES / f"{source}.c") for source in (name, "model/problem", "model/formats")] + model
    flags = [
        "-std=gnu11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pthread",
        f"-I{HEADER.parent}",
        f"-I{SOURCES / 'model'}",
    ]
    link = [f"-L{library.parent}", f"-l:{library.name}", f"-Wl,-rpath,{library.parent}"]
    program = folder / name
    subprocess.run([command, *flags, *map(str, sources), "-o", str(program), *link], check=True)
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def counts(said: str, pattern: str) -> list[int]:
    found = re.search(pattern, said)
    assert found, said
    return [int(number) for number in found.groups()]


def test_a_table_edited_meanwhile_leads_nowhere_else(tmp_path: Path) -> None:
    """Rows go where the table was judged to lead, whatever it says by then."""
    said = run_driver(tmp_path, "edited_table", "4")
    appended, refused = counts(said, r"edited_table: (\d+) appends whole, (\d+) refused")
    assert appended > 0
    assert refused > 0


def test_a_cancelled_thread_ends_alone(tmp_path: Path) -> None:
    """The process goes on, and the append that was under way is whole."""
    said = run_driver(tmp_path, "cancel", "100")
    trials, inside = counts(said, r"cancel: (\d+) threads cancelled, (\d+) of them inside an append")
    assert trials == 100
    assert inside > 0
