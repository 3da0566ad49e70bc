"""What is told of a page table."""

from __future__ import annotations

from enum import IntEnum

from ..._model.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PageTableFault(IntEnum):
    """What ``validate_page_table`` finds. The part of request ``b`` is ``indices[indptr[b]:indptr[b+1]]``, or
    those entries of ``block_table[b]`` that its tokens need."""

    INDPTR_START = 1
    """``indptr[0]`` is not 0."""
    INDPTR_RANGE = 2
    """A later entry of indptr is negative, or beyond the end of indices."""
    INDPTR_ORDER = 3
    """``indptr[b + 1]`` is below ``indptr[b]``."""
    INDPTR_OVERLAP = 4
    """A part shares entries of indices with the part of an earlier request."""
    NO_PAGES = 5
    """A part is empty, in a table with last_page_len. Not looked for in a guarded table, where it is
    padding."""
    PAGE_ID = 6
    """An entry of a part is no page of the cache. In a guarded table a negative last entry is padding."""
    REPEATED_PAGE = 7
    """A part names a page twice."""
    SHARED_PAGE = 8
    """Two or more requests name a page. Right for pages that are only read, such as a common prefix."""
    LAST_PAGE_LEN = 9
    """A length is outside the range of the length convention, or its tokens are beyond the request's
    pages."""
    SHARED_SLOT = 10
    """Two or more rows would be written to one slot: all but one of them are lost."""
    UNOWNED_INDICES = 11
    """``indptr[-1]`` is below the number of entries of indices. Not looked for in a guarded table, where
    indices may be as long as a graph's largest."""
    SURPLUS_PAGES = 12
    """A part has more pages than its request's tokens, by seq_lens, need. An append leaves them alone; by
    last_page_len it would write there."""
    OTHER_CONVENTION = 13
    """The lengths fit the other length convention, all of them, and not the one that was stated."""
    APPEND_INDPTR = 14
    """``append_indptr[0]`` is not 0, a later entry is below the one before or beyond ``num_rows``, or a
    request has more rows than tokens."""
    BATCH_INDEX = 15
    """An entry of batch_indices is the number of requests or more."""
    POSITION = 16
    """An entry of positions is negative, or beyond the pages of its request."""
    SLOT = 17
    """An entry of slot_mapping is beyond the last page."""


class PageTableFinding(Frozen):
    """One fault of a page table.

    Parameters
    ----------
    kind : PageTableFault
        Which fault.
    requests : tuple of int
        Those concerned, in order; none where slot_mapping knows none.
    operand : str
        Whose entry shows it, such as ``"indices"``.
    position : int
        Which entry; of block_table with its rows laid end to end.
    value : int
        What that entry is.
    message : str
        The whole in words.
    """

    _fields = ("kind", "requests", "operand", "position", "value", "message")
    __slots__ = _fields

    kind: PageTableFault
    requests: tuple[int, ...]
    operand: str
    position: int
    value: int
    message: str

    def __init__(
        self,
        *,
        kind: PageTableFault,
        requests: tuple[int, ...],
        operand: str,
        position: int,
        value: int,
        message: str,
    ) -> None:
        self._set(kind, requests, operand, position, value, message)


def finding(
    kind: PageTableFault, requests: tuple[int, ...], operand: str, position: Any, value: Any, says: str
) -> PageTableFinding:
    return PageTableFinding(
        kind=kind,
        requests=requests,
        operand=operand,
        position=int(position),
        value=int(value),
        message=f"{operand}[{position}] is {value}{says}",
    )


def several(requests: tuple[int, ...]) -> str:
    shown = ", ".join([str(b) for b in requests[:8]])
    return shown if len(requests) <= 8 else f"{shown} and {len(requests) - 8} more"
