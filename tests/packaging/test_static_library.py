"""The static library, made where it is asked for: programs that are one file, by pkg-config and by CMake."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from support.processes.installed import REPOSITORY, run

EXAMPLES = REPOSITORY / "native" / "examples"
NEEDED = ("cmake", "ninja", "cc", "c++", "pkg-config", "readelf")
MISSING = [program for program in NEEDED if shutil.which(program) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="what is linked besides is Linux's"),
    pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} on this machine"),
]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a build with the option was installed."""
    build, prefix = (tmp_path_factory.mktemp(name) for name in ("build", "prefix"))
    options = ["-DBARACUDA_FFI_CUDA=OFF", "-DBARACUDA_FFI_STATIC=ON", "-DCMAKE_INSTALL_LIBDIR=lib"]
    run(["cmake", "-S", REPOSITORY, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", *options], build)
    run(["cmake", "--build", build], build)
    run(["cmake", "--install", build, "--prefix", prefix], build)
    return prefix


def is_one_file_that_appends(program: Path) -> None:
    assert "libbaracuda_ffi" not in run(["readelf", "--dynamic", program], program.parent)
    printed = run([program], program.parent, {"CUDA_VISIBLE_DEVICES": ""})
    assert "host: every byte as expected" in printed.splitlines()


def flags_of(prefix: Path, *options: str) -> list[str]:
    environment = {"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    return shlex.split(run(["pkg-config", *options, "baracuda_ffi"], prefix, environment))


def test_c_by_pkg_config(prefix: Path, tmp_path: Path) -> None:
    libraries = ["-Wl,-Bstatic", *flags_of(prefix, "--static", "--libs"), "-Wl,-Bdynamic"]
    program = tmp_path / "append"
    run(
        ["cc", "-o", program, EXAMPLES / "c" / "append.c", *flags_of(prefix, "--cflags"), *libraries],
        tmp_path,
    )
    is_one_file_that_appends(program)


@pytest.mark.parametrize("language", ["C", "CXX"])
def test_by_cmake(prefix: Path, tmp_path: Path, language: str) -> None:
    """A program in C too, which knows nothing of C++'s library."""
    source = EXAMPLES / {"C": "c/append.c", "CXX": "cpp/append.cpp"}[language]
    (tmp_path / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.20)
project(one_file LANGUAGES {language})
find_package(baracuda_ffi 0.1 REQUIRED)
add_executable(append {source})
set_target_properties(append PROPERTIES CXX_STANDARD 17)
target_link_libraries(append PRIVATE baracuda_ffi::baracuda_ffi_static)
""")
    build = tmp_path / "build"
    run(["cmake", "-S", tmp_path, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}"], tmp_path)
    run(["cmake", "--build", build], tmp_path)
    is_one_file_that_appends(build / "append")
