"""Both kernels over every type, layout and convention: the part of the GPU suite for compute-sanitizer.

compute_sanitizer.sh runs this under each of its tools. All memory is written before it is read.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from proof.modes import MODES, preference

import baracuda_ffi as bf
from support.devices.gpu_problem import GpuProblem
from support.problems.cases import CONVENTIONS, HEAD_DIMS, LAYOUTS, Case
from support.problems.elements import ELEMENTS, F16, F32, FP8_E4M3

pytestmark = pytest.mark.gpu

# Shapes in turn: few heads and many, blocks that requests share, requests of several blocks, ragged ends.
SHAPES = itertools.cycle([(1, 1, 1), (4, 3, 2), (16, 5, 8), (7, 33, 1), (3, 2, 24), (2, 257, 1)])

CASES = [
    Case(element, layout, convention, *shape, head_dim)
    for (element, layout, convention, head_dim), shape in zip(
        itertools.product(ELEMENTS, LAYOUTS, CONVENTIONS, HEAD_DIMS), SHAPES, strict=False
    )
]

# Rows that only the guarded kernel takes: 16 bytes, and a number of vectors that is no power of two.
ODD_ROWS = [
    Case(F16, "HND", "BEFORE_APPEND", 4, 9, 3, 8),
    Case(F32, "NHD", "AFTER_APPEND", 3, 5, 2, 20),
    Case(FP8_E4M3, "HND", "AFTER_APPEND", 5, 17, 5, 112),
    Case(F16, "NHD", "BEFORE_APPEND", 2, 3, 160, 512),
]


def append(backend: Any, problem: GpuProblem, mode: str) -> bf.PagedKvAppendPlan:
    plan = bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor, preference(mode))
    plan.run(backend.stream, bf.Workspace.NONE, problem.args)
    return plan


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_right_tables(cuda_backend: Any, element: Any, layout: str, mode: str) -> None:
    for case in CASES:
        if (case.element, case.layout) == (element, layout):
            problem = GpuProblem(cuda_backend, case)
            append(cuda_backend, problem, mode)
            problem.check_appended()
    cuda_backend.check_guards()


@pytest.mark.parametrize("case", ODD_ROWS, ids=str)
def test_odd_rows_guarded(cuda_backend: Any, case: Case) -> None:
    problem = GpuProblem(cuda_backend, case)
    append(cuda_backend, problem, "guarded")
    problem.check_appended()
    cuda_backend.check_guards()


# One wrong entry of a table, for request 1: which operand, which entry, which value. Padding is not corrupt.
DAMAGE = {
    "page beyond": ("indices", 3, 10_000_000),
    "page at the end": ("indices", 3, None),
    "page negative": ("indices", 3, -5),
    "indptr negative": ("indptr", 1, -(2**31)),
    "indptr decreasing": ("indptr", 2, 1),
    "indptr beyond": ("indptr", 2, 2**31 - 1),
    "no pages": ("indptr", 2, 2),
    "length beyond": ("last_page_len", 1, 1_000_000),
    "length negative": ("last_page_len", 1, -1),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_tables_guarded(cuda_backend: Any, damage: str) -> None:
    """Nothing but the other requests' rows is written, and nothing outside an operand is read."""
    name, entry, value = DAMAGE[damage]
    problem = GpuProblem(cuda_backend)
    before = problem.before
    before[name][entry] = problem.problem.num_pages if value is None else value
    problem.memory[name].write(before[name])
    plan = append(cuda_backend, problem, "guarded")
    if damage in ("page negative", "no pages"):
        plan.check(cuda_backend.stream)
    else:
        with pytest.raises(bf.CorruptPageTable) as caught:
            plan.check(cuda_backend.stream)
        assert caught.value.request in (0, 1, 2)
    for cache in ("k_data", "v_data"):
        changed = np.flatnonzero(
            (problem.memory[cache].read().view(np.uint8) != before[cache].view(np.uint8)).any(axis=(1, 2, 3))
        )
        owned = {int(page) for page in problem.problem.arrays["indices"][1::2]}
        assert set(changed.tolist()) <= owned
    cuda_backend.check_guards()
