"""The mirrored symbols: baracuda-kernels-sys's names, argument order and contract (HND, BEFORE_APPEND); and
BARACUDA_FLAG_MIRRORED, which holds any append to what its plan takes.
"""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import pytest

from support.c_abi import abi
from support.calls.operands import CACHES
from support.problems.cases import Case
from support.problems.conversation import Conversation
from support.problems.elements import ELEMENTS, HEAD_DIMS, Element
from support.problems.problem import Problem, assert_appended, assert_unchanged

ORDER = ("k_data", "v_data", "indices", "indptr", "last_page_len", "key", "value")


def extents(case: Case) -> tuple[int, int, int, int]:
    return (case.batch_size, case.page_size, case.num_heads, case.head_dim)


def by_symbol(element: Element) -> str:
    return element.symbol


@pytest.mark.parametrize(("element", "head_dim"), list(itertools.product(ELEMENTS, HEAD_DIMS)))
def test_host_run(element: Element, head_dim: int) -> None:
    case = Case(element, "HND", "BEFORE_APPEND", page_size=3, batch_size=5, num_heads=2, head_dim=head_dim)
    talk = Conversation(case, rounds=4)
    caches = {name: getattr(talk, name).copy() for name in CACHES}
    run = abi.mirrored("host", element.symbol, "run")
    for step in talk.steps():
        arrays = vars(step) | caches
        assert run(*extents(case), *(arrays[name].ctypes.data for name in ORDER), None) == abi.OK, (
            abi.message()
        )
        for name in CACHES:
            assert arrays[name].tobytes() == getattr(talk, name).tobytes()


@pytest.mark.parametrize("element", ELEMENTS, ids=by_symbol)
def test_host_run_refuses(element: Element) -> None:
    case = Case(element, "HND", "BEFORE_APPEND", page_size=4, batch_size=3, num_heads=2, head_dim=64)
    problem = Problem(case)
    before = problem.snapshot()
    run = abi.mirrored("host", element.symbol, "run")
    pointers = [problem.arrays[name].ctypes.data for name in ORDER]

    def refused(
        status: int, *says: str, extent: dict[int, int] | None = None, change: int = -1, to: int = 0
    ) -> None:
        numbers = [(extent or {}).get(i, value) for i, value in enumerate(extents(case))]
        addresses = [to if i == change else address for i, address in enumerate([*pointers, 0])]
        assert run(*numbers, *addresses) == status
        for part in says:
            assert part in abi.message()
        assert_unchanged(problem.arrays, before)

    for i, name in enumerate(("batch_size", "page_size", "num_heads")):
        refused(abi.INVALID_PROBLEM, name, "0", extent={i: 0})
    refused(abi.UNSUPPORTED, "head_dim", "96", extent={3: 96})
    for i, name in enumerate(ORDER):
        refused(abi.INVALID_PROBLEM, name, "NULL", change=i, to=0)
        refused(abi.MISALIGNED_OPERAND, name, "align", change=i, to=pointers[i] + 2)
    refused(abi.INVALID_PROBLEM, "stream", "NULL", change=7, to=1)
    refused(abi.INVALID_PROBLEM, "k_data", "v_data", "overlap", change=1, to=pointers[0])
    refused(abi.INVALID_PROBLEM, "k_data", "key", "overlap", change=5, to=pointers[0])

    def corrupt(name: str, index: int, entry: int, *says: str) -> None:
        right = before[name][index]
        problem.arrays[name][index] = before[name][index] = entry
        refused(abi.INVALID_PROBLEM, *says)
        problem.arrays[name][index] = before[name][index] = right

    corrupt("last_page_len", 1, case.page_size, "request 1", "last_page_len", str(case.page_size))
    # What is padding elsewhere is the caller's duty here.
    corrupt("indptr", 3, 4, "request 2 has no pages", "a guarded append skips it")
    corrupt("indices", 1, -1, "request 0", "indices[1], is -1", "a guarded append skips it")
    # The number of pages is not stated: what bounds an id is the address space.
    corrupt("indices", 1, 2**31 - 1, "request 0", str(2**31 - 1), "fill the address space")
    corrupt("indptr", 2, -1, "request 1", "indptr[2] is -1")


def test_the_key_and_value_may_be_one_memory() -> None:
    problem = Problem()
    before = problem.snapshot() | {"value": problem.arrays["key"].copy()}
    pointers = [problem.arrays[name].ctypes.data for name in (*ORDER[:-1], "key")]
    run = abi.mirrored("host", problem.case.element.symbol, "run")
    assert run(*extents(problem.case), *pointers, None) == abi.OK, abi.message()
    problem.arrays["value"] = problem.arrays["key"]
    assert_appended(problem, before)


@pytest.mark.parametrize("family", abi.FAMILIES)
@pytest.mark.parametrize("element", ELEMENTS, ids=by_symbol)
def test_can_implement(element: Element, family: str) -> None:
    can_implement = abi.mirrored(family, element.symbol, "can_implement")
    for head_dim in HEAD_DIMS:
        most = element.max_heads(head_dim)
        assert can_implement(257, 16, 1, head_dim) == abi.OK
        assert can_implement(257, 16, most, head_dim) == abi.OK
        beyond = can_implement(257, 16, most + 1, head_dim)
        assert beyond == (abi.UNSUPPORTED if family == "flashinfer" else abi.OK)
    for i in range(3):
        for value in (0, -1):
            numbers = [2, 2, 2, 64]
            numbers[i] = value
            assert can_implement(*numbers) == abi.INVALID_PROBLEM
    for head_dim in (0, -64, 32, 96, 512):
        assert can_implement(2, 2, 2, head_dim) == abi.UNSUPPORTED
    assert can_implement(0, 2, 2, 96) == abi.INVALID_PROBLEM  # extents come before head_dim


