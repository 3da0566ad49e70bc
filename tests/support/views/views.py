"""Operands as engines have them: views of larger memory.

Each form is written as its owner would slice it; a test compares all of the memory, what lies between and
beside the views included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..devices.bits import Array
from ..devices.host_memory import GUARD, aligned
from ..problems.elements import F16, Element

# Memory around what the views span, to show that nothing beside is written.
_MARGIN = 256

#: Rows of `_more_rows` that no operand says.
MORE_ROWS = 3

#: The widest copy that the backends make.
VECTOR_BYTES = 16


class Memory:
    """Blocks of bytes, random where arrays are, and where in them a view lies."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.blocks: list[Array] = []

    def new(self, shape: tuple[int, ...], dtype: Any) -> Array:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        block = aligned((size + 2 * _MARGIN,), np.uint8)
        block[:] = GUARD
        inside = block[_MARGIN : _MARGIN + size]
        inside[:] = np.frombuffer(self.rng.bytes(size), np.uint8)
        self.blocks.append(block)
        return inside.view(dtype).reshape(shape)

    def of(self, array: Array) -> Array:
        """A copy of it."""
        held = self.new(array.shape, array.dtype)
        held[...] = array
        return held

    def place(self, view: Array) -> tuple[int, int]:
        """The block that a view's first element is in, and its offset there in bytes."""
        for i, block in enumerate(self.blocks):
            offset = view.ctypes.data - block.ctypes.data
            if 0 <= offset < block.size:
                return i, offset
        raise AssertionError("the view is not of this memory")

    def same_in(self, blocks: list[Array], view: Array) -> Array:
        """The view of other blocks that this is of these."""
        i, offset = self.place(view)
        return np.ndarray(view.shape, view.dtype, blocks[i].data, offset, view.strides)


@dataclass(frozen=True)
class Extents:
    rows: int = 5
    heads: int = 3
    width: int = 64
    value_width: int = 64
    pages: int = 9
    slots: int = 4
    element: Element = F16

    def in_page(self, layout: str) -> tuple[int, int]:
        return (self.heads, self.slots) if layout == "HND" else (self.slots, self.heads)


Pair = tuple[Array, Array]
RowForm = Callable[[Memory, Extents], Pair]
CacheForm = Callable[[Memory, Extents, str], Pair]


def packed_rows(memory: Memory, e: Extents) -> Pair:
    a, b = ((e.rows, e.heads, width) for width in (e.width, e.value_width))
    return memory.new(a, e.element.dtype), memory.new(b, e.element.dtype)


def _fused_qkv(memory: Memory, e: Extents) -> Pair:
    """Key and value as they come out of one projection, after twice as many query heads."""
    query = 2 * e.heads * e.width
    value = query + e.heads * e.width
    fused = memory.new((e.rows, value + e.heads * e.value_width), e.element.dtype)
    return (
        fused[:, query:value].reshape(e.rows, e.heads, e.width),
        fused[:, value:].reshape(e.rows, e.heads, e.value_width),
    )


def _more_rows(memory: Memory, e: Extents) -> Pair:
    """Engines pad graphs: the rows after the last are not looked at."""
    a, b = ((e.rows + MORE_ROWS, e.heads, width) for width in (e.width, e.value_width))
    return memory.new(a, e.element.dtype), memory.new(b, e.element.dtype)


def _padded_heads(memory: Memory, e: Extents) -> Pair:
    """Rows that begin anywhere: three elements more than their width, the value one element in."""
    a = memory.new((e.rows, e.heads, e.width + 3), e.element.dtype)
    b = memory.new((e.rows, e.heads, e.value_width + 3), e.element.dtype)
    return a[..., : e.width], b[..., 1 : 1 + e.value_width]


