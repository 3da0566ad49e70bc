"""Programs of native/ that are compiled with the sources, or the headers, that they are about."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
PROGRAMS = Path(__file__).parent / "native"


def build_program(
    name: str,
    folder: Path,
    *flags: str,
    sources: Iterable[Path] = (),
    includes: Iterable[Path] = (),
    compiler: str | None = None,
) -> Path:
    """native/NAME.cpp as a program in ``folder``. Without the compiler it skips."""
    compiler = compiler or os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}, there is none")
    program = folder / name
    folders = [NATIVE / "src", NATIVE / "include", PROGRAMS / "model", *includes]
    command = [
        compiler,
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        *flags,
        *[f"-I{each}" for each in folders],
    ]
    command += [str(PROGRAMS / f"{name}.cpp"), *map(str, sources), "-ldl", "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    return program


def said_by(*command: str | Path) -> str:
    """What it printed; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
