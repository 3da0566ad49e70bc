"""What a guarded append saw of a request that it did not serve."""

from __future__ import annotations

from .frozen import Record


class SeenValues(Record):
    """``indptr[b]``, ``indptr[b + 1]``, the id of the last page (None where indptr was corrupt, and no id was
    read) and ``last_page_len[b]`` of a corrupt request ``b``, as they were when the append ran."""

    _fields = ("indptr_begin", "indptr_end", "page", "last_page_len")
    __slots__ = _fields

    indptr_begin: int
    indptr_end: int
    page: int | None
    last_page_len: int

    def __init__(self, *, indptr_begin: int, indptr_end: int, page: int | None, last_page_len: int) -> None:
        self._set(indptr_begin, indptr_end, page, last_page_len)
