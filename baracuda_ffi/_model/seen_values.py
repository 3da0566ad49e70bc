"""Why a guarded append did not serve a row, and what it saw of it."""

from __future__ import annotations

from enum import IntEnum

from .frozen import Frozen


class Corruption(IntEnum):
    """Why a guarded append did not serve a row, or a guarded copy of pages was not made."""

    INDPTR = 1
    """Its two entries of indptr are negative, decreasing, or beyond ``total_used_pages``."""
    PAGE = 2
    """The id of its last page is ``num_total_pages`` or more."""
    LAST_PAGE_LEN = 3
    """Its length is outside the range of the length convention."""
    BATCH_INDEX = 4
    """Its row's batch index is ``batch_size`` or more."""
    POSITION = 5
    """Its row's position is negative, or beyond the pages of its request."""
    SLOT = 6
    """Its row's slot is beyond the last page."""
    APPEND_INDPTR = 7
    """Its entries of append_indptr are not from 0, decreasing, beyond the rows, or say more rows than
    tokens."""
    SOURCE = 8
    """The page that it copies is ``num_total_pages`` or more."""
    DESTINATION = 9
    """The page that it copies to is ``num_total_pages`` or more."""


class SeenValues(Frozen):
    """What was wrong with a row when the append ran.

    Parameters
    ----------
    operand : str
        The operand that is wrong, such as ``"indptr"``.
    row : int
        The row of key that was not written, or which of the pages of a call was not copied.
    seen : int
        The value that is wrong.
    limit : int
        What it was held against: it should be at least this where it is smaller, else below it.
    page : int or None
        The id of the row's page, None where none was read.
    """

    _fields = ("operand", "row", "seen", "limit", "page")
    __slots__ = _fields

    operand: str
    row: int
    seen: int
    limit: int
    page: int | None

    def __init__(self, *, operand: str, row: int, seen: int, limit: int, page: int | None) -> None:
        self._set(operand, row, seen, limit, page)
