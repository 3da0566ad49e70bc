"""Hypothesis strategies for operands at random strides and alignments in one arena."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import baracuda_ffi as bf

from ..damaged.page_tables import ROLES, STATES, WAYS, Extent, convention_for, random_table, rows_for
from ..devices.bits import Array
from ..problems.cases import CONVENTIONS, LAYOUTS
from ..problems.elements import ALL_ELEMENTS, Element
from .real_append import GUARDED, UNGUARDED, RealAppend, RealCase
from .real_cases import FORMS
from .views import MORE_ROWS, Memory


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
def _tables(draw: st.DrawFn, extent: Extent) -> tuple[int, dict[str, Array], tuple[str, ...]]:
    """Pages in the cache, what says places in the extent's way, right, padded or damaged, and which roles of
    it are int64."""
    wide = tuple(role for role in ROLES if draw(st.booleans()))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pages, table = random_table(rng, extent, state=draw(st.sampled_from(STATES)), wide=wide)
    return pages, table, wide


@st.composite
def real_appends(draw: st.DrawFn) -> RealAppend:
    """Any operands that an append has to take, by any way to say places."""
    element: Element = draw(st.sampled_from(ALL_ELEMENTS))
    way = draw(st.sampled_from(tuple(WAYS)))
    layout, convention = (
        draw(st.sampled_from(LAYOUTS)),
        convention_for(way, draw(st.sampled_from(CONVENTIONS))),
    )
    requests, heads, slots = draw(st.integers(0, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 5))
    width = draw(st.integers(1, 40) | st.sampled_from((16, 32, 64)))
    value_width = draw(st.just(width) | st.integers(1, 40) | st.just(0))
    rows, more = rows_for(way, requests), draw(st.booleans())
    key_rows = rows + (MORE_ROWS if more else 0)
    extent = Extent(way, requests, rows, slots, bf.LengthConvention[convention], key_rows=key_rows)
    pages, table, wide = draw(_tables(extent))
    gaps = st.integers(0, 17)
    arena = Arena()

    def add(name: str, placement: Placement, dtype: Any = element.dtype) -> None:
        arena.add(name, placement, dtype, draw(gaps))

    add("key", draw(anywhere((key_rows, heads, width))))
    if value_width:
        add("value", draw(anywhere((key_rows + draw(st.sampled_from((0, 0, 2))), heads, value_width))))
    together = bool(value_width) and draw(st.booleans())
    if together:  # two of one view's: interleaved, side by side, stacked
        add("caches", draw(apart((2, pages, slots, heads, max(width, value_width)))))
    else:
        add("k_data", draw(apart((pages, slots, heads, width))))
        if value_width:
            add("v_data", draw(apart((pages, slots, heads, value_width))))
    for name, part in table.items():
        outer = (part.shape[1] + draw(st.integers(0, 3)),) if part.ndim == 2 else ()
        add(name, Placement(part.shape, (*outer, 1)), part.dtype)

    memory, views = arena.lay(draw(st.integers(0, 2**32)))
    if together:
        both = views.pop("caches")
        views["k_data"], views["v_data"] = both[0][..., :width], both[1][..., :value_width]
    for name in ("k_data", "v_data"):
        if name in views:
            views[name] = _in_layout(views[name], layout)
    for name, part in table.items():
        views[name][...] = part
    case = RealCase(
        rows="more-rows" if more else "any",
        caches="any",
        element=element,
        widths=(width, value_width),
        heads=heads,
        page_size=slots,
        layout=layout,
        convention=convention,
        wide=wide,
        table="any",
        held="none",
        entrance=draw(st.sampled_from((*UNGUARDED, *GUARDED))),
        form=draw(st.sampled_from(FORMS)),
        way=way,
    )
    return RealAppend(case, memory, pages, views)
