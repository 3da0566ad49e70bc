"""A clone's root, where Python finds the source folder before the package that was installed from it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import baracuda_ffi as bf
from support.processes.python import run_python

SOURCE = Path(__file__).parents[2]
PACKAGE = Path(bf.__file__).parent
BUILT = ("lib", "include", "share", "_build_info.py", "__pycache__")
BUILD_INFO = """
import os
PREFIX = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.join(PREFIX, "lib", "library.so")
"""
METADATA = "Metadata-Version: 2.1\nName: baracuda-ffi\nVersion: {}\n"
SHOW = "import baracuda_ffi as bf; print(bf.__file__); print(bf.library_path()); bf.build_info()"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The package without what a build puts there, and the header, as git has them."""
    root = tmp_path / "clone"
    shutil.copytree(PACKAGE, root / "baracuda_ffi", ignore=shutil.ignore_patterns(*BUILT))
    shutil.copytree(SOURCE / "native" / "include", root / "native" / "include")
    return root


@pytest.fixture
def site(tmp_path: Path, clone: Path) -> Path:
    """What pip installs, as far as it is looked at."""
    folder = tmp_path / "site"
    package = folder / "baracuda_ffi"
    shutil.copytree(clone / "native" / "include", package / "include")
    (package / "lib").mkdir()
    (package / "lib" / "library.so").symlink_to(bf.library_path())
    (package / "_build_info.py").write_text(BUILD_INFO)
    (package / "__init__.py").touch()
    described = folder / f"baracuda_ffi-{bf.__version__}.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(METADATA.format(bf.__version__))
    return folder


def run(clone: Path, *arguments: str, site: Path | None = None) -> tuple[int, str]:
    """A process in the clone's root that sees the folder of installed packages, if there is one. -S: nothing
    else is installed, this package itself perhaps."""
    path = os.pathsep.join([str(clone), *([str(site)] if site else [])])
    done = run_python("-S", *arguments, cwd=clone, PYTHONPATH=path, BARACUDA_FFI_LIBRARY="")
    return done.returncode, done.stdout + done.stderr


def test_the_installed_library_is_found(clone: Path, site: Path) -> None:
    code, said = run(clone, "-c", SHOW, site=site)
    assert code == 0, said
    package, library = said.splitlines()
    assert package == str(clone / "baracuda_ffi" / "__init__.py")
    assert library == str(site / "baracuda_ffi" / "lib" / "library.so")


def test_the_command_for_builds_finds_it_too(clone: Path, site: Path) -> None:
    code, said = run(clone, "-m", "baracuda_ffi", "config", "--includedir", site=site)
    assert (code, said.strip()) == (0, str(site / "baracuda_ffi" / "include"))


def test_another_header_is_another_release(clone: Path, site: Path) -> None:
    """The package that shadows is named, and the one that it shadows."""
    header = clone / "native" / "include" / "baracuda_ffi.h"
    header.write_text(header.read_text() + "\n")
    code, said = run(clone, "-c", SHOW, site=site)
    assert code == 1
    for part in (clone / "baracuda_ffi", site / "baracuda_ffi", bf.__version__, f"pip install {clone}"):
        assert str(part) in said


def test_nothing_is_installed(clone: Path) -> None:
    code, said = run(clone, "-c", SHOW)
    assert code == 1
    assert f"{clone / 'baracuda_ffi'} is a source folder" in said
    assert f"pip install {clone}" in said


def test_a_library_that_was_built_and_is_gone(clone: Path, site: Path) -> None:
    (site / "baracuda_ffi" / "lib" / "library.so").unlink()
    code, said = run(clone, "-c", SHOW, site=site)
    assert code == 1
    assert str(site / "baracuda_ffi" / "lib" / "library.so") in said


def test_nothing_is_asked_of_metadata_where_the_library_is_at_hand() -> None:
    program = "import sys, baracuda_ffi as bf; bf.library_path(); print('importlib.metadata' in sys.modules)"
    done = run_python("-c", program, BARACUDA_FFI_LIBRARY=bf.library_path())
    assert done.stdout.strip() == "False"
