"""The examples in C, C++, Rust and Go are built against the installed package and run."""

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


def rust_by_cargo(examples: Path, installed: Installed) -> Path:
    need("cargo", "pkg-config")
    run(
        ["cargo", "build", "--offline"],
        examples / "rust",
        installed.environment | {"RUSTFLAGS": "-Dwarnings"},
    )
    return examples / "rust" / "target" / "debug" / "baracuda-ffi-example"


def go_by_cgo(examples: Path, installed: Installed) -> Path:
    need("go", "cc", "pkg-config")
    environment = {**installed.environment, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "CGO_ENABLED": "1"}
    run(["go", "build", "-o", "append"], examples / "go", environment)
    return examples / "go" / "append"


@pytest.fixture(scope="module", params=[c_by_pkg_config, c_by_config, cpp_by_cmake, rust_by_cargo, go_by_cgo])
def program(
    request: pytest.FixtureRequest, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A built example."""
    build: Build = request.param
    examples = tmp_path_factory.mktemp("examples")
    shutil.copytree(REPOSITORY / "native" / "examples", examples, dirs_exist_ok=True)
    return build(examples, installed)


def test_on_the_host(program: Path, installed: Installed) -> None:
    environment = {**installed.environment, "CUDA_VISIBLE_DEVICES": ""}
    printed = run([program], program.parent, environment).splitlines()
    assert "host: every byte as expected" in printed
    assert "flashinfer: no GPU here" in printed


@pytest.mark.gpu
def test_on_the_gpu(program: Path, installed: Installed) -> None:
    printed = run([program], program.parent, installed.environment).splitlines()
    assert "host: every byte as expected" in printed
    assert "flashinfer: every byte as expected" in printed
