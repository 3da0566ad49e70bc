"""What each request of a batch has, from step to step, and the arrays that follow from it."""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from .arena import Arena
    from .batch import Request

    Array = NDArray[Any]


class Requests:
    """The host's arrays, after each step. ``batch`` requests and ``rows`` new tokens are there; entries
    behind them are padding. The rows of block_table are what the pages of indices are taken from.
    """

    __slots__ = ("_arena", "_counts", "_page_size", "batch", "copies", "entries", "rows")

    def __init__(self, arena: Arena, page_size: int) -> None:
        self._arena, self._page_size = arena, page_size
        self._counts = np.zeros(len(arena.arrays["seq_lens"]), np.int64)  # of pages
        self.batch = self.rows = self.entries = self.copies = 0

    def step(self, batch: list[Request], copies: list[tuple[int, int]]) -> Array:
        """The arrays of the next step. Returns which words of the arena are others now, in order."""
        arrays, arena = self._arena.arrays, self._arena
        lengths_of = arena.words[: arena.num_lengths]
        before = lengths_of.copy()
        size, most = self._page_size, len(self._counts)
        lengths, new = np.zeros(most, np.int64), np.zeros(most, np.int64)
        if batch:
            lengths[: len(batch)] = [request[2] for request in batch]
            new[: len(batch)] = [request[3] for request in batch]
        counts = -(-lengths // size)
        cells, first = self._list_pages(batch, counts)
        arrays["indptr"][1:] = np.cumsum(counts)
        arrays["append_indptr"][1:] = np.cumsum(new)
        old = lengths - new
        arrays["seq_lens"][:], arrays["seq_lens before"][:] = lengths, old
        arrays["last_page_len"][:] = lengths - np.maximum(counts - 1, 0) * size
        # The page of the first new token is listed by now.
        arrays["last_page_len before"][:] = arrays["last_page_len"] - new
        for i, name in enumerate(("source", "destination")):
            arrays[name][:] = -1
            arrays[name][: len(copies)] = [copy[i] for copy in copies]
        self.batch, self.copies = len(batch), len(copies)
        placed = self._place_rows(old, new)
        moved = self._list_indices(first)
        return np.concatenate((np.flatnonzero(lengths_of != before), *placed, moved, cells))

    def _list_pages(self, batch: list[Request], counts: Array) -> tuple[Array, int]:
        """Which words of block_table are others now, and the first request whose part of indices is."""
        table = self._arena.arrays["block_table"]
        base, width = self._arena.word_of("block_table"), table.shape[1]
        changed: list[int] = []
        different = np.flatnonzero(counts != self._counts)
        first = int(different[0]) if different.size else len(counts)
        for row, (pages, begin, _, _) in enumerate(batch):
            known = table[row, begin : begin + len(pages)].tolist()
            if known == pages:
                continue
            at = [i for i, (old, page) in enumerate(zip(known, pages, strict=True)) if old != page]
            table[row, begin : begin + len(pages)] = pages
            changed += [base + row * width + begin + i for i in at]
            first = min(first, row)
        self._counts = counts
        return np.array(changed, np.int64), first

    def _list_indices(self, first: int) -> Array:
        """The parts of all requests from this one on, and zeros behind: what is left there of requests
        that are gone would pass for pages of somebody's. Which words are others now."""
        indptr, indices = self._arena.arrays["indptr"], self._arena.arrays["indices"]
        table, counts = self._arena.arrays["block_table"], self._counts
        before, self.entries = self.entries, int(indptr[-1])
        first = min(first, self.batch)
        begin = int(indptr[first])
        parts = [table[row, : counts[row]] for row in range(first, self.batch)]
        listed = np.concatenate([*parts, np.zeros(max(before - self.entries, 0), np.int32)])
        known = indices[begin : begin + listed.size]
        others: Array = np.flatnonzero(known != listed)
        known[:] = listed
        return others + (self._arena.word_of("indices") + begin)

    def _place_rows(self, old: Array, new: Array) -> list[Array]:
        """Which words of the arrays with an entry a row are others now."""
        before = self.rows
        self.rows = rows = int(new.sum())
        request = np.repeat(np.arange(new.size), new)
        position = np.arange(rows) - np.repeat(np.cumsum(new) - new, new) + old[request]
        changed = []
        for name, values, padding in (
            ("batch_indices", request, -1),
            ("positions", position, 0),
            ("slot_mapping", self.slots_of(request, position), -1),
        ):
            array = self._arena.arrays[name][: max(before, rows)]
            known = array.copy()
            array[:rows], array[rows:] = values, padding
            first = self._arena.word_of(name)
            changed.append(np.flatnonzero(known.view(np.int32) != array.view(np.int32)) + first)
        return changed

    def slots_of(self, request: Array, position: Array) -> Array:
        """page * page_size + slot of tokens of requests."""
        size = self._page_size
        page = self._arena.arrays["block_table"][request, position // size].astype(np.int64)
        slots: Array = page * size + position % size
        return slots
