"""What a guarded append saw of a row that it did not serve."""

from __future__ import annotations

from .frozen import Frozen


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