@pytest.mark.parametrize("family", abi.FAMILIES)
def test_can_implement_of_the_family(family: str) -> None:
    """0 if some element can: the smallest element takes the most heads."""
    can_implement = getattr(abi.library(), f"baracuda_kernels_{family}_paged_kv_append_decode_can_implement")
    for head_dim in HEAD_DIMS:
        most = max(element.max_heads(head_dim) for element in ELEMENTS)
        assert can_implement(1, 1, most, head_dim) == abi.OK
        assert can_implement(1, 1, most + 1, head_dim) == (
            abi.UNSUPPORTED if family == "flashinfer" else abi.OK
        )
    assert can_implement(0, 1, 1, 64) == abi.INVALID_PROBLEM
    assert can_implement(1, -1, 1, 64) == abi.INVALID_PROBLEM
    assert can_implement(1, 1, 0, 64) == abi.INVALID_PROBLEM
    assert can_implement(1, 1, 1, 80) == abi.UNSUPPORTED
    assert "head_dim" in abi.message()


@pytest.mark.parametrize("element", ELEMENTS, ids=by_symbol)
def test_flashinfer_run_refuses_before_it_looks_for_a_device(element: Element) -> None:
    """The same refusals with and without a GPU or a CUDA build."""
    case = Case(element, "HND", "BEFORE_APPEND", page_size=4, batch_size=3, num_heads=2, head_dim=64)
    problem = Problem(case)
    before = problem.snapshot()
    run = abi.mirrored("flashinfer", element.symbol, "run")
    pointers = [problem.arrays[name].ctypes.data for name in ORDER]
    assert run(0, 4, 2, 64, *pointers, None) == abi.INVALID_PROBLEM
    assert "batch_size" in abi.message()
    assert run(3, 4, 2, 80, *pointers, None) == abi.UNSUPPORTED
    assert "head_dim" in abi.message()
    most = element.max_heads(64)
    assert run(3, 4, most + 1, 64, *pointers, None) == abi.UNSUPPORTED
    assert str(most) in abi.message()
    for i, name in enumerate(ORDER):
        assert (
            run(3, 4, 2, 64, *(0 if j == i else p for j, p in enumerate(pointers)), None)
            == abi.INVALID_PROBLEM
        )
        assert name in abi.message()
        assert (
            run(3, 4, 2, 64, *(p + 2 * (j == i) for j, p in enumerate(pointers)), None)
            == abi.MISALIGNED_OPERAND
        )
        assert name in abi.message()
    assert_unchanged(problem.arrays, before)


def by_struct(backend: int, case: Case, **values: Any) -> abi.Append:
    """The problem in the general struct, under the flag, without operands."""
    op = abi.Append(
        struct_size=ctypes.sizeof(abi.Append),
        flags=abi.MIRRORED,
        backend=backend,
        element=case.element.value,
        batch_size=case.batch_size,
        page_size=case.page_size,
        num_heads=case.num_heads,
        head_dim=case.head_dim,
    )
    for name, value in values.items():
        setattr(op, name, value)
    return op


@pytest.mark.parametrize("family", abi.FAMILIES)
@pytest.mark.parametrize("element", ELEMENTS, ids=by_symbol)
def test_the_flag_judges_as_the_symbols_do(element: Element, family: str) -> None:
    """Statuses and messages, over right and wrong numbers."""
    backend = {"flashinfer": abi.FLASHINFER, "host": abi.HOST}[family]
    can_implement = abi.mirrored(family, element.symbol, "can_implement")
    seen = set()
    for numbers in itertools.product((-1, 0, 3), (0, 4), (0, 2, 1025), (0, 63, 64, 96, 128, 256, 512)):
        by_symbol_status = can_implement(*numbers)
        by_symbol_message = abi.message()
        op = by_struct(backend, Case(element, "HND", "BEFORE_APPEND", numbers[1], numbers[0], *numbers[2:]))
        assert abi.can_implement(op) == by_symbol_status
        if by_symbol_status != abi.OK:
            assert abi.message() == by_symbol_message
        seen.add(by_symbol_status)
    assert seen == {abi.OK, abi.INVALID_PROBLEM, abi.UNSUPPORTED}


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("convention", ["BEFORE_APPEND", "AFTER_APPEND"])
def test_the_flag_takes_either_layout_and_convention(layout: str, convention: str) -> None:
    case = Case(ELEMENTS[0], layout, convention, page_size=4, batch_size=3, num_heads=2, head_dim=128)
    problem = Problem(case)
    before = problem.snapshot()
    op = abi.make_append(case, problem.arrays, flags=abi.MIRRORED)
    op.value_head_dim = 128
    assert abi.run(op) == abi.OK, abi.message()
    assert_appended(problem, before)
    op = abi.make_append(case, problem.arrays, flags=abi.MIRRORED)
    op.num_total_pages = op.total_used_pages = 0  # need not be stated
    assert abi.run(op) == abi.OK, abi.message()
    assert_appended(problem, before)
