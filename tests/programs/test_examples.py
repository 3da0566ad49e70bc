"""Every example of the package runs as it stands; those that need a GPU where there is one."""

from __future__ import annotations

import ast
from importlib import resources
from typing import Any

import pytest

from support.processes.python import run_python

pytestmark = pytest.mark.timeout(1500)  # FlashInfer compiles its attention first

# What an example may import; the first run without a GPU too.
ANYWHERE = {"jax", "torch"}
GPU_ALONE = {"cuda", "cupy", "flashinfer", "numba", "warp"}


def imported(source: str) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.split(".")[0])
    return found


def examples() -> list[Any]:
    folder = resources.files("baracuda_ffi") / "examples"
    found = []
    for file in sorted(folder.iterdir() if folder.is_dir() else (), key=lambda file: file.name):
        if file.name.endswith(".py") and not file.name.startswith("_"):
            needs = imported(file.read_text()) & (ANYWHERE | GPU_ALONE)
            marks = [pytest.mark.gpu] if needs & GPU_ALONE else []
            found.append(
                pytest.param(file.name.removesuffix(".py"), sorted(needs), marks=marks, id=file.name)
            )
    return found


def test_there_is_an_example_that_needs_no_gpu() -> None:
    assert any(not parameter.marks for parameter in examples())


@pytest.mark.parametrize(("name", "needs"), examples())
def test_example(name: str, needs: list[str]) -> None:
    for package in needs:
        pytest.importorskip(package)
    assert_right("-m", f"baracuda_ffi.examples.{name}")


def assert_right(*arguments: str) -> None:
    done = run_python(*arguments, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize(("name", "needs"), examples())
def test_example_as_a_script(name: str, needs: list[str]) -> None:
    """As the README's links lead to them: a file by its path."""
    for package in needs:
        pytest.importorskip(package)
    assert_right(str(resources.files("baracuda_ffi") / "examples" / f"{name}.py"))


def test_the_torch_example_as_a_script_without_a_gpu() -> None:
    pytest.importorskip("torch")
    assert_right(str(resources.files("baracuda_ffi") / "examples" / "torch_append.py"))
