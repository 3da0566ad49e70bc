"""A library of another ABI, with our functions or with others: refused, with both versions and its path."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof.shims import compile_shared

from support.c_abi import abi
from support.c_abi.header import functions, macro
from support.processes.python import run_python

OURS = int(macro("BARACUDA_FFI_ABI_VERSION"))

PROGRAM = """
import baracuda_ffi as bf
try:
    bf.build_info()
except bf.LibraryNotLoaded as error:
    print(error)
"""


def fake_library(folder: Path, version: int, names: set[str]) -> Path:
    """A library that exports those names, and says that it has that ABI."""
    source = folder / "fake.c"
    lines = [f"int {name}(void) {{ return 0; }}" for name in sorted(names - {"baracuda_ffi_abi_version"})]
    source.write_text("\n".join([*lines, f"int baracuda_ffi_abi_version(void) {{ return {version}; }}\n"]))
    return compile_shared(source, folder / "libfake.so")


@pytest.mark.parametrize("version", [OURS + 1, OURS + 41, 0])
@pytest.mark.parametrize("exports", ["every function", "only its version"])
def test_a_library_of_another_abi_is_refused(tmp_path: Path, version: int, exports: str) -> None:
    names = set(functions()) | set(abi.SIGNATURES) if exports == "every function" else set()
    path = fake_library(tmp_path, version, names)
    done = run_python("-c", PROGRAM, BARACUDA_FFI_LIBRARY=str(path))
    assert done.returncode == 0, done.stderr
    for part in (str(path), f"ABI version {version};", f"ABI version {OURS}."):
        assert part in done.stdout
