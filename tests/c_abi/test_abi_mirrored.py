"""The mirrored symbols: baracuda-kernels-sys's names, argument order and contract (HND, BEFORE_APPEND)."""

from __future__ import annotations

import itertools

import pytest

from support import abi
from support.cases import Case
from support.conversation import Conversation
from support.elements import ELEMENTS, HEAD_DIMS, Element
from support.operands import CACHES
from support.problem import Problem, assert_appended, assert_unchanged

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
    problem.arrays["last_page_len"][1] = before["last_page_len"][1] = case.page_size
    refused(abi.INVALID_PROBLEM, "request 1", "last_page_len", str(case.page_size))


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
