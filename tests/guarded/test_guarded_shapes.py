"""Guarded appends over the shapes that they alone take, each with every kind of damage in its table."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from support.damaged.guarded import INT32, GuardedProblem, right_table, run_and_check
from support.devices.backends import Backend, HostBackend
from support.devices.bits import Array
from support.devices.host_memory import Guarded
from support.problems.cases import CONVENTIONS, LAYOUTS, Case
from support.problems.elements import ELEMENTS, F16, F32, FP8_E4M3, Element

HEADS = (1, 2, 3, 8, 64, 129, 300)
# Rows that 16-byte vectors fill, and those that leave 8, 4, 2 or 1 bytes over.
ROW_BYTES = (16, 32, 48, 80, 96, 112, 128, 160, 192, 224, 256, 384, 400, 512, 1024, 2048, 4096)
ODD_ROW_BYTES = (4, 8, 12, 20, 24, 40, 44, 68, 72, 100, 132, 248, 516, 1028)
HEAD_DIMS = (
    1,
    2,
    3,
    5,
    7,
    8,
    9,
    15,
    16,
    17,
    24,
    33,
    40,
    63,
    72,
    80,
    96,
    112,
    127,
    129,
    192,
    257,
    512,
    576,
    1024,
)
# The types of indices, indptr and last_page_len, each by itself.
TABLES = tuple(itertools.product(("i4", "i8"), repeat=3))
PAGE_SIZES = (1, 3, 16, 17)
MAX_CACHE_BYTES = 4 << 20
COMBINATIONS = list(itertools.product(ELEMENTS, LAYOUTS, CONVENTIONS))


def _cases() -> list[Case]:
    """Every row size and head_dim, elements, layouts, conventions, heads and page sizes taken in turn."""
    shapes = [("bytes", size) for size in ROW_BYTES + ODD_ROW_BYTES] + [
        ("head_dim", dim) for dim in HEAD_DIMS
    ]
    turns = itertools.cycle(COMBINATIONS)
    heads, pages = itertools.cycle(HEADS), itertools.cycle(PAGE_SIZES)
    found = []
    for kind, size in shapes:
        for _ in range(5):
            element, layout, convention = next(turns)
            head_dim = size // element.itemsize if kind == "bytes" else size
            case = Case(element, layout, convention, next(pages), 12, next(heads), head_dim)
            large = case.page_bytes * case.batch_size > MAX_CACHE_BYTES
            found.append(dataclasses.replace(case, batch_size=2, page_size=2) if large else case)
    found += [Case(*combination, 7, 9, 3, 80) for combination in COMBINATIONS]
    found += [
        Case(F16, "HND", "AFTER_APPEND", 16, 257, 1, 64),
        Case(F32, "NHD", "BEFORE_APPEND", 3, 1000, 2, 4),
        Case(FP8_E4M3, "HND", "BEFORE_APPEND", 1, 65, 300, 16),
        Case(F32, "HND", "AFTER_APPEND", 2, 3, 8, 16384),
    ]
    return list(dict.fromkeys(found))


def _name(value: Any) -> str:
    return "-".join(value) if isinstance(value, tuple) else str(value)


def spoil(table: tuple[int, np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator) -> None:  # type: ignore[type-arg]
    """Eight kinds of damage and padding, each to a request of its own where there are so many."""
    num_pages, indices, indptr, lengths = table
    batch = lengths.size
    kinds = rng.permutation(batch)[:8].tolist()
    for kind, b in enumerate(kinds):
        end = int(indptr[b + 1])
        if kind == 0:
            indices[end - 1] = num_pages
        elif kind == 1:
            indices[end - 1] = INT32.max
        elif kind == 2:
            indices[end - 1] = -1
        elif kind == 3:
            lengths[b] = INT32.min
        elif kind == 4:
            lengths[b] = INT32.max
        elif kind == 5:
            indices[end - 1] = INT32.min
        elif kind == 6 and b + 1 < batch:
            indptr[b + 1] = indptr[b]  # it has no pages, and the next one has its as well
        elif kind == 7 and b + 1 < batch:
            indptr[b + 1] = INT32.max if b % 2 else -7  # it, and the next one


def spoilt(case: Case, dtypes: tuple[str, str, str]) -> GuardedProblem:
    rng = np.random.default_rng([3, *str(case).encode()])
    num_pages, *table = right_table(case, rng)
    spoil((num_pages, *table), rng)
    parts = [part.astype(dtype) for part, dtype in zip(table, dtypes, strict=True)]
    return GuardedProblem(case, num_pages, *parts)


@pytest.mark.parametrize(
    ("case", "dtypes"), list(zip(_cases(), itertools.cycle(TABLES), strict=False)), ids=_name
)
def test_shape(backend: Backend, case: Case, dtypes: tuple[str, str, str]) -> None:
    run_and_check(backend, spoilt(case, dtypes))


class AlignedToElements(HostBackend):
    """Its operands lie one element beside what vectors would like."""

    def put(self, array: Array) -> Array:
        guarded = Guarded(array, offset=array.itemsize)
        self._operands.append(guarded)
        return guarded.array


@pytest.mark.parametrize("head_dim", [3, 64, 65, 80])
@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_operands_that_are_aligned_to_their_elements_alone(element: Element, head_dim: int) -> None:
    for layout, convention in itertools.product(LAYOUTS, CONVENTIONS):
        case = Case(element, layout, convention, 3, 9, 2, head_dim)
        run_and_check(AlignedToElements(), spoilt(case, TABLES[5]))
