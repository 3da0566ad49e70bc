"""One append of real tensors through the Python package: views of larger memory, every way in, and all of
the memory held against the oracle's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._append.scales import SCALE_NAMES
from baracuda_ffi.reference import append_paged_kv_reference

from ..c_abi.tensors import as_view
from ..damaged.page_tables import (
    DECODE,
    WAYS,
    Extent,
    convention_for,
    found_places,
    host_refuses,
    random_table,
    rows_for,
)
from ..devices.backends import Backend
from ..devices.bits import Array, assert_same_bits
from ..problems.elements import FP8_E4M3, FP8_E5M2, Element
from .views import CACHES, KV_DATA, MORE_ROWS, ROWS, Extents, Memory

#: Which operands of an fp8 append are held as uint8; where all are, `element=` or the plan says the type.
HELD = {
    "none": (),
    "caches": ("k_data", "v_data", "kv_data"),
    "rows": ("key", "value"),
    "value": ("value", "v_data"),
    "all": ("key", "value", "k_data", "v_data", "kv_data"),
}


def as_torch(array: Array) -> Any:
    """A tensor of the array's memory."""
    import torch

    plain = torch.from_numpy(array.view(f"i{array.itemsize}"))
    return plain.view(getattr(torch, array.dtype.name))


#: How an operand in host memory is handed over.
FORMS: dict[str, Callable[[Array], Any]] = {
    "array": lambda array: array,
    "pointer": as_view,
    "torch": as_torch,
}

ROW_NAMES = ("key", "value")

_WHOLE = "kv_data:"

#: Of `RealCase.caches`: two operands, or one.
ALL_CACHES = (*CACHES, *(_WHOLE + name for name in KV_DATA))


@dataclass(frozen=True)
class RealCase:
    """What varies of an append; numbers that it does not say are the seed's."""

    rows: str
    caches: str
    element: Element
    widths: tuple[int, int]  # of key and of value; 0: key alone
    heads: int  # 0: without a head dimension
    page_size: int
    layout: str
    convention: str
    entrance: str
    wide: tuple[str, ...] = ()  # what is int64
    table: str = "right"
    held: str = "none"
    form: str = "array"
    way: str = DECODE  # of page_tables.WAYS

    def __str__(self) -> str:
        wide = "+".join(self.wide) or "none"
        return (
            f"{self.rows} rows, {self.caches} caches, {self.element.symbol}, widths {self.widths}, "
            f"{self.heads} heads, pages of {self.page_size}, {self.layout}, {self.convention}, "
            f"{self.way}, int64: {wide}, {self.table} table, uint8: {self.held}, by {self.entrance}, "
            f"as {self.form}"
        )

    @property
    def kind(self) -> bf.ElementKind:
        return bf.ElementKind[self.element.kind]

    @property
    def is_valid(self) -> bool:
        key_alone = not self.widths[1]
        if convention_for(self.way, self.convention) != self.convention:
            return False
        if self.caches.startswith(_WHOLE) and self.widths[0] != self.widths[1]:
            return False
        if self.held != "none" and self.element not in (FP8_E4M3, FP8_E5M2):
            return False
        if self.held == "value" and (key_alone or self.caches.startswith(_WHOLE)):
            return False
        if self.entrance in MIRRORED and not self._fits_mirrored:
            return False
        page = max(self.heads, 1) * self.page_size * max(self.widths) * self.element.itemsize
        return page <= 64 << 10

    @property
    def _fits_mirrored(self) -> bool:
        """Whether it is what baracuda-kernels' checks let pass."""
        packed = self.rows in ("packed", "shared") and self.caches == "packed" and self.heads > 0
        plain = self.held == "none" and not self.wide and self.table == "right" and self.way == DECODE
        width, value_width = self.widths
        wide = width == value_width and width in (64, 128, 256)
        return packed and plain and wide and self.element.symbol not in ("int8", "uint8")


