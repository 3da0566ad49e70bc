"""Many small page tables in one append, laid one behind the other and damaged anywhere: each row is one
number again and again, so that what a slot holds says which row is there."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._reference.places import Wrong

from ..devices.backends import Backend
from ..devices.bits import Array
from .page_tables import ROLES, WAYS, Extent, damaging_values, found_places, host_refuses, right_table

if TYPE_CHECKING:
    from baracuda_ffi._reference.places import Found

REQUESTS, ROWS = 3, 4  # of one table
_SHARES = (0.0, 0.02, 0.2, 1.0)  # of the entries that are overwritten


@dataclass
class ManyTables:
    extent: Extent
    pages: int
    table: dict[str, Array]

    @property
    def in_order(self) -> bool:
        """Whether backends have to agree on every row."""
        ends = self.table.get("append_indptr")
        return ends is None or not (ends[1:] < ends[:-1]).any()


def many_tables(
    rng: np.random.Generator, way: str, convention: str, tables: int, *, narrow: bool = False
) -> ManyTables:
    decode = WAYS[way].addressing is bf.Addressing.LAST_PAGE
    extent = Extent(
        way=way,
        requests=REQUESTS * tables,
        rows=(REQUESTS if decode else ROWS) * tables,
        page_size=int(rng.choice([1, 3, 4, 16])),
        convention=bf.LengthConvention[convention],
        skip_slot=[None, 0, 5][rng.integers(3)] if way == "slot_mapping" else None,
    )
    wide = () if narrow else tuple(role for role in ROLES if rng.random() < 0.5)
    pages, table = right_table(rng, extent, wide=wide)
    limits = (0, pages, extent.page_size, pages * extent.page_size, extent.requests, extent.rows)
    for name, part in table.items():
        share = rng.choice(_SHARES)
        if name == "append_indptr":
            share = rng.choice((0, 0, 0, share))
        _damage(rng, part, share, limits)
    return ManyTables(extent, pages, table)


def _damage(rng: np.random.Generator, part: Array, share: float, limits: tuple[int, ...]) -> None:
    """Overwrite a share of the entries: both sides of every limit, the ends of the type, any word, or any
    number within the limits."""
    where = rng.random(part.shape) < share
    ends = np.iinfo(part.dtype)
    kinds = (
        lambda n: rng.choice(damaging_values(part.dtype, *limits), n),
        lambda n: rng.integers(ends.min, ends.max, n, part.dtype, endpoint=True),
        lambda n: rng.integers(-1, max(limits) + 1, n).astype(part.dtype),
    )
    part[where] = kinds[rng.integers(3)](int(where.sum()))


def append_and_check(backend: Backend, many: ManyTables, *, guarded: bool, width: int = 1) -> None:
    """Every slot of both caches holds a row whose place it is, or what it held; every row that has a place
    alone is there; nothing beside is written; the record holds what is wrong with a row, all of it."""
    extent, pages = many.extent, many.pages
    found = found_places(many.table, extent, pages)
    numbers = np.repeat(np.arange(1, extent.rows + 1, dtype=np.int32)[:, None], width, axis=1)
    caches = [_Cache(backend, pages, extent.page_size, width) for _ in range(2)]
    operands = {name: backend.put(part) for name, part in many.table.items()}
    record = bf.ErrorRecord(backend.put(np.zeros(8, np.int64)))
    how: dict[str, Any] = {"error_record": record} if guarded else {}
    judged = guarded or backend.stream is not None
    refused = not judged and host_refuses(many.table, found, extent.rows)

    def append() -> None:
        bf.append_paged_kv(
            backend.put(numbers.view(np.float32)),
            backend.put((-numbers).view(np.float32)),
            caches[0].view,
            caches[1].view,
            stream=backend.stream,
            length_convention=extent.convention,
            skip_slot=extent.skip_slot,
            guarded=guarded,
            **operands,
            **how,
        )

    with pytest.raises(bf.InvalidProblem) if refused else contextlib.nullcontext():
        append()
    for cache in (*caches[0].read(), *(-part for part in caches[1].read())):
        if refused:
            assert not cache.any()
        elif not many.in_order:
            _check_named(cache, many)
        else:
            _check_places(cache, found, extent.page_size)
    if guarded and many.in_order:
        _check_record(backend, record, found)
    for name, part in many.table.items():
        assert np.array_equal(backend.get(operands[name]), part), name
    backend.check_guards()


class _Cache:
    """Zeros, with a slot behind each page that is nobody's."""

    def __init__(self, backend: Backend, pages: int, page_size: int, width: int) -> None:
        self._backend, self._shape, self._whole = backend, (pages, page_size + 1, width), min(width, 4)
        memory = np.zeros(self._shape, np.float32)
        self._block = backend.put(memory.view(np.uint8).reshape(-1))
        self.view = backend.view(self._block, 0, memory[:, :page_size])

    def read(self) -> list[Array]:
        """[pages, slots] of row numbers, for whatever 16 bytes of all rows hold: of rows that have one place,
        each may have written some of these."""
        cells = self._backend.get(self._block).view(np.int32).reshape(*self._shape[:2], -1, self._whole)
        assert not cells[:, -1].any()
        assert (cells == cells[..., :1]).all()
        return list({part.tobytes(): part for part in np.moveaxis(cells[:, :-1, :, 0], -1, 0)}.values())


def _check_places(cache: Array, found: list[Found], page_size: int) -> None:
    held = cache.reshape(-1)
    places = np.array([p[0] * page_size + p[1] if isinstance(p, tuple) else -1 for p in found], np.int64)
    written = np.flatnonzero(held)
    assert (places[held[written] - 1] == written).all()
    assert held[places[places >= 0]].all()


def _check_record(backend: Backend, record: bf.ErrorRecord, found: list[Found]) -> None:
    if not any(isinstance(each, Wrong) for each in found):
        record.check(backend.stream)
        return
    with pytest.raises(bf.CorruptPageTable) as raised:
        record.check(backend.stream)
    error = raised.value
    wrong = found[error.values.row]
    assert isinstance(wrong, Wrong)
    assert (error.request, error.reason, error.values) == wrong.corrupt


def _check_named(cache: Array, many: ManyTables) -> None:
    """append_indptr is out of order: each row that is somewhere is there alone, in a page of the table."""
    rows = cache[cache != 0]
    assert ((rows >= 1) & (rows <= many.extent.rows)).all()
    assert np.unique(rows).size == rows.size
    named = many.table["block_table" if "block_table" in many.table else "indices"]
    assert np.isin(np.flatnonzero(cache.any(axis=1)), named).all()