def _padded_tokens(memory: Memory, e: Extents) -> Pair:
    """Tokens further apart than they are long, by a vector."""

    def rows(width: int) -> Array:
        token = e.heads * width
        padded = memory.new((e.rows, token + VECTOR_BYTES // e.element.itemsize), e.element.dtype)
        return padded[:, :token].reshape(e.rows, e.heads, width)

    return rows(e.width), rows(e.value_width)


def _vector_between_heads(memory: Memory, e: Extents) -> Pair:
    padding = VECTOR_BYTES // e.element.itemsize
    a, b = (memory.new((e.rows, e.heads, w + padding), e.element.dtype) for w in (e.width, e.value_width))
    return a[..., : e.width], b[..., padding:]


def _odd_tokens(memory: Memory, e: Extents) -> Pair:
    """One element into memory, and an odd number of elements from token to token."""

    def rows(width: int) -> Array:
        token = e.heads * width
        stride = token + 1 + token % 2
        flat = memory.new((1 + e.rows * stride,), e.element.dtype)
        return flat[1:].reshape(e.rows, stride)[:, :token].reshape(e.rows, e.heads, width)

    return rows(e.width), rows(e.value_width)


def _heads_first(memory: Memory, e: Extents) -> Pair:
    a, b = (memory.new((e.heads, e.rows, width), e.element.dtype) for width in (e.width, e.value_width))
    return a.transpose(1, 0, 2), b.transpose(1, 0, 2)


def _backwards(memory: Memory, e: Extents) -> Pair:
    """Negative strides of tokens in key, of heads in value."""
    key, value = packed_rows(memory, e)
    return key[::-1], value[:, ::-1]


def _broadcast(memory: Memory, e: Extents) -> Pair:
    """Strides of 0: one token for all in key, one head for all in value."""
    key = memory.new((1, e.heads, e.width), e.element.dtype)
    value = memory.new((e.rows, 1, e.value_width), e.element.dtype)
    return (
        np.broadcast_to(key, (e.rows, e.heads, e.width)),
        np.broadcast_to(value, (e.rows, e.heads, e.value_width)),
    )


def _shared(memory: Memory, e: Extents) -> Pair:
    """Key and value in one memory."""
    both = memory.new((e.rows, e.heads, max(e.width, e.value_width)), e.element.dtype)
    return both[..., : e.width], both[..., : e.value_width]


ROWS: dict[str, RowForm] = {
    "packed": packed_rows,
    "fused-qkv": _fused_qkv,
    "more-rows": _more_rows,
    "padded-tokens": _padded_tokens,
    "odd-tokens": _odd_tokens,
    "padded-heads": _padded_heads,
    "vector-between-heads": _vector_between_heads,
    "heads-first": _heads_first,
    "backwards": _backwards,
    "broadcast": _broadcast,
    "shared": _shared,
}


def packed_caches(memory: Memory, e: Extents, layout: str) -> Pair:
    a, b = ((e.pages, *e.in_page(layout), width) for width in (e.width, e.value_width))
    return memory.new(a, e.element.dtype), memory.new(b, e.element.dtype)


def _interleaved(memory: Memory, e: Extents, layout: str) -> Pair:
    """[pages, 2, ...]: FlashInfer's default."""
    width = max(e.width, e.value_width)
    both = memory.new((e.pages, 2, *e.in_page(layout), width), e.element.dtype)
    return both[:, 0, ..., : e.width], both[:, 1, ..., : e.value_width]


def _side_by_side(memory: Memory, e: Extents, layout: str) -> Pair:
    both = memory.new((e.pages, *e.in_page(layout), e.width + e.value_width), e.element.dtype)
    return both[..., : e.width], both[..., e.width :]


def _page_major(memory: Memory, e: Extents, layout: str) -> Pair:
    """One layer of a pool whose pages span three."""
    width = max(e.width, e.value_width)
    pool = memory.new((e.pages, 3, 2, *e.in_page(layout), width), e.element.dtype)
    return pool[:, 1, 0, ..., : e.width], pool[:, 1, 1, ..., : e.value_width]


def _padded_pages(memory: Memory, e: Extents, layout: str) -> Pair:
    """Pages further apart than they are long: each of its own."""

    def cache(width: int, padding: int) -> Array:
        page = e.heads * e.slots * width
        padded = memory.new((e.pages, page + padding), e.element.dtype)
        return padded[:, :page].reshape(e.pages, *e.in_page(layout), width)

    return cache(e.width, 16), cache(e.value_width, 5)


def _alternating_pages(memory: Memory, e: Extents, layout: str) -> Pair:
    width = max(e.width, e.value_width)
    both = memory.new((2 * e.pages, *e.in_page(layout), width), e.element.dtype)
    return both[0::2, ..., : e.width], both[1::2, ..., : e.value_width]


def _stacked(memory: Memory, e: Extents, layout: str) -> Pair:
    """[2, pages, ...]."""
    width = max(e.width, e.value_width)
    both = memory.new((2, e.pages, *e.in_page(layout), width), e.element.dtype)
    return both[0, ..., : e.width], both[1, ..., : e.value_width]


def _pools_apart(memory: Memory, e: Extents, layout: str) -> Pair:
    """One layer each of a pool of K and a pool of V."""
    a, b = (
        memory.new((e.pages, 3, *e.in_page(layout), w), e.element.dtype) for w in (e.width, e.value_width)
    )
    return a[:, 1], b[:, 2]


def _heads_outermost(memory: Memory, e: Extents, layout: str) -> Pair:
    """A whole cache of pages for each head."""
    a, b = (memory.new((e.heads, e.pages, e.slots, w), e.element.dtype) for w in (e.width, e.value_width))
    order = (1, 0, 2, 3) if layout == "HND" else (1, 2, 0, 3)
    return a.transpose(order), b.transpose(order)


def _backwards_caches(memory: Memory, e: Extents, layout: str) -> Pair:
    """Negative strides of pages in k_data, of slots or heads in v_data."""
    k_data, v_data = packed_caches(memory, e, layout)
    return k_data[::-1], v_data[:, ::-1]


def _other_order(memory: Memory, e: Extents, layout: str) -> Pair:
    """The dimensions of one layout over memory in the order of the other."""
    k_data, v_data = packed_caches(memory, e, "NHD" if layout == "HND" else "HND")
    return k_data.swapaxes(1, 2), v_data.swapaxes(1, 2)


def _odd_rows(memory: Memory, e: Extents, layout: str) -> Pair:
    """An element between rows, and v_data one element in: nothing but elements is aligned."""
    in_page = e.in_page(layout)
    a = memory.new((e.pages, *in_page, e.width + 1), e.element.dtype)
    b = memory.new((e.pages, *in_page, e.value_width + 1), e.element.dtype)
    return a[..., : e.width], b[..., 1:]


CACHES: dict[str, CacheForm] = {
    "packed": packed_caches,
    "interleaved": _interleaved,
    "side-by-side": _side_by_side,
    "page-major": _page_major,
    "padded-pages": _padded_pages,
    "stacked": _stacked,
    "pools-apart": _pools_apart,
    "heads-outermost": _heads_outermost,
    "alternating-pages": _alternating_pages,
    "backwards": _backwards_caches,
    "other-order": _other_order,
    "odd-rows": _odd_rows,
}


def _whole_interleaved(memory: Memory, e: Extents, layout: str) -> Array:
    return memory.new((e.pages, 2, *e.in_page(layout), e.width), e.element.dtype)


def _whole_of_layer(memory: Memory, e: Extents, layout: str) -> Array:
    pool = memory.new((e.pages, 3, 2, *e.in_page(layout), e.width), e.element.dtype)
    return pool[:, 1]


def _whole_stacked(memory: Memory, e: Extents, layout: str) -> Array:
    both = memory.new((2, e.pages, *e.in_page(layout), e.width), e.element.dtype)
    return both.swapaxes(0, 1)


def _whole_side_by_side(memory: Memory, e: Extents, layout: str) -> Array:
    both = memory.new((e.pages, *e.in_page(layout), 2 * e.width + 1), e.element.dtype)
    return np.moveaxis(both[..., :-1].reshape(*both.shape[:-1], 2, e.width), -2, 1)


#: Both caches in one operand, [pages, 2, ...], of one width.
KV_DATA: dict[str, Callable[[Memory, Extents, str], Array]] = {
    "interleaved": _whole_interleaved,
    "page-major": _whole_of_layer,
    "stacked": _whole_stacked,
    "side-by-side": _whole_side_by_side,
}
