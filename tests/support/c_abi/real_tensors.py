"""Views of larger memory through the C ABI, and what an append should make of all of it.

The expectation is a loop over views, which knows nothing of addresses and strides in bytes.
"""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import numpy as np

from ..devices.bits import Array, assert_same_bits
from ..views.views import CacheForm, Extents, Memory, RowForm, packed_caches, packed_rows
from . import abi
from .tensors import HostTensor, bind

KV = ("key", "value", "k_data", "v_data")
TABLE = ("indices", "indptr", "last_page_len")


class Tensors:
    """The operands of one append as views of memory; a value and v_data that are None are not there."""

    def __init__(
        self,
        rows: RowForm = packed_rows,
        caches: CacheForm = packed_caches,
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
        op.flags &= ~abi.INFER
        op.element = e.element.value
        op.page_size, op.num_heads = e.slots, 1 if self.headless else e.heads
        op.head_dim, op.value_head_dim = e.width, e.value_width
        op.num_total_pages = self.views["k_data"].shape[0]
        self.state_counts(op)
        for name, view in self.views.items():
            setattr(op, name, place.address(self.memory, view))
            if name in KV:
                getattr(op, f"{name}_strides")[:] = self.strides_of(name)
            elif view.itemsize == 8:
                op.int64_operands |= 1 << abi.OPERANDS.index(name)
        return op

    def state_counts(self, op: abi.Append) -> None:
        """Of what says places."""
        op.batch_size = self.views["last_page_len"].size
        op.total_used_pages = self.views["indices"].size

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
        from ..devices import cuda

        cuda.synchronize()
        self._cuda_backend.check_guards()
        return [copy.read() for copy in self._copies[memory]]