@dataclass
class RealAppend:
    """The operands as views of `memory`, and what all of that should be after the append."""

    case: RealCase
    memory: Memory
    pages: int
    views: dict[str, Array]
    whole: Array | None = None  # kv_data, where it is handed over in place of both caches

    @property
    def requests(self) -> int:
        for name in ("last_page_len", "seq_lens"):
            if name in self.views:
                return len(self.views[name])
        if "indptr" in self.views:
            return len(self.views["indptr"]) - 1
        return len(self.views["slot_mapping"]) - rows_for(self.case.way, 0)

    @property
    def descriptor(self) -> bf.PagedKvAppendDescriptor:
        case = self.case
        cache = bf.PagedKvCacheDescriptor(
            page_size=case.page_size,
            num_total_pages=self.pages,
            num_kv_heads=max(case.heads, 1),
            head_dim=case.widths[0],
            value_head_dim=case.widths[1] or None,
            element=case.kind,
            layout=case.layout,  # type: ignore[arg-type]
        )
        placed_by = WAYS[case.way]
        return bf.PagedKvAppendDescriptor(
            batch_size=self.requests,
            paged_kv=cache,
            length_convention=case.convention,  # type: ignore[arg-type]
            addressing=placed_by.addressing,
            table=placed_by.table,
            lengths=placed_by.lengths,
        )

    def expected(self) -> tuple[list[Array], list[Any]]:
        """The blocks of memory after the append, and which requests are corrupt."""
        blocks = [block.copy() for block in self.memory.blocks]
        views = {name: self.memory.same_in(blocks, view) for name, view in self.views.items()}
        optional = ("value", "v_data", *SCALE_NAMES)
        corrupt = append_paged_kv_reference(
            views["key"],
            k_data=views["k_data"],
            **{name: views.get(name) for name in optional},
            **{name: views[name] for name in WAYS[self.case.way].names},
            layout=bf.KvLayout[self.case.layout],
            length_convention=bf.LengthConvention[self.case.convention],
            guarded=True,
            **self.said_to_the_oracle,
        )
        return blocks, corrupt

    @property
    def said_to_the_oracle(self) -> dict[str, Any]:
        return {}

    @property
    def said_to_the_one_liner(self) -> dict[str, Any]:
        return {"element": self.case.kind} if self.case.held == "all" else {}

    @property
    def is_refused_if_corrupt(self) -> bool:
        return self.case.entrance in UNGUARDED

    def packed(self, seed: int) -> RealAppend:
        """Another append of the same extents, for operands to be replaced one at a time."""
        return make(as_packed(self.case), seed, requests=self.requests, pages=self.pages)

    @property
    def host_refuses(self) -> bool:
        """Whether the host backend refuses it where it is not guarded."""
        case, key_rows = self.case, len(self.views["key"])
        extent = Extent(
            case.way,
            self.requests,
            key_rows,
            case.page_size,
            bf.LengthConvention[case.convention],
        )
        table = {name: self.views[name] for name in WAYS[case.way].names}
        return host_refuses(table, found_places(table, extent, self.pages), key_rows)

    def handed_over(self) -> dict[str, Array]:
        """By the names of the package's arguments, held as they are held."""
        views = dict(self.views)
        if self.whole is not None:
            del views["k_data"], views["v_data"]
            views["kv_data"] = self.whole
        return {
            name: view.view(np.uint8) if name in HELD[self.case.held] else view
            for name, view in views.items()
        }


def draw_table(
    rng: np.random.Generator, case: RealCase, requests: int, pages: int | None
) -> tuple[Extent, int, dict[str, Array]]:
    """How far an append of `case` reaches, over how many pages, and the operands that say its places."""
    rows = rows_for(case.way, requests)
    extent = Extent(
        way=case.way,
        requests=requests,
        rows=rows,
        page_size=case.page_size,
        convention=bf.LengthConvention[case.convention],
        pages=pages,
        key_rows=rows + MORE_ROWS if case.rows == "more-rows" else rows,
    )
    drawn, table = random_table(rng, extent, state=case.table, wide=case.wide)
    return extent, drawn, table


def make(case: RealCase, seed: int, *, requests: int = 5, pages: int | None = None) -> RealAppend:
    """The append that `case` says. Where the number of pages is given, requests may share some."""
    memory = Memory(seed)
    extent, pages, table = draw_table(memory.rng, case, requests, pages)
    rows = extent.rows
    width, value_width = case.widths
    extents = Extents(
        rows=rows,
        heads=max(case.heads, 1),
        width=width,
        value_width=value_width or width,
        pages=pages,
        slots=case.page_size,
        element=case.element,
    )
    views = dict(zip(("key", "value"), ROWS[case.rows](memory, extents), strict=True))
    whole = None
    if case.caches.startswith(_WHOLE):
        whole = KV_DATA[case.caches.removeprefix(_WHOLE)](memory, extents, case.layout)
        views["k_data"], views["v_data"] = whole[:, 0], whole[:, 1]
    else:
        views["k_data"], views["v_data"] = CACHES[case.caches](memory, extents, case.layout)
    if not case.heads:
        heads_at = -3 if case.layout == "HND" else -2
        views = {name: view.squeeze(1 if name in ROW_NAMES else heads_at) for name, view in views.items()}
        whole = None if whole is None else whole.squeeze(heads_at)
    if not value_width:
        del views["value"], views["v_data"]
    views |= {name: memory.of(part) for name, part in table.items()}
    return RealAppend(case, memory, pages, views, whole)


