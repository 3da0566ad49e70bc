"""Hypothesis strategies for operands at random strides and alignments in one arena."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import baracuda_ffi as bf

from ..damaged.page_tables import DECODE, TABLE, Extent, keep_places_apart
from ..devices.bits import Array
from ..problems.cases import CONVENTIONS, LAYOUTS
from ..problems.elements import ALL_ELEMENTS, Element
from .real_append import GUARDED, UNGUARDED, RealAppend, RealCase
from .real_cases import FORMS
from .views import Memory

INT_TYPES = (np.int32, np.int64)


class Placement:
    """Where the elements of a view lie from its first one on, in elements: strides, and how far they lead."""

    def __init__(self, extents: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.extents, self.strides = extents, strides
        steps = [stride * max(extent - 1, 0) for stride, extent in zip(strides, extents, strict=True)]
        self.below = -sum(step for step in steps if step < 0)
        self.above = 1 + sum(step for step in steps if step > 0)


@st.composite
def anywhere(draw: st.DrawFn, extents: tuple[int, ...]) -> Placement:
    """Rows: of any strides, which may repeat and overlap one another."""
    outer = [draw(st.integers(-2, 2) | st.integers(-100, 100)) for _ in extents[:-1]]
    return Placement(extents, (*outer, 1))


@st.composite
def apart(draw: st.DrawFn, extents: tuple[int, ...]) -> Placement:
    """Places of their own: the dimensions nested in any order and direction, with gaps of any size."""
    strides = [1] * len(extents)
    reached = extents[-1]
    for dimension in draw(st.permutations(range(len(extents) - 1))):
        stride = reached + draw(st.sampled_from((0, 0, 1, 3)) | st.integers(0, 40))
        reached = stride * max(extents[dimension] - 1, 0) + reached
        strides[dimension] = draw(st.sampled_from((1, 1, -1))) * stride
    return Placement(extents, tuple(strides))


class Arena:
    """Gathers views, and then lays them into one block of memory, one after the other with gaps between."""

    def __init__(self) -> None:
        self._placed: dict[str, tuple[Placement, Any, int]] = {}
        self._at = 0

    def add(self, name: str, placement: Placement, dtype: Any, gap: int) -> None:
        itemsize = np.dtype(dtype).itemsize
        first = -(-self._at // itemsize) + gap + placement.below
        self._placed[name] = (placement, dtype, first * itemsize)
        self._at = (first + placement.above) * itemsize

    def lay(self, seed: int) -> tuple[Memory, dict[str, Array]]:
        memory = Memory(seed)
        block = memory.new((self._at,), np.uint8)
        return memory, {
            name: np.ndarray(
                placement.extents,
                dtype,
                block.data,
                offset,
                tuple(stride * np.dtype(dtype).itemsize for stride in placement.strides),
            )
            for name, (placement, dtype, offset) in self._placed.items()
        }


def _in_layout(cache: Array, layout: str) -> Array:
    """From [page, slot, head, element]."""
    return cache.swapaxes(1, 2) if layout == "HND" else cache


@st.composite
def _tables(draw: st.DrawFn, requests: int, page_size: int, first: int) -> tuple[int, dict[str, list[int]]]:
    """Pages in the cache, and a right or padded table that up to three entries may be overwritten of."""
    sizes = draw(st.lists(st.sampled_from((1, 2, 3, 0)), min_size=requests, max_size=requests))
    used = sum(sizes)
    pages = max(used, requests) + draw(st.integers(1, 2))
    lengths = st.integers(first, first + page_size - 1)
    table = {
        "indices": list(draw(st.permutations(range(pages)))[:used]),
        "indptr": [sum(sizes[:b]) for b in range(requests + 1)],
        "last_page_len": draw(st.lists(lengths, min_size=requests, max_size=requests)),
    }
    near = [limit + by for limit in (0, pages, page_size, used) for by in (-1, 0, 1)]
    values = st.sampled_from((*near, -(2**63), -(2**31), 2**31 - 1, 2**32, 2**63 - 1))
    for _ in range(draw(st.sampled_from((0, 0, 1, 3)))):
        part = table[draw(st.sampled_from(TABLE))]
        if part:
            part[draw(st.integers(0, len(part) - 1))] = draw(values)
    return pages, table


def _within(value: int, dtype: Any) -> int:
    ends = np.iinfo(dtype)
    return min(max(value, int(ends.min)), int(ends.max))


@st.composite
def real_appends(draw: st.DrawFn) -> RealAppend:
    """Any operands that an append has to take, over tables right, padded or damaged."""
    element: Element = draw(st.sampled_from(ALL_ELEMENTS))
    layout, convention = draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from(CONVENTIONS))
    requests, heads, slots = draw(st.integers(0, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    width = draw(st.integers(1, 40) | st.sampled_from((16, 32, 64)))
    value_width = draw(st.just(width) | st.integers(1, 40) | st.just(0))
    pages, entries = draw(_tables(requests, slots, 0 if convention == "BEFORE_APPEND" else 1))
    gaps = st.integers(0, 17)
    arena = Arena()

    def add(name: str, placement: Placement, dtype: Any = element.dtype) -> None:
        arena.add(name, placement, dtype, draw(gaps))

    for name, row in (("key", width), ("value", value_width)):
        if row:
            rows = requests + draw(st.sampled_from((0, 0, 2)))
            add(name, draw(anywhere((rows, heads, row))))
    together = bool(value_width) and draw(st.booleans())
    if together:  # two of one view's: interleaved, side by side, stacked
        add("caches", draw(apart((2, pages, slots, heads, max(width, value_width)))))
    else:
        add("k_data", draw(apart((pages, slots, heads, width))))
        if value_width:
            add("v_data", draw(apart((pages, slots, heads, value_width))))
    types = {name: draw(st.sampled_from(INT_TYPES)) for name in TABLE}
    for name in TABLE:
        add(name, Placement((len(entries[name]),), (1,)), types[name])

    memory, views = arena.lay(draw(st.integers(0, 2**32)))
    if together:
        both = views.pop("caches")
        views["k_data"], views["v_data"] = both[0][..., :width], both[1][..., :value_width]
    for name in ("k_data", "v_data"):
        if name in views:
            views[name] = _in_layout(views[name], layout)
    for name in TABLE:
        views[name][...] = np.array([_within(n, types[name]) for n in entries[name]], types[name])
    table = {name: views[name] for name in TABLE}
    extent = Extent(DECODE, requests, requests, slots, bf.LengthConvention[convention])
    keep_places_apart(table, extent, pages)
    case = RealCase(
        rows="any",
        caches="any",
        element=element,
        widths=(width, value_width),
        heads=heads,
        page_size=slots,
        layout=layout,
        convention=convention,
        wide=tuple(name for name in TABLE if types[name] is np.int64),
        table="any",
        held="none",
        entrance=draw(st.sampled_from((*UNGUARDED, *GUARDED))),
        form=draw(st.sampled_from(FORMS)),
    )
    return RealAppend(case, memory, pages, views)
