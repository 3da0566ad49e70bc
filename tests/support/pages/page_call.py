"""One call that copies pages, over views of larger memory, and what the oracle makes of all of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi import reference

from ..devices.backends import Backend
from ..devices.bits import Array, assert_same_bits
from ..views.views import CACHES, KV_DATA, Extents, Memory

MOVEMENTS = ("copy", "gather", "scatter")

_CALLS: dict[str, tuple[Callable[..., None], Callable[..., Any]]] = {
    "copy": (bf.copy_pages, reference.copy_pages_reference),
    "gather": (bf.gather_pages, reference.gather_pages_reference),
    "scatter": (bf.scatter_pages, reference.scatter_pages_reference),
}

_WHOLE = "kv_data:"


def _alone(memory: Memory, e: Extents, layout: str) -> tuple[Array, None]:
    return CACHES["interleaved"](memory, e, layout)[0], None


def _without_heads(memory: Memory, e: Extents, layout: str) -> tuple[Array, Array]:
    """MLA: rank 3, both in one row."""
    both = memory.new((e.pages, e.slots, e.width + e.value_width), e.element.dtype)
    return both[..., : e.width], both[..., e.width :]


def _scales(memory: Memory, e: Extents, layout: str) -> tuple[Array, Array]:
    """An f32 for each token and head, within the rows that it belongs to: nothing lies side by side."""
    rows = memory.new((e.pages, 2, e.slots, e.heads, 1 + e.width), np.float32)
    return rows[:, 0, ..., -1], rows[:, 1, ..., -1]


def _bytes(memory: Memory, e: Extents, layout: str) -> tuple[Array, None]:
    """A pool whose owner alone knows what is in it, 13 bytes a page."""
    return memory.new((e.pages, 13), np.uint8), None


def _one_element(memory: Memory, e: Extents, layout: str) -> tuple[Array, Array]:
    return memory.new((e.pages,), np.float64), memory.new((2 * e.pages,), np.int64)[::2]


def _of_two_types(memory: Memory, e: Extents, layout: str) -> tuple[Array, Array]:
    return memory.new((e.pages, 3, 5), np.int8), memory.new((e.pages, 7), np.float32)


def _six_dimensions(memory: Memory, e: Extents, layout: str) -> tuple[Array, None]:
    """All layers of a page-major pool, nothing of it packed but its rows."""
    pool = memory.new((e.pages, 3, 3, e.heads + 1, e.slots + 1, e.width + 2), e.element.dtype)
    return pool[:, ::2, 1:, :-1, 1:, 1:-1], None


#: Of caches: those of an append, and what only a copy of pages takes.
FORMS: dict[str, Callable[[Memory, Extents, str], tuple[Array, Array | None]]] = {
    **CACHES,
    "k alone": _alone,
    "without heads": _without_heads,
    "scales": _scales,
    "bytes": _bytes,
    "one element": _one_element,
    "two types": _of_two_types,
    "six dimensions": _six_dimensions,
}

#: The same, and both caches in one operand.
ALL_FORMS = (*FORMS, *(_WHOLE + name for name in KV_DATA))


@dataclass
class PageCall:
    """The operands by the names that the call has for them, all of them views of `memory`."""

    movement: str
    memory: Memory
    views: dict[str, Array]
    guarded: bool = False

    @property
    def lists(self) -> list[str]:
        return [name for name in ("source", "destination") if name in self.views]

    def expected(self) -> tuple[list[Array], list[Any]]:
        """All of the memory after the call, and what is corrupt. Raises ValueError where that is refused, or
        undefined."""
        blocks = [block.copy() for block in self.memory.blocks]
        views = {name: self.memory.same_in(blocks, view) for name, view in self.views.items()}
        if "kv_data" in views:
            views["k_data"] = views.pop("kv_data")
        corrupt = _CALLS[self.movement][1](**({"v_data": None} | views), guarded=self.guarded)
        return blocks, corrupt

    def put(self, backend: Backend) -> tuple[list[Any], dict[str, Any]]:
        """The blocks on the backend, and the operands as views of them."""
        blocks = [backend.put(block) for block in self.memory.blocks]
        return blocks, {
            name: backend.view(blocks[i], offset, view)
            for name, view in self.views.items()
            for i, offset in [self.memory.place(view)]
        }

    def launch(self, backend: Backend, operands: dict[str, Any], record: Any = None) -> None:
        given = {"v_data": None} | operands if "k_data" in operands else operands
        _CALLS[self.movement][0](**given, stream=backend.stream, guarded=self.guarded, error_record=record)

    def run_and_check(self, backend: Backend) -> None:
        """The call, on the backend, leaves every byte as the oracle does."""
        blocks, operands = self.put(backend)
        expected, _ = self.expected()
        self.launch(backend, operands)
        check_blocks(backend, blocks, expected)


def check_blocks(backend: Backend, blocks: list[Any], expected: list[Array]) -> None:
    for block, bits in zip(blocks, expected, strict=True):
        assert_same_bits(backend.get(block), bits, "all memory")
    backend.check_guards()


def make_call(
    movement: str,
    form: str,
    extents: Extents,
    *,
    seed: int = 0,
    layout: str = "HND",
    lists: dict[str, list[int]] | None = None,
    copies: int = 4,
    dtypes: tuple[str, str] = ("i4", "i8"),
    more_rows: int = 0,
    guarded: bool = False,
) -> PageCall:
    """A call over right lists, some of it padding, unless they are given."""
    memory = Memory(seed)
    if form.startswith(_WHOLE):
        caches: dict[str, Array] = {"kv_data": KV_DATA[form.removeprefix(_WHOLE)](memory, extents, layout)}
    else:
        k_data, v_data = FORMS[form](memory, extents, layout)
        caches = {"k_data": k_data} | ({} if v_data is None else {"v_data": v_data})
    if lists is None:
        lists = right_lists(memory.rng, extents.pages, copies)
    wanted = {"copy": ("source", "destination"), "gather": ("source",), "scatter": ("destination",)}[movement]
    views = dict(caches)
    for name, dtype in zip(("source", "destination"), dtypes, strict=True):
        if name in wanted:
            views[name] = memory.of(np.array(lists[name], dtype))
    if movement != "copy":
        row_bytes = sum(cache[0].nbytes for cache in caches.values())
        views["buffer"] = memory.new((len(views[wanted[0]]) + more_rows, row_bytes), np.uint8)
    return PageCall(movement, memory, views, guarded)


def right_lists(rng: np.random.Generator, pages: int, copies: int) -> dict[str, list[int]]:
    """No page that is written is named twice; pages are read many times, and a pair in five is padding, or
    of a page with itself."""
    order = rng.permutation(pages).tolist()
    destination = order[: min(copies, pages // 2)]
    source = rng.choice(order[len(destination) :], len(destination)).tolist()
    for i in range(len(destination)):
        kind = rng.integers(15)
        if kind == 0:
            source[i] = -1
        elif kind == 1:
            destination[i] = -int(rng.integers(1, 2**31))
        elif kind == 2:
            source[i] = destination[i]
    return {"source": source, "destination": destination}


def refused(call: PageCall, backend: Backend) -> str:
    """What the backend says of a call that it refuses, which leaves everything as it was."""
    blocks, operands = call.put(backend)
    before = [block.copy() for block in call.memory.blocks]
    with pytest.raises(bf.BaracudaError) as raised:
        call.launch(backend, operands)
    check_blocks(backend, blocks, before)
    return str(raised.value)
