"""The host backend's walk over the page table, unguarded: each way to be wrong, for each request, is refused
whole; padding is skipped, but for baracuda-kernels' checks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from support.c_abi import abi
from support.calls.operands import CACHES, TABLE
from support.devices.bits import Array
from support.problems.cases import Case
from support.problems.elements import F16
from support.problems.problem import Problem, assert_appended, assert_unchanged, expected_caches

PAGE = 4
BEFORE = Case(F16, "HND", "BEFORE_APPEND", page_size=PAGE, batch_size=4, num_heads=2, head_dim=64)
AFTER = Case(F16, "NHD", "AFTER_APPEND", page_size=PAGE, batch_size=4, num_heads=2, head_dim=64)

Spoil = Callable[[dict[str, Array], int], None]


def _no_pages(arrays: dict[str, Array], b: int) -> None:
    """Request b gives its pages to the next, or the last request to the one before."""
    if b + 1 < BEFORE.batch_size:
        arrays["indptr"][b + 1] = arrays["indptr"][b]
    else:
        arrays["indptr"][b] = arrays["indptr"][b + 1]


def _out_of_order(arrays: dict[str, Array], b: int) -> None:
    arrays["indptr"][b + 1] = arrays["indptr"][b] - 1


def _past_the_table(arrays: dict[str, Array], b: int) -> None:
    arrays["indptr"][b + 1 :] += arrays["indices"].size


def _page(value: int) -> Spoil:
    def spoil(arrays: dict[str, Array], b: int) -> None:
        arrays["indices"][arrays["indptr"][b + 1] - 1] = value

    return spoil


def _length(value: int) -> Spoil:
    def spoil(arrays: dict[str, Array], b: int) -> None:
        arrays["last_page_len"][b] = value

    return spoil


NUM_PAGES = Problem(BEFORE).num_pages

PADDING: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "no pages": (_no_pages, ("no pages", "indptr", "a guarded append skips it")),
    "page -1": (_page(-1), ("indices", "-1", "a guarded append skips it")),
    "page least": (_page(-(2**31)), ("indices", str(-(2**31)), "a guarded append skips it")),
}
CORRUPT: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "out of order": (_out_of_order, ("indptr",)),
    "past the table": (_past_the_table, ("indptr", "total_used_pages", "8")),
    "page num_total_pages": (_page(NUM_PAGES), ("indices", str(NUM_PAGES), "num_total_pages")),
    "page most": (_page(2**31 - 1), ("indices", str(2**31 - 1))),
    "length -1": (_length(-1), ("last_page_len", "-1")),
    "length least": (_length(-(2**31)), ("last_page_len", str(-(2**31)))),
    "length page_size + 1": (_length(PAGE + 1), ("last_page_len", str(PAGE + 1))),
    "length most": (_length(2**31 - 1), ("last_page_len", str(2**31 - 1))),
}


def widened(arrays: dict[str, Array]) -> dict[str, Array]:
    return arrays | {name: arrays[name].astype(np.int64) for name in TABLE}


def make(case: Case, arrays: dict[str, Array], flags: int = 0) -> abi.Append:
    """int64 tables where the arrays are."""
    op = abi.make_append(case, arrays, flags=flags)
    for name in TABLE:
        if arrays[name].itemsize == 8:
            op.int64_operands |= 1 << abi.OPERANDS.index(name)
    return op


@pytest.mark.parametrize("request_index", range(4))
@pytest.mark.parametrize("case", [BEFORE, AFTER], ids=str)
@pytest.mark.parametrize(
    ("wrong", "flags"),
    [*((wrong, 0) for wrong in CORRUPT), *((w, abi.MIRRORED) for w in (*CORRUPT, *PADDING))],
)
def test_refused_whole(wrong: str, flags: int, case: Case, request_index: int) -> None:
    """Padding too with baracuda-kernels' checks."""
    spoil, says = (CORRUPT | PADDING)[wrong]
    problem = Problem(case)
    spoil(problem.arrays, request_index)
    before = problem.snapshot()
    op = make(case, problem.arrays, flags)
    for call in (abi.can_implement, abi.run):
        assert call(op) == abi.INVALID_PROBLEM
        assert f"request {request_index}" in abi.message()
        for part in says:
            assert part in abi.message()
        assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("request_index", range(4))
@pytest.mark.parametrize("case", [BEFORE, AFTER], ids=str)
@pytest.mark.parametrize("wide", [False, True], ids=["int32", "int64"])
@pytest.mark.parametrize("padding", PADDING)
def test_padding_is_skipped(padding: str, wide: bool, case: Case, request_index: int) -> None:
    """Whatever its length says; every other request is served. A request without pages has given them to
    another, whose last page they may be.
    """
    spoil, _ = PADDING[padding]
    problem = Problem(case)
    spoil(problem.arrays, request_index)
    problem.arrays["last_page_len"][request_index] = -77
    arrays = widened(problem.arrays) if wide else problem.arrays
    before = problem.snapshot()
    op = make(case, arrays)
    assert abi.can_implement(op) == abi.OK, abi.message()
    assert abi.run(op) == abi.OK, abi.message()
    served = [b for b in range(case.batch_size) if b != request_index]
    only = {name: before[name] for name in CACHES} | {
        "key": before["key"][served],
        "value": before["value"][served],
        "last_page_len": before["last_page_len"][served],
        "indices": before["indices"][[before["indptr"][b + 1] - 1 for b in served]],
        "indptr": np.arange(len(served) + 1, dtype=np.int32),
    }
    assert_unchanged(problem.arrays, before | expected_caches(case, only))


