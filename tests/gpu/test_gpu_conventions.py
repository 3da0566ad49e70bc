"""Both length conventions at the ends of a page, on FlashInfer's own kernel: where a wrong one shows."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import baracuda_ffi as bf
from support.devices.gpu_problem import GpuProblem
from support.problems.cases import Case
from support.problems.elements import ELEMENTS, Element

pytestmark = pytest.mark.gpu

PAGE_SIZES = (1, 4, 16, 17)


def lengths_of(page_size: int, convention: str) -> list[int]:
    """0, 3 and page_size - 1 tokens already there, as the convention counts them."""
    counted = 0 if convention == "BEFORE_APPEND" else 1
    return sorted({tokens + counted for tokens in (0, 3, page_size - 1) if tokens < page_size})


@pytest.mark.parametrize("convention", ["BEFORE_APPEND", "AFTER_APPEND"])
@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_the_ends_of_a_page(cuda_backend: Any, element: Element, layout: str, convention: str) -> None:
    for page_size, head_dim in itertools.product(PAGE_SIZES, (64, 128, 256)):
        lengths = lengths_of(page_size, convention)
        case = Case(element, layout, convention, page_size, len(lengths), 2, head_dim)
        problem = GpuProblem(cuda_backend, case, last_page_len=lengths)
        plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, problem.descriptor)
        plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
        problem.check_appended()


@pytest.mark.parametrize("convention", ["BEFORE_APPEND", "AFTER_APPEND"])
def test_a_request_with_a_single_page(cuda_backend: Any, convention: str) -> None:
    """With nothing before it in the table, a slot too low would be read from outside `indices`."""
    case = Case(ELEMENTS[0], "HND", convention, 16, 1, 2, 128)
    for length in lengths_of(16, convention):
        problem = GpuProblem(cuda_backend, case, last_page_len=[length])
        for name, values in (("indices", [3]), ("indptr", [0, 1])):
            array = problem.before[name][: len(values)].copy()
            array[:] = values
            problem.before[name] = array
            memory = cuda_backend.new(array)
            problem.memory[name], problem.operands[name] = memory, cuda_backend.describe(memory)
        plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, problem.descriptor)
        plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
        problem.check_appended()


def test_the_two_conventions_name_the_same_slots(cuda_backend: Any) -> None:
    """One table for BEFORE, the same with one more for AFTER: the same cache."""
    left = {}
    for convention, more in (("BEFORE_APPEND", 0), ("AFTER_APPEND", 1)):
        case = Case(ELEMENTS[0], "NHD", convention, 8, 8, 2, 64)
        problem = GpuProblem(cuda_backend, case, last_page_len=[n + more for n in range(8)])
        plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, problem.descriptor)
        plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
        problem.check_appended()
        moved = {}
        for name in ("k_data", "v_data"):
            changed = (problem.memory[name].read().view("u2") != problem.before[name].view("u2")).any(
                axis=(2, 3)
            )
            pages = {int(p): b for b, p in enumerate(problem.before["indices"][1::2])}
            moved[name] = sorted(
                (pages[int(page)], int(slot)) for page, slot in zip(*changed.nonzero(), strict=True)
            )
        left[convention] = moved
    assert left["BEFORE_APPEND"] == left["AFTER_APPEND"]
    assert left["BEFORE_APPEND"]["k_data"] == [(b, b) for b in range(8)]
