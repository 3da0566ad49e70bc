"""What the wheel put on this machine: every file is meant to be there; the library is small and portable."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import baracuda_ffi as bf
from support.processes.installed import REPOSITORY, Installed

MEGABYTE = 1_000_000
OLDEST_SYSTEM = {"GLIBC": (2, 28), "GLIBCXX": (3, 4, 25), "CXXABI": (1, 3, 11), "GCC": (8,)}  # manylinux_2_28

needs_readelf = pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf, there is none")


@pytest.fixture(scope="module")
def distribution(installed: Installed) -> importlib.metadata.Distribution:
    found = importlib.metadata.distribution("baracuda-ffi")
    if (found.read_text("direct_url.json") or "").find('"editable": true') >= 0:
        pytest.skip("an editable install has its files elsewhere")
    return found


def test_the_files(distribution: importlib.metadata.Distribution, installed: Installed) -> None:
    info = f"baracuda_ffi-{distribution.version}.dist-info"
    package = REPOSITORY / "baracuda_ffi"
    expected = {
        *[
            path.relative_to(REPOSITORY).as_posix()
            for path in package.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        ],
        "baracuda_ffi/_build_info.py",
        "baracuda_ffi/include/baracuda_ffi.h",
        "baracuda_ffi/lib/libbaracuda_ffi.so",
        "baracuda_ffi/lib/pkgconfig/baracuda_ffi.pc",
        "baracuda_ffi/share/cmake/baracuda_ffi/baracuda_ffi-config.cmake",
        "baracuda_ffi/share/cmake/baracuda_ffi/baracuda_ffi-config-version.cmake",
        "baracuda_ffi/share/cmake/baracuda_ffi/baracuda_ffi-targets.cmake",
        "baracuda_ffi/share/cmake/baracuda_ffi/baracuda_ffi-targets-release.cmake",
        f"{info}/METADATA",
        f"{info}/RECORD",
        f"{info}/WHEEL",
        f"{info}/entry_points.txt",
        f"{info}/licenses/LICENSE",
    }
    if bf.build_info().cuda is not None:
        expected.add(f"{info}/licenses/flashinfer/LICENSE")
    by_the_installer = re.compile(
        r".*\.pyc|.*\.dist-info/(INSTALLER|REQUESTED|direct_url\.json)|\.\./.*/baracuda-ffi"
    )
    files = {path.as_posix() for path in distribution.files or []}
    assert {name for name in files if not by_the_installer.fullmatch(name)} == expected


def test_no_file_names_the_folder_that_it_was_built_in(installed: Installed) -> None:
    """What finds the package is relative to itself, so that the package can be moved."""
    own = str(installed.includedir.parent).encode()
    finders = [*installed.cmakedir.iterdir(), *(installed.libdir / "pkgconfig").iterdir()]
    assert len(finders) == 5
    for finder in finders:
        text = finder.read_bytes()
        assert own not in text, finder
        assert str(REPOSITORY).encode() not in text, finder
    assert b"/native/src/" not in Path(bf.library_path()).read_bytes()


def test_python_build_front_ends_find_the_cmake_package(installed: Installed) -> None:
    (entry,) = [
        entry
        for entry in importlib.metadata.entry_points(group="cmake.prefix")
        if entry.value == "baracuda_ffi"
    ]
    module = entry.load()
    assert any(Path(place) == installed.includedir.parent for place in module.__path__)


@needs_readelf
def test_the_library_needs_neither_cuda_nor_anything_unusual() -> None:
    printed = subprocess.run(
        ["readelf", "--dynamic", bf.library_path()], check=True, capture_output=True, text=True
    ).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", printed))
    usual = {"libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "librt.so.1"}
    assert {name for name in needed - usual if not re.match(r"libstdc\+\+\.so\.6|ld-linux", name)} == set()
    assert "RPATH" not in printed
    assert "RUNPATH" not in printed


@needs_readelf
def test_the_library_loads_on_systems_as_old_as_manylinux_2_28(installed: Installed) -> None:
    library = installed.libdir / "libbaracuda_ffi.so"
    printed = subprocess.run(
        ["readelf", "--version-info", "--wide", library], check=True, capture_output=True, text=True
    ).stdout
    asked = set(re.findall(r"Name: (GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)", printed))
    assert asked
    too_new = [
        f"{kind}_{number}"
        for kind, number in asked
        if tuple(int(part) for part in number.split(".")) > OLDEST_SYSTEM[kind]
    ]
    assert too_new == []


@pytest.mark.skipif(sys.platform != "linux", reason="a Linux wheel's size is what is promised")
def test_the_library_is_small(installed: Installed) -> None:
    """With every architecture of GPU in it."""
    assert (installed.libdir / "libbaracuda_ffi.so").stat().st_size < 3 * MEGABYTE