@pytest.mark.parametrize("wrong", ["indptr", "indices", "last_page_len"])
def test_64_bits_are_not_cut(wrong: str) -> None:
    """A value that is right in its lower 32 bits is refused as what it is."""
    for far in (1 << 32, -(1 << 32), 1 << 40):
        problem = Problem(BEFORE)
        arrays = widened(problem.arrays)
        at = {"indptr": 4, "indices": 7, "last_page_len": 3}[wrong]
        arrays[wrong][at] += far
        before = problem.snapshot()
        op = make(BEFORE, arrays)
        skipped = wrong == "indices" and far < 0
        assert abi.run(op) == (abi.OK if skipped else abi.INVALID_PROBLEM)
        if not skipped:
            for part in ("request 3", wrong, str(arrays[wrong][at])):
                assert part in abi.message()
            assert_unchanged(problem.arrays, before)


def test_the_ends_of_64_bits() -> None:
    """The extremes of the type in every entry: refused, or padding, and nothing is read by them."""
    least, most = -(1 << 63), (1 << 63) - 1
    for name in TABLE:
        for value in (least, least + 1, most, most - 1):
            problem = Problem(BEFORE)
            arrays = widened(problem.arrays)
            arrays[name][...] = value
            before = problem.snapshot()
            padding = name == "indptr" or (name == "indices" and value < 0)
            for flags in (0, abi.GUARDED):
                served = abi.run(make(BEFORE, arrays, flags))
                assert served == (abi.OK if padding or flags else abi.INVALID_PROBLEM), abi.message()
                assert_unchanged(problem.arrays, before)


def test_a_negative_start() -> None:
    problem = Problem(BEFORE)
    problem.arrays["indptr"][0] = -1
    before = problem.snapshot()
    assert abi.run(abi.make_append(BEFORE, problem.arrays)) == abi.INVALID_PROBLEM
    for part in ("request 0", "indptr", "-1"):
        assert part in abi.message()
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize(
    ("case", "length"),
    [(BEFORE, PAGE), (AFTER, 0)],
    ids=["before: a full page", "after: nothing in the page"],
)
def test_the_other_convention_is_refused_at_its_edge(case: Case, length: int) -> None:
    """The one length that tells the two conventions apart, with both ends of what is legal in the message."""
    problem = Problem(case)
    problem.arrays["last_page_len"][2] = length
    before = problem.snapshot()
    assert abi.run(abi.make_append(case, problem.arrays)) == abi.INVALID_PROBLEM
    legal = ("0", str(PAGE - 1)) if case is BEFORE else ("1", str(PAGE))
    for part in ("request 2", "last_page_len", str(length), case.convention, *legal):
        assert part in abi.message()
    assert_unchanged(problem.arrays, before)


def test_extents_that_are_not_stated() -> None:
    """num_total_pages and total_used_pages of 0 with baracuda-kernels' checks: page ids and indptr are then
    bounded by their sign and the address space alone.
    """
    problem = Problem(BEFORE)
    before = problem.snapshot()
    op = abi.make_append(BEFORE, problem.arrays, flags=abi.MIRRORED)
    op.num_total_pages = op.total_used_pages = 0
    assert abi.run(op) == abi.OK, abi.message()
    assert_appended(problem, before)
    problem.arrays["indices"][1] = -1
    after = problem.snapshot()
    assert abi.run(op) == abi.INVALID_PROBLEM
    assert "request 0" in abi.message()
    assert_unchanged(problem.arrays, after)


def test_no_entries_of_indices() -> None:
    """total_used_pages of 0 states that there are none, so no request can have a page."""
    problem = Problem(BEFORE)
    before = problem.snapshot()
    op = abi.make_append(BEFORE, problem.arrays)
    op.total_used_pages = 0
    assert abi.run(op) == abi.INVALID_PROBLEM
    for part in ("request 0", "indptr[1] is 2", "total_used_pages, which is 0"):
        assert part in abi.message()
    assert_unchanged(problem.arrays, before)


def test_pages_that_are_not_a_requests_last_may_be_anything() -> None:
    """Only the last page of a request is written, so only its id matters."""
    problem = Problem(BEFORE)
    problem.arrays["indices"][0::2] = -7
    before = problem.snapshot()
    assert abi.run(abi.make_append(BEFORE, problem.arrays)) == abi.OK, abi.message()
    assert_appended(problem, before)


def test_a_table_that_does_not_start_at_zero() -> None:
    problem = Problem(BEFORE)
    problem.arrays["indptr"] += 1
    problem.arrays["indices"] = np.concatenate([np.array([-1], np.int32), problem.arrays["indices"]])
    before = problem.snapshot()
    assert abi.run(abi.make_append(BEFORE, problem.arrays)) == abi.OK, abi.message()
    assert_appended(problem, before)
