"""Small shared libraries that stand between the library and the system, compiled when a test needs one."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from support.c_abi.header import compiler

SOURCES = Path(__file__).parent / "native" / "shims"


def compile_shared(source: Path, target: Path) -> Path:
    """A shared library from one C file. Without a C compiler, which the package needs, it skips."""
    command = compiler()
    if command is None:
        pytest.skip("needs a C compiler, there is none")
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"]
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([command, *flags, str(source), "-o", str(target), "-ldl"], check=True)
    return target


def build_shim(name: str, folder: Path, file_name: str | None = None) -> Path:
    """native/shims/NAME.c as a library in `folder`."""
    return compile_shared(SOURCES / f"{name}.c", folder / (file_name or f"{name}.so"))


class ThreadGate:
    """thread_gate.c, as it was preloaded into this process."""

    PASS, REFUSE, HOLD, LATE = 0, 1, 2, 3

    def __init__(self) -> None:
        self._process = ctypes.CDLL(None)

    def __getattr__(self, name: str) -> ctypes.c_int:
        return ctypes.c_int.in_dll(self._process, f"gate_{name}")
