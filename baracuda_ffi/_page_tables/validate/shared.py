"""Slots that more than one row is written to."""

from __future__ import annotations

import numpy as np

from .finding import PageTableFault, finding, several
from .groups import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from .finding import PageTableFinding
    from .table import Table

    Array = NDArray[Any]
    Findings = Iterator[PageTableFinding]


def shared_by_requests(table: Table, request: Array, entry: Array, slot: Array) -> Findings:
    """Of rows that go to a slot of the page that an entry of the table names."""
    page = table.ids[entry]
    served = np.flatnonzero(table.in_cache(page))
    request, entry, page, slot = request[served], entry[served], page[served], slot[served]
    for same in groups(page * table.page_size + slot):
        who = tuple(np.unique(request[same]).tolist())
        first = same.min()
        says = f": slot {slot[first]} of that page is written by {len(who)} requests: {several(who)}"
        if len(who) == 1:
            says = f": slot {slot[first]} of that page is written by {len(same)} rows of request {who[0]}"
        yield finding(PageTableFault.SHARED_SLOT, who, table.names_pages, entry[first], page[first], says)


def shared_by_rows(table: Table, operand: str, row: Array, place: Array) -> Findings:
    """Of rows that an entry each of ``operand`` sends to a place: page * page_size + slot."""
    owners = table.operands.get("batch_indices")
    for same in groups(place):
        rows = np.sort(row[same])
        who = () if owners is None else tuple(np.unique(owners[rows]).tolist())
        page, slot = divmod(int(place[same[0]]), table.page_size)
        says = f": slot {slot} of page {page} is written by {len(rows)} rows: {several(tuple(rows.tolist()))}"
        value = table.operands[operand][rows[0]]
        yield finding(PageTableFault.SHARED_SLOT, who, operand, rows[0], value, says)
