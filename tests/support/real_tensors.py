"""Operands as engines have them: views of larger memory, and what an append should make of all of it.

The expectation is a loop over views, which knows nothing of addresses and strides in bytes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from . import abi
from .bits import Array, assert_same_bits
from .elements import F16, Element
from .host_memory import GUARD, aligned
from .tensors import HostTensor, bind

KV = ("key", "value", "k_data", "v_data")
TABLE = ("indices", "indptr", "last_page_len")

# Memory around what the views span, to show that nothing beside is written.
_MARGIN = 256


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


def _packed_rows(memory: Memory, e: Extents) -> Pair:
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
    a, b = ((e.rows + 3, e.heads, width) for width in (e.width, e.value_width))
    return memory.new(a, e.element.dtype), memory.new(b, e.element.dtype)


def _padded_heads(memory: Memory, e: Extents) -> Pair:
    """Rows that begin anywhere: three elements more than their width, the value one element in."""
    a = memory.new((e.rows, e.heads, e.width + 3), e.element.dtype)
    b = memory.new((e.rows, e.heads, e.value_width + 3), e.element.dtype)
    return a[..., : e.width], b[..., 1 : 1 + e.value_width]


def _heads_first(memory: Memory, e: Extents) -> Pair:
    a, b = (memory.new((e.heads, e.rows, width), e.element.dtype) for width in (e.width, e.value_width))
    return a.transpose(1, 0, 2), b.transpose(1, 0, 2)


def _backwards(memory: Memory, e: Extents) -> Pair:
    """Negative strides of tokens in key, of heads in value."""
    key, value = _packed_rows(memory, e)
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
    "packed": _packed_rows,
    "fused-qkv": _fused_qkv,
    "more-rows": _more_rows,
    "padded-heads": _padded_heads,
    "heads-first": _heads_first,
    "backwards": _backwards,
    "broadcast": _broadcast,
    "shared": _shared,
}


def _packed_caches(memory: Memory, e: Extents, layout: str) -> Pair:
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


def _backwards_caches(memory: Memory, e: Extents, layout: str) -> Pair:
    """Negative strides of pages in k_data, of slots or heads in v_data."""
    k_data, v_data = _packed_caches(memory, e, layout)
    return k_data[::-1], v_data[:, ::-1]


def _other_order(memory: Memory, e: Extents, layout: str) -> Pair:
    """The dimensions of one layout over memory in the order of the other."""
    k_data, v_data = _packed_caches(memory, e, "NHD" if layout == "HND" else "HND")
    return k_data.swapaxes(1, 2), v_data.swapaxes(1, 2)


def _odd_rows(memory: Memory, e: Extents, layout: str) -> Pair:
    """An element between rows, and v_data one element in: nothing but elements is aligned."""
    in_page = e.in_page(layout)
    a = memory.new((e.pages, *in_page, e.width + 1), e.element.dtype)
    b = memory.new((e.pages, *in_page, e.value_width + 1), e.element.dtype)
    return a[..., : e.width], b[..., 1:]


CACHES: dict[str, CacheForm] = {
    "packed": _packed_caches,
    "interleaved": _interleaved,
    "side-by-side": _side_by_side,
    "page-major": _page_major,
    "padded-pages": _padded_pages,
    "alternating-pages": _alternating_pages,
    "backwards": _backwards_caches,
    "other-order": _other_order,
    "odd-rows": _odd_rows,
}


class Tensors:
    """The operands of one append as views of memory; a value and v_data that are None are not there."""

    def __init__(
        self,
        rows: RowForm = _packed_rows,
        caches: CacheForm = _packed_caches,
        extents: Extents | None = None,
        *,
        layout: str = "HND",
        convention: str = "BEFORE_APPEND",
        index_types: dict[str, Any] | None = None,
        padding: bool = True,
        seed: int = 0,
    ) -> None:
        e = self.extents = extents or Extents()
        self.layout, self.convention = layout, convention
        self.memory = Memory(seed)
        self.views: dict[str, Array] = {}
        self.views["key"], self.views["value"] = rows(self.memory, e)
        self.views["k_data"], self.views["v_data"] = caches(self.memory, e, layout)
        self._make_table(index_types or {}, padding)

    def _make_table(self, types: dict[str, Any], padding: bool) -> None:
        """Requests of one or two pages; with `padding` the second has none, the third a negative page id."""
        e, rng = self.extents, self.memory.rng
        sizes = rng.integers(1, 3, e.rows)
        if padding and e.rows > 2:
            sizes[1] = 0
        used = int(sizes.sum())
        assert e.rows <= e.pages
        last = rng.permutation(e.pages)[: e.rows]  # no two requests write to one slot
        indices = rng.integers(0, e.pages, used)
        indptr = np.concatenate(([0], np.cumsum(sizes)))
        for b in range(e.rows):
            if sizes[b]:
                indices[indptr[b + 1] - 1] = last[b]
        if padding and e.rows > 2:
            indices[indptr[3] - 1] = -1
        first = 0 if self.convention == "BEFORE_APPEND" else 1
        lengths = rng.integers(first, first + e.slots, e.rows)
        for name, entries in (("indices", indices), ("indptr", indptr), ("last_page_len", lengths)):
            self.views[name] = self.memory.of(entries.astype(types.get(name, np.int32)))

    @property
    def headless(self) -> bool:
        return self.views["k_data"].ndim == 3

    def drop_value(self) -> None:
        del self.views["value"], self.views["v_data"]

    def expected(self) -> list[Array]:
        """The blocks after the append."""
        blocks = [block.copy() for block in self.memory.blocks]
        views = {name: self.memory.same_in(blocks, view) for name, view in self.views.items()}
        _append(views, self.layout, self.convention)
        return blocks

    def strides_of(self, name: str) -> tuple[int, ...]:
        """As the struct has them: token and head; or page, slot and head."""
        view = self.views[name]
        strides = [stride // view.itemsize for stride in view.strides]
        if name in ("key", "value"):
            return (strides[0], 0 if self.headless else strides[1])
        if self.headless:
            return (strides[0], strides[1], 0)
        page, a, b, _ = strides
        return (page, b, a) if self.layout == "HND" else (page, a, b)

    def stated(self, place: Place) -> abi.Append:
        """The struct with everything that an append states of itself, filled in by hand."""
        e = self.extents
        op = self.asked(place)
        op.flags = place.flags | abi.STRIDED
        op.element = e.element.value
        op.batch_size = self.views["last_page_len"].size
        op.page_size, op.num_heads = e.slots, 1 if self.headless else e.heads
        op.head_dim, op.value_head_dim = e.width, e.value_width
        op.num_total_pages = self.views["k_data"].shape[0]
        op.total_used_pages = self.views["indices"].size
        for name, view in self.views.items():
            setattr(op, name, place.address(self.memory, view))
            if name in KV:
                getattr(op, f"{name}_strides")[:] = self.strides_of(name)
            elif view.itemsize == 8:
                op.int64_operands |= 1 << abi.OPERANDS.index(name)
        return op

    def asked(self, place: Place) -> abi.Append:
        """The struct with only what the operands cannot say."""
        return abi.Append(
            struct_size=ctypes.sizeof(abi.Append),
            flags=place.flags | abi.STRIDED | abi.INFER,
            backend=place.backend,
            layout=abi.LAYOUTS[self.layout],
            length_convention=abi.CONVENTIONS[self.convention],
            parts=abi.KEY_AND_VALUE if "value" in self.views else abi.KEY,
            stream=place.stream,
        )

    def described(self, place: Place) -> dict[str, HostTensor]:
        tensors = {name: HostTensor(view) for name, view in self.views.items()}
        for name, tensor in tensors.items():
            tensor.c.data = place.address(self.memory, self.views[name])
            tensor.c.device_type, tensor.c.device_id = place.device
        return tensors

    def bound(self, place: Place) -> abi.Append:
        op = self.asked(place)
        assert bind(op, self.described(place)) == abi.OK, abi.message()
        return op

    def check(self, place: Place, expected: list[Array]) -> None:
        """All memory, bit for bit: what lies between and beside the operands too."""
        for i, (block, after) in enumerate(zip(place.read(self.memory), expected, strict=True)):
            assert_same_bits(block, after, f"block {i}")

    def run_and_check(self, place: Place, op: abi.Append) -> None:
        expected = self.expected()
        assert abi.can_implement(op) == abi.OK, abi.message()
        assert abi.run(op) == abi.OK, abi.message()
        self.check(place, expected)


def _append(views: dict[str, Array], layout: str, convention: str) -> None:
    indices, indptr, lengths = (views[name].tolist() for name in TABLE)
    for b in range(len(lengths)):
        pages = indices[indptr[b] : indptr[b + 1]]
        if not pages or pages[-1] < 0:
            continue
        page = pages[-1]
        slot = lengths[b] - (convention == "AFTER_APPEND")
        assert slot >= 0, "the table is not right"
        for rows, cache in (("key", "k_data"), ("value", "v_data")):
            if rows not in views:
                continue
            if views[cache].ndim == 3:
                views[cache][page, slot] = views[rows][b]
            elif layout == "HND":
                views[cache][page, :, slot] = views[rows][b]
            else:
                views[cache][page, slot] = views[rows][b]


class Place(Protocol):
    """Where the blocks are when the append runs, and who runs it."""

    backend: int
    flags: int
    stream: int | None
    device: tuple[int, int]  # DLPack's type, and the ordinal

    def address(self, memory: Memory, view: Array) -> int: ...

    def read(self, memory: Memory) -> list[Array]: ...


class OnHost:
    backend = abi.HOST
    stream = None
    device = (1, 0)

    def __init__(self, flags: int = 0) -> None:
        self.flags = flags

    def address(self, memory: Memory, view: Array) -> int:
        return int(view.ctypes.data)

    def read(self, memory: Memory) -> list[Array]:
        return memory.blocks


class OnDevice:
    """Copies of the blocks in device memory, made when the first address in them is asked for."""

    def __init__(self, cuda_backend: Any, backend: int, flags: int = 0) -> None:
        self.backend, self.flags = backend, flags
        self.stream = int(cuda_backend.stream)
        self.device = (2, cuda_backend.device.ordinal)
        self._cuda_backend = cuda_backend
        self._copies: dict[Memory, list[Any]] = {}

    def address(self, memory: Memory, view: Array) -> int:
        if memory not in self._copies:
            self._copies[memory] = [self._cuda_backend.new(block) for block in memory.blocks]
        i, offset = memory.place(view)
        return int(self._copies[memory][i].ptr) + offset

    def read(self, memory: Memory) -> list[Array]:
        from . import cuda

        cuda.synchronize()
        self._cuda_backend.check_guards()
        return [copy.read() for copy in self._copies[memory]]
