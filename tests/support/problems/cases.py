"""The support matrix: one list of cases for both backends.

Every combination of element, layout, convention, head_dim and page_size is there. Batches and head counts
are spread over those so that every pair of values of any two parameters meets in some case (all-pairs), and
the extremes that a random choice could miss are listed by hand.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import baracuda_ffi as bf

from .elements import BF16, ELEMENTS, F16, F32, FP8_E4M3, FP8_E5M2, HEAD_DIMS, Element

PAGE_SIZES = (1, 3, 7, 16, 17, 64)
BATCHES = (1, 2, 5, 33, 64, 256, 257)
# "max" is the largest number of heads that FlashInfer's kernel launches with, for the element and head_dim.
HEADS: tuple[int | str, ...] = (1, 2, 3, 8, "max")
LAYOUTS = ("HND", "NHD")
CONVENTIONS = ("BEFORE_APPEND", "AFTER_APPEND")

# One cache of a case in the matrix stays below this, so that the whole list runs in a minute or two.
MAX_CACHE_BYTES = 24 << 20


@dataclass(frozen=True)
class Case:
    """One problem; what it does not say (pages, tokens there already) a conversation decides."""

    element: Element
    layout: str
    convention: str
    page_size: int
    batch_size: int
    num_heads: int
    head_dim: int

    def __str__(self) -> str:
        convention = self.convention.removesuffix("_APPEND").lower()
        return (
            f"{self.element.symbol}-{self.layout}-{convention}"
            f"-p{self.page_size}-b{self.batch_size}-h{self.num_heads}-d{self.head_dim}"
        )

    @property
    def kind(self) -> bf.ElementKind:
        return bf.ElementKind[self.element.kind]

    @property
    def kv_layout(self) -> bf.KvLayout:
        return bf.KvLayout[self.layout]

    @property
    def length_convention(self) -> bf.LengthConvention:
        return bf.LengthConvention[self.convention]

    @property
    def row_shape(self) -> tuple[int, int, int]:
        return (self.batch_size, self.num_heads, self.head_dim)

    @property
    def page_bytes(self) -> int:
        return self.page_size * self.num_heads * self.head_dim * self.element.itemsize

    def cache_shape(self, num_pages: int) -> tuple[int, int, int, int]:
        if self.layout == "HND":
            return (num_pages, self.num_heads, self.page_size, self.head_dim)
        return (num_pages, self.page_size, self.num_heads, self.head_dim)

    def descriptor(self, num_pages: int) -> bf.PagedKvAppendDescriptor:
        cache = bf.PagedKvCacheDescriptor(
            page_size=self.page_size,
            num_total_pages=num_pages,
            num_kv_heads=self.num_heads,
            head_dim=self.head_dim,
            element=self.kind,
            layout=self.kv_layout,
        )
        return bf.PagedKvAppendDescriptor(
            batch_size=self.batch_size, paged_kv=cache, length_convention=self.length_convention
        )


def _case(values: tuple[Any, ...]) -> Case:
    element, layout, convention, head_dim, page_size, batch_size, heads = values
    num_heads = element.max_heads(head_dim) if heads == "max" else heads
    return Case(element, layout, convention, page_size, batch_size, num_heads, head_dim)


def _fits(values: tuple[Any, ...]) -> bool:
    case = _case(values)
    return case.page_bytes * case.batch_size <= MAX_CACHE_BYTES


def _pairs(values: tuple[Any, ...]) -> Iterator[tuple[int, Any, int, Any]]:
    for (i, a), (j, b) in itertools.combinations(enumerate(values), 2):
        yield i, a, j, b


def _spread() -> list[Case]:
    """One case for each of the fixed combinations, then more until every pair that fits has met."""
    rng = random.Random(20)
    fixed = list(itertools.product(ELEMENTS, LAYOUTS, CONVENTIONS, HEAD_DIMS, PAGE_SIZES))
    free = list(itertools.product(BATCHES, HEADS))
    every = [head + rest for head in fixed for rest in free if _fits(head + rest)]
    missing = {pair for values in every for pair in _pairs(values)}
    chosen: list[tuple[Any, ...]] = []

    def take(candidates: list[tuple[Any, ...]]) -> None:
        sample = rng.sample(candidates, min(40, len(candidates)))
        best = max(sample, key=lambda values: sum(pair in missing for pair in _pairs(values)))
        chosen.append(best)
        missing.difference_update(_pairs(best))

    for head in fixed:
        take([head + rest for rest in free if _fits(head + rest)])
    while missing:
        i, a, j, b = min(missing, key=str)
        take([values for values in every if values[i] == a and values[j] == b])
    return [_case(values) for values in chosen]


_EXTREMES = [
    Case(F16, "HND", "BEFORE_APPEND", 16, 257, 8, 128),
    Case(BF16, "NHD", "AFTER_APPEND", 16, 256, 8, 128),
    # Rows enough for several threads, and past the processor's caches.
    Case(F16, "HND", "BEFORE_APPEND", 3, 257, 64, 128),
    Case(F32, "NHD", "AFTER_APPEND", 1, 256, 32, 128),
    Case(F16, "HND", "BEFORE_APPEND", 1, 1, 1, 64),
    Case(F32, "NHD", "AFTER_APPEND", 1, 1, 1, 64),
    *(
        Case(element, layout, convention, 3, 2, element.max_heads(head_dim), head_dim)
        for (element, head_dim), (layout, convention) in zip(
            itertools.product(ELEMENTS, HEAD_DIMS), itertools.cycle(itertools.product(LAYOUTS, CONVENTIONS))
        )
    ),
]

#: Both backends.
MATRIX: list[Case] = list(dict.fromkeys(_spread() + _EXTREMES))

#: More heads than FlashInfer's kernel launches with: the host backend only.
HOST_ONLY: list[Case] = [
    Case(F16, "HND", "BEFORE_APPEND", 3, 2, 129, 64),
    Case(BF16, "NHD", "AFTER_APPEND", 7, 2, 65, 128),
    Case(F32, "HND", "AFTER_APPEND", 16, 2, 33, 256),
    Case(FP8_E4M3, "NHD", "BEFORE_APPEND", 3, 2, 257, 64),
    Case(FP8_E5M2, "HND", "BEFORE_APPEND", 1, 3, 1025, 128),
]
