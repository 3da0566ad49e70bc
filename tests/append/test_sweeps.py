"""Every batch from 1 to 257, every number of heads, every page size to 70, one small append each."""

from __future__ import annotations

import pytest

import baracuda_ffi as bf
from support.calls.operands import NAMES, make_args, select
from support.devices.backends import Backend
from support.devices.bits import assert_same_bits
from support.problems.cases import Case
from support.problems.elements import BF16, F16, F32, FP8_E4M3, Element
from support.problems.problem import Problem, expected_caches


def append(backend: Backend, case: Case) -> None:
    problem = Problem(case)
    expected = problem.snapshot() | expected_caches(case, problem.arrays)
    operands = {name: backend.put(array) for name, array in problem.arrays.items()}
    select(backend, case.descriptor(problem.num_pages)).run(
        backend.stream, bf.Workspace.NONE, make_args(operands)
    )
    for name in NAMES:
        assert_same_bits(backend.get(operands[name]), expected[name], f"{case}: {name}")


@pytest.mark.parametrize("first", range(1, 258, 32))
def test_every_batch(backend: Backend, first: int) -> None:
    for batch in range(first, min(first + 32, 258)):
        append(backend, Case(F16, "HND", "BEFORE_APPEND", 3, batch, 1, 64))


@pytest.mark.parametrize(
    ("element", "head_dim"),
    [(F16, 64), (BF16, 128), (F32, 256), (FP8_E4M3, 64)],
    ids=lambda v: str(getattr(v, "symbol", v)),
)
def test_every_number_of_heads(backend: Backend, element: Element, head_dim: int) -> None:
    for heads in range(1, element.max_heads(head_dim) + 1):
        append(backend, Case(element, "NHD", "AFTER_APPEND", 2, 2, heads, head_dim))


def test_every_page_size(backend: Backend) -> None:
    for page_size in range(1, 71):
        append(backend, Case(BF16, "HND", "AFTER_APPEND", page_size, 2, 2, 64))


@pytest.mark.parametrize("convention", ["BEFORE_APPEND", "AFTER_APPEND"])
@pytest.mark.parametrize("layout", ["HND", "NHD"])
def test_every_slot_of_a_page(backend: Backend, layout: str, convention: str) -> None:
    """One request for each legal length, in one append."""
    page_size = 17
    first = 0 if convention == "BEFORE_APPEND" else 1
    case = Case(F16, layout, convention, page_size, page_size, 3, 128)
    problem = Problem(case, last_page_len=list(range(first, first + page_size)))
    expected = expected_caches(case, problem.arrays)
    operands = {name: backend.put(array) for name, array in problem.arrays.items()}
    select(backend, case.descriptor(problem.num_pages)).run(
        backend.stream, bf.Workspace.NONE, make_args(operands)
    )
    for name in ("k_data", "v_data"):
        assert_same_bits(backend.get(operands[name]), expected[name], name)
