"""Hypothesis strategies for page tables: right ones, and ones with random damage."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..devices.bits import Array
from ..problems.cases import CONVENTIONS, LAYOUTS, Case
from ..problems.elements import ELEMENTS
from .guarded import INT32, GuardedProblem

TABLE = ("indices", "indptr", "last_page_len")

# Rows of 16-byte vectors, many and odd numbers of them among these, and rows that such vectors do not fill.
ROW_VECTORS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 32, 33, 64)
ODD_HEAD_DIMS = (1, 2, 3, 5, 6, 7, 9, 12, 18, 31, 33, 65, 100, 127, 250)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    element = draw(st.sampled_from(ELEMENTS))
    vectors = st.sampled_from(ROW_VECTORS).map(lambda count: 16 * count // element.itemsize)
    return Case(
        element,
        draw(st.sampled_from(LAYOUTS)),
        draw(st.sampled_from(CONVENTIONS)),
        page_size=draw(st.sampled_from((1, 2, 3, 7, 16, 17))),
        batch_size=draw(st.integers(1, 9)),
        num_heads=draw(st.sampled_from((1, 2, 3, 5, 8))),
        head_dim=draw(vectors | st.sampled_from(ODD_HEAD_DIMS)),
    )


@st.composite
def right_tables(draw: st.DrawFn, case: Case, *, padded: bool) -> tuple[int, dict[str, Array]]:
    """The number of pages and the table; `padded`: some requests have no pages, or -1 as their last page."""
    least = 0 if padded else 1
    sizes = draw(st.lists(st.integers(least, 3), min_size=case.batch_size, max_size=case.batch_size))
    used = sum(sizes)
    num_pages = max(used, 1) + draw(st.integers(0, 3))
    indices = np.array(draw(st.permutations(range(num_pages)))[:used], np.int32)
    indptr = np.cumsum([0, *sizes]).astype(np.int32)
    first = 0 if case.convention == "BEFORE_APPEND" else 1
    length = st.integers(first, first + case.page_size - 1)
    lengths = draw(st.lists(length, min_size=case.batch_size, max_size=case.batch_size))
    if padded:
        for b in draw(st.sets(st.integers(0, case.batch_size - 1), max_size=3)):
            if sizes[b]:
                indices[indptr[b + 1] - 1] = draw(st.sampled_from((-1, -2, INT32.min)))
    table = {"indices": indices, "indptr": indptr, "last_page_len": np.array(lengths)}
    types = st.sampled_from((np.int32, np.int64))
    return num_pages, {name: array.astype(draw(types)) for name, array in table.items()}


def wrong_values(of: np.iinfo[Any], *limits: int) -> st.SearchStrategy[int]:
    """Both sides of every limit, the extremes of the types, limits again in the low half, and anything."""
    near = [limit + by for limit in (0, *limits) for by in (-1, 0, 1)]
    beyond = [value + high for value in near for high in (2**32, -(2**32), 2**62)]
    extremes = [of.min, of.min + 1, of.max, of.max - 1, INT32.min, INT32.max]
    special = sorted({value for value in (*near, *beyond, *extremes) if of.min <= value <= of.max})
    return st.sampled_from(special) | st.integers(of.min, of.max)


@st.composite
def damaged(draw: st.DrawFn, case: Case, num_pages: int, table: dict[str, Array]) -> dict[str, Array]:
    """The table with up to five entries overwritten, now and then with all of one part."""
    table = {name: array.copy() for name, array in table.items()}
    limits = (num_pages, case.page_size, table["indices"].size)
    for _ in range(draw(st.integers(1, 5))):
        array = table[draw(st.sampled_from(TABLE))]
        if array.size == 0:
            continue
        where: Any = draw(st.integers(0, array.size - 1) | st.just(slice(None)))
        array[where] = draw(wrong_values(np.iinfo(array.dtype), *limits))
    return table


@st.composite
def right_problems(draw: st.DrawFn) -> GuardedProblem:
    case = draw(cases())
    num_pages, table = draw(right_tables(case, padded=draw(st.booleans())))
    return GuardedProblem(case, num_pages, **table, seed=draw(st.integers(0, 2**32)))


@st.composite
def damaged_problems(draw: st.DrawFn) -> GuardedProblem:
    case = draw(cases())
    num_pages, table = draw(right_tables(case, padded=draw(st.booleans())))
    table = draw(damaged(case, num_pages, table))
    return GuardedProblem(case, num_pages, **table, seed=draw(st.integers(0, 2**32)))