class Put:
    """A RealAppend in a backend's memory, block by block."""

    def __init__(self, real: RealAppend, backend: Backend) -> None:
        self.real, self.backend = real, backend
        self.blocks = [backend.put(block) for block in real.memory.blocks]
        self.operands: dict[str, Any] = {}
        for name, view in real.handed_over().items():
            block, offset = real.memory.place(view)
            operand = backend.view(self.blocks[block], offset, view)
            self.operands[name] = (
                FORMS[real.case.form](operand) if isinstance(operand, np.ndarray) else operand
            )

    def check(self, expected: list[Array]) -> None:
        """All memory, bit for bit: what lies between and beside the operands too."""
        for i, (block, after) in enumerate(zip(self.blocks, expected, strict=True)):
            assert_same_bits(self.backend.get(block), after, f"block {i}")
        self.backend.check_guards()


@dataclass
class Call:
    """What a way in is given. `other` are operands of the same extents, packed, that a rebinding replaces."""

    backend: Backend
    real: RealAppend
    operands: dict[str, Any]
    other: dict[str, Any]
    record: bf.ErrorRecord

    def plan(self, *, guarded: bool) -> bf.PagedKvAppendPlan:
        preference = bf.PlanPreference(guarded=guarded, error_record=self.record if guarded else None)
        return bf.PagedKvAppendPlan.select(self.backend.stream, self.real.descriptor, preference)

    def one_liner(self, **options: Any) -> None:
        case = self.real.case
        bf.append_paged_kv(
            **self.operands,
            stream=self.backend.stream,
            layout=case.layout,
            length_convention=case.convention,
            **self.real.said_to_the_one_liner,
            **options,
        )


def _one_liner(call: Call) -> None:
    call.one_liner()


def _guarded_one_liner(call: Call) -> None:
    call.one_liner(guarded=True, error_record=call.record)


def _run(call: Call) -> None:
    plan = call.plan(guarded=True)
    plan.run(call.backend.stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**call.operands))


def _unguarded_run(call: Call) -> None:
    plan = call.plan(guarded=False)
    plan.run(call.backend.stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**call.operands))


def _bind(call: Call) -> None:
    call.plan(guarded=True).bind(call.backend.stream, bf.PagedKvAppendArgs(**call.operands))()


def _unguarded_bind(call: Call) -> None:
    call.plan(guarded=False).bind(call.backend.stream, bf.PagedKvAppendArgs(**call.operands))()


def _rebind(call: Call) -> None:
    launch = call.plan(guarded=True).bind(call.backend.stream, bf.PagedKvAppendArgs(**call.other))
    launch.rebind(**call.operands)
    launch()


def _rebind_each(call: Call) -> None:
    """One operand after the other, so that the launch holds mixtures of both."""
    launch = call.plan(guarded=True).bind(call.backend.stream, bf.PagedKvAppendArgs(**call.other))
    for name, operand in call.operands.items():
        launch.rebind(**{name: operand})
    launch()


def _on(call: Call) -> None:
    """Another launch of the same operands, which stays as it is when the first is rebound."""
    launch = call.plan(guarded=True).bind(call.backend.stream, bf.PagedKvAppendArgs(**call.operands))
    other = launch.on(call.backend.stream)
    launch.rebind(**call.other)
    other()


#: The ways in of an append that is not guarded: on the host it refuses what is corrupt.
UNGUARDED: dict[str, Callable[[Call], None]] = {"one-liner": _one_liner}
#: Those held to baracuda-kernels' checks.
MIRRORED: dict[str, Callable[[Call], None]] = {
    "unguarded run": _unguarded_run,
    "unguarded bind": _unguarded_bind,
}
GUARDED: dict[str, Callable[[Call], None]] = {
    "guarded one-liner": _guarded_one_liner,
    "run": _run,
    "bind": _bind,
    "rebind": _rebind,
    "rebind each": _rebind_each,
    "launch.on": _on,
}
ENTRANCES = UNGUARDED | MIRRORED | GUARDED


def as_packed(case: RealCase) -> RealCase:
    """What a rebinding replaces one operand at a time has as many rows."""
    rows = "more-rows" if case.rows == "more-rows" else "packed"
    return replace(case, rows=rows, caches="packed", wide=(), table="right", held="none", form="array")


def append_and_check(backend: Backend, real: RealAppend, *, seed: int = 0) -> None:
    """One append, in memory that `backend` keeps, with a record if it is guarded."""
    case = real.case
    replaced = real.packed(seed)
    put, other = Put(real, backend), Put(replaced, backend)
    record = bf.ErrorRecord(backend.put(np.zeros(8, np.int64)))
    expected, corrupt = real.expected()
    refuses = real.is_refused_if_corrupt and backend.stream is None and real.host_refuses
    with pytest.raises(bf.InvalidProblem) if refuses else contextlib.nullcontext():
        ENTRANCES[case.entrance](Call(backend, real, put.operands, other.operands, record))
    put.check(real.memory.blocks if refuses else expected)
    other.check(replaced.memory.blocks)
    if case.entrance not in GUARDED or not corrupt:
        record.check(backend.stream)
        return
    with pytest.raises(bf.CorruptPageTable) as raised:
        record.check(backend.stream)
    error = raised.value
    assert (error.request, error.reason, error.values) in corrupt
