"""A page table in host memory: the operands, and which pages and tokens are each request's."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..._model.enums import Addressing, LengthsKind, TableKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from ..._append.addressing import OperandSet

    Array = NDArray[Any]

# Numbers of tokens and rows are cut to this before they are added to: it is beyond every table.
_MOST = 2**61


class Table:
    """What the searches look at. Everything is as it was when the table was read.

    ``ids`` are the entries that name pages, of the operand ``names_pages``; those of request ``b`` are
    ``begins[b]`` to ``ends[b] - 1``, where ``has_part[b]``, with room for ``room[b]`` tokens.
    """

    def __init__(
        self,
        placed_by: OperandSet,
        operands: dict[str, Array],
        *,
        page_size: int,
        num_total_pages: int,
        counts_new: bool,
        guarded: bool,
        skip_slot: int | None,
        num_rows: int | None,
    ) -> None:
        self.placed_by, self.operands = placed_by, operands
        self.page_size, self.num_total_pages = page_size, num_total_pages
        self.counts_new, self.guarded = counts_new, guarded
        self.skip_slot, self.num_rows = skip_slot, num_rows
        self.is_dense = placed_by.table is TableKind.DENSE
        self.is_decode = placed_by.addressing is Addressing.LAST_PAGE
        self.is_ragged = placed_by.addressing is Addressing.RAGGED
        self.by_seq_lens = placed_by.lengths is LengthsKind.SEQ_LENS
        if placed_by.addressing is not Addressing.SLOTS:
            self._find_parts()

    def _find_parts(self) -> None:
        if self.is_dense:
            self.names_pages = "block_table"
            table = self.operands["block_table"]
            self.ids = table.reshape(-1).astype(np.int64)
            self.begins = np.arange(self.operands["seq_lens"].size, dtype=np.int64) * table.shape[1]
            self.ends = self.begins + table.shape[1]
        else:
            self.names_pages = "indices"
            self.ids = self.operands["indices"].astype(np.int64)
            indptr = self.operands["indptr"].astype(np.int64)
            self.begins, self.ends = indptr[:-1], indptr[1:]
        self.num_requests = self.begins.size
        self.has_part = (self.begins >= 0) & (self.begins <= self.ends) & (self.ends <= self.ids.size)
        pages = np.where(self.has_part, self.ends - np.where(self.has_part, self.begins, self.ends), 0)
        self.room = pages * self.page_size
        self.has_pages = self.has_part & (pages > 0)

    def in_cache(self, page: Array) -> Array:
        return (page >= 0) & (page < self.num_total_pages)

    def entries_of(self, request: Array, token: Array) -> Array:
        """Where the page of each token is listed, which the request's part has room for."""
        entries: Array = self.begins[request] + token // self.page_size
        return entries

    @cached_property
    def new(self) -> Array:
        """Rows of each request; -1 where append_indptr decreases."""
        if not self.is_ragged:
            return np.ones(self.num_requests, np.int64)
        ends = self.operands["append_indptr"].astype(np.int64)
        first, last = ends[:-1], ends[1:]
        apart = last.astype(np.uint64) - first.astype(np.uint64)  # which wraps where it is less than 0
        return np.where(last < first, -1, np.minimum(apart, _MOST).astype(np.int64))

    @cached_property
    def totals(self) -> Array:
        """Tokens of each request once the rows are appended; below 0 for padding, and where no number of
        tokens is right."""
        if self.by_seq_lens:
            given = cut(self.operands["seq_lens"])
            totals = given if self.counts_new else np.where(given < 0, -1, given + np.maximum(self.new, 0))
            return np.where((given == 0) & self.counts_new, -1, totals)
        given = cut(self.operands["last_page_len"])
        fits = self.has_pages & (given >= 1) & (given <= self.page_size)
        return np.where(fits, self.room - self.page_size + given, -1)


def cut(numbers: Array) -> Array:
    return np.clip(numbers.astype(np.int64), -_MOST, _MOST)
