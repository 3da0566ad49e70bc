"""Where rows go by operands that have an entry for each of them, or say how many there are."""

from __future__ import annotations

import numpy as np

from .finding import PageTableFault, finding
from .table import cut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from .finding import PageTableFinding
    from .table import Table

    Array = NDArray[Any]
    Findings = Iterator[PageTableFinding]


def in_append_indptr(table: Table) -> Findings:
    """Each entry is told of once."""
    ends = table.operands["append_indptr"]
    batch, kind, name = ends.size - 1, PageTableFault.APPEND_INDPTR, "append_indptr"
    if ends[0] != 0:
        yield finding(kind, (0,)[:batch], name, 0, ends[0], "; it should be 0")
    decreases = ends[1:] < ends[:-1]
    for b in np.flatnonzero(decreases):
        says = f", below append_indptr[{b}], which is {ends[b]}"
        yield finding(kind, (int(b),), name, b + 1, ends[b + 1], says)
    beyond = np.zeros(batch, np.bool_)
    if table.num_rows is not None:
        beyond = (ends[1:] > table.num_rows) & ~decreases
    for b in np.flatnonzero(beyond):
        says = f"; it should be at most num_rows, {table.num_rows}"
        yield finding(kind, (int(b),), name, b + 1, ends[b + 1], says)
    new, totals = table.new, table.totals
    too_many = (new > 0) & (totals >= 0) & table.has_part & (totals < new)
    for b in np.flatnonzero(too_many & ~beyond):
        says = f": request {b} has {new[b]} rows and {totals[b]} tokens with them"
        yield finding(kind, (int(b),), name, b + 1, ends[b + 1], says)


def ragged_tokens(table: Table) -> tuple[Array, Array]:
    """Request and token of each row that is right."""
    new, totals = table.new, table.totals
    ends = table.operands["append_indptr"]
    right = table.has_part & (new > 0) & (totals >= new) & (totals <= table.room) & (ends[:-1] >= 0)
    if table.num_rows is not None:
        right &= ends[1:] <= table.num_rows
    right &= new <= table.room  # and so few enough to be listed
    counts = np.where(right, new, 0)
    request = np.repeat(np.arange(new.size), counts)
    first = np.cumsum(counts) - counts
    token = totals[request] - counts[request] + np.arange(request.size) - first[request]
    return request, token


def in_positions(table: Table) -> Findings:
    owners, positions = table.operands["batch_indices"], table.operands["positions"]
    batch = table.num_requests
    for i in np.flatnonzero(owners >= batch):
        says = f"; it should be below the number of requests, {batch}"
        yield finding(PageTableFault.BATCH_INDEX, (), "batch_indices", i, owners[i], says)
    for i in np.flatnonzero(_has_request(table) & ~_is_token(table)):
        b = int(owners[i])
        if table.has_part[b]:
            says = f", of request {b}; it should be 0 to {table.room[b] - 1}, its pages' tokens"
            yield finding(PageTableFault.POSITION, (b,), "positions", i, positions[i], says)


def _has_request(table: Table) -> Array:
    owners = table.operands["batch_indices"]
    found: Array = (owners >= 0) & (owners < table.num_requests)
    return found


def _is_token(table: Table) -> Array:
    if table.num_requests == 0:
        return np.zeros(table.operands["positions"].size, np.bool_)
    owner = np.where(_has_request(table), table.operands["batch_indices"], 0)
    positions = cut(table.operands["positions"])
    return (positions >= 0) & (positions < table.room[owner])


def position_rows(table: Table) -> Array:
    """The rows that are right."""
    return np.flatnonzero(_has_request(table) & _is_token(table))


def in_slots(table: Table) -> Findings:
    slots, limit = table.operands["slot_mapping"], table.num_total_pages * table.page_size
    for i in np.flatnonzero(slots >= limit):
        if int(slots[i]) == table.skip_slot:
            continue
        says = f"; it should be below {limit}, the slots of the cache"
        yield finding(PageTableFault.SLOT, (), "slot_mapping", i, slots[i], says)


def slot_rows(table: Table) -> Array:
    """The rows that are right."""
    slots = table.operands["slot_mapping"]
    served = (slots >= 0) & (slots < table.num_total_pages * table.page_size)
    if table.skip_slot is not None:
        served &= slots != table.skip_slot
    return np.flatnonzero(served)
