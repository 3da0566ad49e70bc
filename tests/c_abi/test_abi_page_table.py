"""The host twin's walk over the page table: each way to be wrong, for each request, refused whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from support import abi
from support.bits import Array
from support.cases import Case
from support.elements import F16
from support.problem import Problem, assert_appended, assert_unchanged

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


def _negative_start(arrays: dict[str, Array], b: int) -> None:
    arrays["indptr"][: b + 1] = -1


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

COMMON: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "no pages": (_no_pages, ("no pages", "indptr")),
    "out of order": (_out_of_order, ("indptr",)),
    "past the table": (_past_the_table, ("indptr", "total_used_pages", "8")),
    "page -1": (_page(-1), ("indices", "-1")),
    "page least": (_page(-(2**31)), ("indices", str(-(2**31)))),
    "page num_total_pages": (_page(NUM_PAGES), ("indices", str(NUM_PAGES), "num_total_pages")),
    "page most": (_page(2**31 - 1), ("indices", str(2**31 - 1))),
    "length -1": (_length(-1), ("last_page_len", "-1")),
    "length least": (_length(-(2**31)), ("last_page_len", str(-(2**31)))),
    "length page_size + 1": (_length(PAGE + 1), ("last_page_len", str(PAGE + 1))),
    "length most": (_length(2**31 - 1), ("last_page_len", str(2**31 - 1))),
}


@pytest.mark.parametrize("request_index", range(4))
@pytest.mark.parametrize("case", [BEFORE, AFTER], ids=str)
@pytest.mark.parametrize("wrong", COMMON)
def test_refused_whole(wrong: str, case: Case, request_index: int) -> None:
    spoil, says = COMMON[wrong]
    problem = Problem(case)
    spoil(problem.arrays, request_index)
    before = problem.snapshot()
    op = abi.make_append(case, problem.arrays)
    for call in (abi.can_implement, abi.run):
        assert call(op) == abi.INVALID_PROBLEM
        assert f"request {request_index}" in abi.message()
        for part in says:
            assert part in abi.message()
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
    """num_total_pages and total_used_pages of 0: page ids and indptr are then bounded by their sign alone."""
    problem = Problem(BEFORE)
    before = problem.snapshot()
    op = abi.make_append(BEFORE, problem.arrays)
    op.num_total_pages = op.total_used_pages = 0
    assert abi.run(op) == abi.OK, abi.message()
    assert_appended(problem, before)
    problem.arrays["indices"][1] = -1
    after = problem.snapshot()
    assert abi.run(op) == abi.INVALID_PROBLEM
    assert "request 0" in abi.message()
    assert_unchanged(problem.arrays, after)


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
