"""How long requests are: by last_page_len, and by seq_lens."""

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


def in_last_pages(table: Table, lengths: Array, is_padding: Array) -> Findings:
    """Of last_page_len. ``is_padding`` says whose is not looked at."""
    size, bias = table.page_size, int(table.counts_new)
    numbers = cut(lengths)
    wrong = ~_in_page(numbers, bias, size) & ~is_padding
    says = f"; it should be {bias} to {size - 1 + bias}"
    for b in np.flatnonzero(wrong):
        yield finding(PageTableFault.LAST_PAGE_LEN, (int(b),), "last_page_len", b, lengths[b], says)
    if table.is_decode and wrong.any() and (_in_page(numbers, 1 - bias, size) | is_padding).all():
        yield _other(table, wrong, "last_page_len", lengths)


def _in_page(numbers: Array, bias: int, page_size: int) -> Array:
    fits: Array = (numbers >= bias) & (numbers < bias + page_size)
    return fits


def in_pages(table: Table) -> Findings:
    """Of seq_lens: those that the pages have no room for, and pages that they have no use for."""
    lengths = table.operands["seq_lens"]
    numbers, new, room = cut(lengths), table.new, table.room
    judged = table.has_part & (new > 0) if table.is_ragged else table.has_part
    totals = numbers if table.counts_new else numbers + new
    wrong = judged & ((numbers < 0) | (totals > room))
    for b in np.flatnonzero(wrong):
        most = room[b] - (0 if table.counts_new else new[b])
        says = f"; it should be at least 0 and at most {most}, for which its pages have room"
        if most < 0:
            says = f"; its pages have room for {room[b]} tokens, and {new[b]} are new: list more pages"
        yield finding(PageTableFault.LAST_PAGE_LEN, (int(b),), "seq_lens", b, lengths[b], says)
    too_short = judged & table.counts_new & (numbers > 0) & (numbers < new)  # told of append_indptr
    after = numbers + new if table.counts_new else numbers
    fits_other = (numbers >= 0) & (after <= room) & (table.counts_new | (numbers >= new))
    missed = wrong | too_short
    if missed.any() and (fits_other | ~judged).all():
        yield _other(table, missed, "seq_lens", lengths)
    if not table.is_dense:
        yield from _surplus(table, totals, judged & ~wrong & ((numbers > 0) | (not table.counts_new)))


def _surplus(table: Table, totals: Array, served: Array) -> Findings:
    needed = -(-totals // table.page_size)
    for b in np.flatnonzero(served & (table.room // table.page_size > needed)):
        says = f": request {b} has {table.room[b] // table.page_size} pages, and tokens for {needed[b]}"
        end = table.operands["indptr"][b + 1]
        yield finding(PageTableFault.SURPLUS_PAGES, (int(b),), "indptr", b + 1, end, says)


def _other(table: Table, missed: Array, operand: str, lengths: Array) -> PageTableFinding:
    who = np.flatnonzero(missed)
    stated, other = ("AFTER", "BEFORE") if table.counts_new else ("BEFORE", "AFTER")
    says = f": with {other}_APPEND all lengths fit, with {stated}_APPEND {len(who)} do not"
    requests = tuple([int(b) for b in who])
    return finding(PageTableFault.OTHER_CONVENTION, requests, operand, who[0], lengths[who[0]], says)
