"""The binary interface is the committed one, and programs that were built against it go on working."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.c_abi import abi, abi_description, bindings, header
from support.processes.installed import REPOSITORY, run

COMMITTED = Path(__file__).parent / "abi" / "abi.txt"

pytestmark = pytest.mark.skipif(header.compiler() is None, reason="needs a C compiler, there is none")


def test_the_header_has_the_committed_abi(tmp_path: Path) -> None:
    hint = "; if that is decided: python tests/packaging/abi/update.py (docs/contributing.md, The ABI)"
    committed, now = COMMITTED.read_text().splitlines(), abi_description.describe(tmp_path).splitlines()
    assert [line for line in committed if line not in now] == [], f"gone or changed{hint}"
    assert [line for line in now if line not in committed] == [], f"new{hint}"
    assert now == committed, f"another order{hint}"


def test_rust_and_go_declare_what_the_header_does(tmp_path: Path) -> None:
    """To the letter: the declarations are written from the header, by tests/packaging/abi/update.py."""
    committed = REPOSITORY / "native" / "bindings"
    layouts = abi_description.describe(tmp_path)
    assert (committed / "rust" / "src" / "declarations.rs").read_text() == bindings.rust(layouts)
    assert (committed / "go" / "declarations.go").read_text() == bindings.go()


def test_the_crate_has_the_headers_version() -> None:
    manifest = (REPOSITORY / "native" / "bindings" / "rust" / "Cargo.toml").read_text()
    assert f"version = {header.macro('BARACUDA_FFI_VERSION')}\n" in manifest


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm, there is none")
def test_the_library_exports_the_committed_symbols() -> None:
    """And those that are the package's own."""
    committed = re.findall(r"^function (\w+)\(", COMMITTED.read_text(), re.MULTILINE)
    command = ["nm", "-D", "--defined-only", "--format=posix", abi.library_path()]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    exported = [line.split()[0] for line in printed.splitlines()]
    private = [name for name in exported if name.startswith("baracuda_private_")]
    assert sorted(private) == sorted(abi.PRIVATE_SIGNATURES)
    assert sorted(set(exported) - set(private)) == sorted(committed)


@pytest.mark.parametrize(
    "caller", ["as_built_for_abi_1", "smaller", "newer_zero_tail", "newer_used_tail", "too_small"]
)
def test_a_caller_with_a_struct_of_another_release(caller: str, tmp_path: Path) -> None:
    """The program has its own copy of the struct, without the header, before a page that it must not read."""
    library = abi.library_path().resolve()
    program = tmp_path / "callers"
    warnings = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    source = REPOSITORY / "tests" / "packaging" / "callers.c"
    run([header.compiler() or "cc", *warnings, "-o", program, source, library], tmp_path)
    environment = {
        "LD_LIBRARY_PATH": os.pathsep.join([str(library.parent), os.environ.get("LD_LIBRARY_PATH", "")])
    }
    assert run([program, caller], tmp_path, environment) == f"{caller}: as it should be\n"
