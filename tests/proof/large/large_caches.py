"""Caches of more than 2^32 elements, and the slots at their first, middle and last page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import baracuda_ffi as bf
from support.devices.bits import Array
from support.problems.cases import Case
from support.problems.elements import FP8_E4M3

TWO_TO_THE_32 = 1 << 32


@dataclass(frozen=True)
class LargeCache:
    """`case` says everything but the pages; its batch is as large as `pages_of` is long."""

    case: Case
    num_pages: int

    @property
    def elements(self) -> int:
        return self.num_pages * self.case.page_size * self.case.num_heads * self.case.head_dim

    @property
    def pages(self) -> list[int]:
        """First, middle, last, and both sides of where a 32-bit element offset would wrap."""
        wraps = TWO_TO_THE_32 // (self.elements // self.num_pages)
        middle, last = self.num_pages // 2, self.num_pages - 1
        return sorted({0, middle, last, *(page for page in (wraps - 1, wraps) if 0 < page < last)})

    def table(self) -> dict[str, Array]:
        """Each request owns one page; their slots go from the first to the last."""
        case, pages = self.case, self.pages
        slots = [(case.page_size - 1) * i // (len(pages) - 1) for i in range(len(pages))]
        counted = 0 if case.convention == "BEFORE_APPEND" else 1
        return {
            "indices": np.array(pages, np.int32),
            "indptr": np.arange(len(pages) + 1, dtype=np.int32),
            "last_page_len": np.array(slots, np.int32) + np.int32(counted),
        }

    def row_offsets(self) -> Iterator[tuple[int, int, int]]:
        """Request, head, and the element at which their row starts, in Python's integers."""
        case, table = self.case, self.table()
        counted = 0 if case.convention == "BEFORE_APPEND" else 1
        for request, page in enumerate(self.pages):
            slot = int(table["last_page_len"][request]) - counted
            for head in range(case.num_heads):
                if case.layout == "HND":
                    row = (page * case.num_heads + head) * case.page_size + slot
                else:
                    row = (page * case.page_size + slot) * case.num_heads + head
                yield request, head, row * case.head_dim

    @property
    def descriptor(self) -> bf.PagedKvAppendDescriptor:
        return self.case.descriptor(self.num_pages)


def large_cache(
    page_size: int,
    num_heads: int,
    head_dim: int,
    num_pages: int,
    layout: str,
    convention: str,
    element: object = None,
) -> LargeCache:
    probe = LargeCache(Case(FP8_E4M3, layout, convention, page_size, 1, num_heads, head_dim), num_pages)  # type: ignore[arg-type]
    case = Case(element or FP8_E4M3, layout, convention, page_size, len(probe.pages), num_heads, head_dim)  # type: ignore[arg-type]
    cache = LargeCache(case, num_pages)
    assert cache.elements > TWO_TO_THE_32
    return cache
