"""The examples in C, C++, Rust and Go are built against the installed package and run; so are the bindings.

Nothing says where the library is when they run: they were linked with where it was found.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.processes.installed import REPOSITORY, Installed, run

Build = Callable[[Path, Installed], Path]


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine")


def c_by_pkg_config(examples: Path, installed: Installed) -> Path:
    need("cc", "pkg-config")
    flags = run(["pkg-config", "--cflags", "--libs", "baracuda_ffi"], examples, installed.environment)
    return c_with(shlex.split(flags), examples)


def c_by_config(examples: Path, installed: Installed) -> Path:
    need("cc")
    return c_with(shlex.split(f"{installed.cflags} {installed.libs}"), examples)


def c_with(flags: list[str], examples: Path) -> Path:
    program = examples / "append"
    warnings = ["-std=gnu99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run(["cc", *warnings, "-o", program, examples / "c" / "append.c", *flags, "-ldl"], examples)
    return program


def cpp_by_cmake(examples: Path, installed: Installed) -> Path:
    need("cmake", "c++")
    build = examples / "cpp" / "build"
    run(["cmake", "-S", "cpp", "-B", build, f"-Dbaracuda_ffi_DIR={installed.cmakedir}"], examples)
    run(["cmake", "--build", build], examples)
    return build / "append"


def cargo(command: str, folder: Path, installed: Installed, **environment: str) -> str:
    need("cargo", "pkg-config")
    environment = {**installed.environment, "RUSTFLAGS": "-Dwarnings", **environment}
    return run(["cargo", command, "--offline"], folder, environment)


def go(command: list[str], folder: Path, installed: Installed) -> str:
    need("go", "cc", "pkg-config")
    environment = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "CGO_ENABLED": "1", "GODEBUG": "cgocheck=2"}
    return run(["go", *command], folder, {**installed.environment, **environment})


def rust_by_cargo(examples: Path, installed: Installed) -> Path:
    cargo("build", examples / "rust", installed)
    return examples / "rust" / "target" / "debug" / "baracuda-ffi-example"


def go_by_cgo(examples: Path, installed: Installed) -> Path:
    go(["build", "-o", "append"], examples / "go", installed)
    return examples / "go" / "append"


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the examples, and of the bindings where the examples expect them."""
    native = tmp_path_factory.mktemp("native")
    for folder in ("bindings", "examples"):
        shutil.copytree(REPOSITORY / "native" / folder, native / folder)
    return native


@pytest.fixture(scope="module", params=[c_by_pkg_config, c_by_config, cpp_by_cmake, rust_by_cargo, go_by_cgo])
def program(request: pytest.FixtureRequest, installed: Installed, native: Path) -> Path:
    """A built example."""
    build: Build = request.param
    return build(native / "examples", installed)


def test_on_the_host(program: Path) -> None:
    printed = run([program], program.parent, {"CUDA_VISIBLE_DEVICES": ""}).splitlines()
    assert "host: every byte as expected" in printed
    assert "flashinfer: no GPU here" in printed


@pytest.mark.gpu
def test_on_the_gpu(program: Path) -> None:
    printed = run([program], program.parent).splitlines()
    assert "host: every byte as expected" in printed
    assert "flashinfer: every byte as expected" in printed


def test_the_rust_crate(native: Path, installed: Installed) -> None:
    flags = f"-Dwarnings -Clink-arg=-Wl,-rpath,{installed.libdir}"
    libdir = str(installed.libdir)
    printed = cargo(
        "test", native / "bindings" / "rust", installed, RUSTFLAGS=flags, BARACUDA_FFI_LIB_DIR=libdir
    )
    assert "3 passed; 0 failed" in printed


def test_the_go_module(native: Path, installed: Installed) -> None:
    module = native / "bindings" / "go"
    go(["vet", "./..."], module, installed)
    assert go(["test", "-v", "./..."], module, installed).count("--- PASS") == 5
