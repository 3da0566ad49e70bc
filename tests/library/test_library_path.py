"""Which library is loaded, and what is said when it is none of ours."""

from __future__ import annotations

from pathlib import Path

import baracuda_ffi as bf
from support.processes.python import output_of

SHOW = "import baracuda_ffi as bf; print(bf.library_path())"
REFUSED = """
import baracuda_ffi as bf
try:
    bf.library_path()
except bf.BaracudaError as error:
    print(error)
else:
    raise SystemExit("no error")
"""


def python(program: str, library: str) -> str:
    return output_of(program, BARACUDA_FFI_LIBRARY=library).strip()


def test_the_path_is_of_a_file() -> None:
    assert Path(bf.library_path()).is_file()


def test_the_environment_variable_overrides(tmp_path: Path) -> None:
    copy = tmp_path / "another name.so"
    copy.write_bytes(Path(bf.library_path()).read_bytes())
    assert python(SHOW, str(copy)) == str(copy)


def test_an_override_that_is_not_there(tmp_path: Path) -> None:
    """A mistake to hear about: no other library is taken instead."""
    said = python(REFUSED, str(tmp_path / "absent.so"))
    for part in ("BARACUDA_FFI_LIBRARY", "absent.so"):
        assert part in said


def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("not a library")
    assert str(text) in python(REFUSED, str(text))


def test_a_library_that_is_not_ours() -> None:
    """One that any Python has at hand."""
    import _ctypes

    path = getattr(_ctypes, "__file__", None)
    if path is not None:  # else it is built into the interpreter
        assert path in python(REFUSED, path)


def test_build_info() -> None:
    info = bf.build_info()
    assert "host" in info.backends
    assert ("flashinfer" in info.backends) == (info.cuda is not None) == (info.flashinfer is not None)
    assert info.version == bf.__version__
    codes = [f"sm_{arch}" for arch in info.archs] + [f"compute_{arch}" for arch in info.ptx]
    assert [code for code, _ in info.drivers] == codes
