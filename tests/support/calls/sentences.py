"""What no sentence that a Python user reads has in it."""

from __future__ import annotations

import re

import baracuda_ffi as bf

#: Functions, enumerators, macros and statuses of C, ours and CUDA's. Not the variables that a build or the
#: package reads from the environment, nor the name of cuda.bindings' stream type.
C_NAMES = re.compile(
    r"\bBARACUDA_(?!FFI_(?:CUDA|PYPI_CUDA|LIBRARY)\b)\w+"
    r"|\bbaracuda_(?!ffi\b)\w+"
    r"|\bcuda[A-Z](?!tream_t\b)\w+|\bcu[A-Z]\w+|\bCUDA_[A-Z_]+"
    r"|\bstatus -?\d|\b(?:addressing|table|lengths|transform|parts|movement) \d"
)

#: Messages with C names in them that errors were made with since the tests began, of the whole process.
offending: list[str] = []


def watch() -> None:
    """Read every message that an error is made with from now on."""
    make = bf.BaracudaError.__init__

    def read(self: bf.BaracudaError, code: int, function: str, message: str) -> None:
        make(self, code, function, message)
        if isinstance(message, str) and C_NAMES.search(message):
            offending.append(message)

    bf.BaracudaError.__init__ = read  # type: ignore[method-assign]
