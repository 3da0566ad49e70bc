"""The search behind ``validate_page_table``, over NumPy arrays in host memory."""

from __future__ import annotations

import numpy as np

from ..._model.enums import Addressing
from . import lengths, pages, parts, rows, shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from .finding import PageTableFinding
    from .table import Table

    Array = NDArray[Any]
    Findings = Iterator[PageTableFinding]


def find_faults(table: Table) -> list[PageTableFinding]:
    found = list(_of_table(table))
    return sorted(found, key=lambda finding: (finding.kind, finding.position, finding.requests))


def _of_table(table: Table) -> Findings:
    addressing = table.placed_by.addressing
    if addressing is Addressing.SLOTS:
        yield from rows.in_slots(table)
        right = rows.slot_rows(table)
        yield from shared.shared_by_rows(table, "slot_mapping", right, table.operands["slot_mapping"][right])
        return
    yield from _of_dense_pages(table) if table.is_dense else _of_indices(table)
    if addressing is Addressing.POSITIONS:
        yield from rows.in_positions(table)
        yield from _shared_by_positions(table)
        return
    if table.by_seq_lens:
        yield from lengths.in_pages(table)
    else:
        yield from lengths.in_last_pages(table, table.operands["last_page_len"], _is_padding(table))
    if table.is_ragged:
        yield from rows.in_append_indptr(table)
        request, token = rows.ragged_tokens(table)
    elif table.by_seq_lens:
        totals = table.totals
        request = np.flatnonzero(table.has_part & (totals >= 1) & (totals <= table.room))
        token = totals[request] - 1
    else:
        slot = table.operands["last_page_len"].astype(np.int64) - int(table.counts_new)
        request = np.flatnonzero(table.has_pages & (slot >= 0) & (slot < table.page_size))
        token = table.room[request] - table.page_size + slot[request]
    entry = table.entries_of(request, token)
    yield from shared.shared_by_requests(table, request, entry, token % table.page_size)


def _shared_by_positions(table: Table) -> Findings:
    right = rows.position_rows(table)
    request = table.operands["batch_indices"][right].astype(np.int64)
    token = table.operands["positions"][right].astype(np.int64)
    page = table.ids[table.entries_of(request, token)]
    in_cache = table.in_cache(page)
    place = page * table.page_size + token % table.page_size
    yield from shared.shared_by_rows(table, "positions", right[in_cache], place[in_cache])


def _is_padding(table: Table) -> Array:
    """Requests whose last_page_len is not looked at."""
    padding: Array = table.begins == table.ends
    if table.is_decode and table.guarded and table.ids.size:
        last = np.where(table.has_pages, table.ends - 1, 0)
        padding = padding | (table.has_pages & (table.ids[last] < 0))
    return padding


def _of_indices(table: Table) -> Findings:
    indptr = table.operands["indptr"]
    hint = parts.swap_hint(table.ids, indptr)
    yield from parts.in_indptr(indptr, table.ids.size, hint)
    if not table.guarded:
        yield from parts.unowned(indptr, table.ids.size, hint)
    owners, begins, ends, overlapping = parts.disjoint(
        table.begins, table.ends, np.flatnonzero(table.has_pages)
    )
    yield from parts.overlaps(overlapping, table.begins, table.ends)
    if table.is_decode and not table.by_seq_lens and not table.guarded:
        yield from parts.without_pages(np.flatnonzero(table.begins == table.ends), table.begins)
    yield from _of_pages(table, owners, begins, ends)


def _of_dense_pages(table: Table) -> Findings:
    """Of the entries that tokens need."""
    needed = np.clip(-(-table.totals // table.page_size), 0, table.room // table.page_size)
    owners = np.flatnonzero(needed > 0)
    begins = table.begins[owners]
    yield from _of_pages(table, owners, begins, begins + needed[owners])


def _of_pages(table: Table, owners: Array, begins: Array, ends: Array) -> Findings:
    """Each entry that has an owner, once."""
    counts = ends - begins
    owner = np.repeat(owners, counts)
    position = np.arange(owner.size) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
    page = table.ids[position]
    in_cache = table.in_cache(page)
    is_padding = table.guarded & (page < 0)
    if table.is_decode and not table.by_seq_lens:  # which reads the last one alone
        is_padding &= position == table.ends[owner] - 1
    name = table.names_pages
    yield from pages.page_ids(
        name, np.flatnonzero(~in_cache & ~is_padding), owner, position, page, table.num_total_pages
    )
    yield from pages.repeated_and_shared(name, owner[in_cache], position[in_cache], page[in_cache])
