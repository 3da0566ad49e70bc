"""The sentences that a Python user reads name nothing of C's: codes and functions stay on the exception.

Every test holds the messages that it meets against this too (tests/conftest.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import baracuda_ffi as bf
from support.calls.sentences import C_NAMES, offending

REPOSITORY = Path(__file__).resolve().parents[2]

#: Text of the native sources that no Python user reads, by file.
NOT_READ = {
    # What baracuda_status_name returns.
    "abi/about.cpp": r"BARACUDA_[A-Z_]+",
    # Of a struct whose size is wrong: the package's is not.
    "abi/struct.cpp": r"baracuda_paged_kv_(append|copy)",
    # What the driver is asked for.
    "cuda/driver.cpp": r"cu[A-Z]\w+|cudaErrorInsufficientDriver",
    "cuda/driver.h": r"cu[A-Z]\w+",
    # To whoever calls the private entry with a struct that is not whole.
    "python/calls.cpp": r"api is NULL or lacks a function; it should be a whole baracuda_python_api",
}


def literals(text: str) -> Iterator[str]:
    """Of a C++ source without its comments and directives; pieces that stand side by side as one."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/|^\s*#.*?[^\\]$", "", text, flags=re.DOTALL | re.MULTILINE)
    for pieces in re.finditer(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', text):
        yield re.sub(r'^"|"\s*"|"$', "", pieces[0])


def test_the_native_library() -> None:
    sources = [
        file for file in (REPOSITORY / "native/src").rglob("*") if file.suffix in (".cpp", ".cu", ".h")
    ]
    found = 0
    for file in sources:
        allowed = NOT_READ.get(file.relative_to(REPOSITORY / "native/src").as_posix(), "(?!)")
        for literal in literals(file.read_text()):
            found += 1
            assert not C_NAMES.search(literal) or re.fullmatch(allowed, literal), f"{file}: {literal!r}"
    assert found > 500


def test_the_package() -> None:
    """Whatever has a space in it is a sentence. Benchmarks are called by the functions that they measure."""
    found = 0
    for file in (REPOSITORY / "baracuda_ffi").rglob("*.py"):
        if "benchmarks" in file.parts:
            continue
        tree = ast.parse(file.read_text())
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if (
                not isinstance(node, ast.Constant)
                or not isinstance(node.value, str)
                or id(node) in documented
            ):
                continue
            if " " in node.value:
                found += 1
                assert not C_NAMES.search(node.value), f"{file}:{node.lineno}: {node.value!r}"
    assert found > 500


def test_a_message_with_a_name_of_c_is_noticed() -> None:
    for bad in (
        "it should be BARACUDA_BACKEND_HOST",
        "baracuda_paged_kv_append_run refused",
        "cuInit: no device",
        "cudaLaunchKernel: cudaErrorInvalidValue",
        "CUDA_ERROR_NO_DEVICE",
        "status 3",
        "with addressing 3 there is none",
    ):
        bf.InvalidProblem(2, "f", bad)
        assert offending.pop() == bad
    for good in ("set BARACUDA_FFI_LIBRARY", "baracuda_ffi.jax", "cudaStream_t", "a CUDA stream"):
        bf.InvalidProblem(2, "f", good)
    assert not offending


@pytest.mark.parametrize("stream", [0, None])
def test_codes_and_functions_are_on_the_exception(stream: int | None) -> None:
    cache = bf.PagedKvCacheDescriptor(
        page_size=16, num_total_pages=1, num_kv_heads=1, head_dim=96, element="f16"
    )
    with pytest.raises(bf.BaracudaError) as refused:
        bf.PagedKvAppendPlan.select(stream, bf.PagedKvAppendDescriptor(batch_size=1, paged_kv=cache))
    assert refused.value.code == 3
    assert refused.value.function.startswith("baracuda_")
