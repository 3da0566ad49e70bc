"""Where each row of an append goes, by plain loops over Python's integers, which have no width."""

from __future__ import annotations

from .._model.seen_values import Corruption, SeenValues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Array = NDArray[Any]
    # Page and slot, what is wrong, or None for padding.
    Found: TypeAlias = "tuple[int, int] | Wrong | None"


class Wrong(Exception):
    """Why a row is corrupt: raised on the way to its place."""

    def __init__(
        self,
        reason: Corruption,
        operand: str,
        seen: int,
        limit: int,
        *,
        page: int | None = None,
    ) -> None:
        super().__init__(reason, operand, seen, limit)
        self._reason = reason
        self._what = {"operand": operand, "seen": seen, "limit": limit, "page": page}
        self.row = -1
        self.request: int | None = None

    def of(self, row: int, request: int | None) -> Wrong:
        self.row, self.request = row, request
        return self.with_traceback(None)

    @property
    def corrupt(self) -> tuple[int | None, Corruption, SeenValues]:
        return self.request, self._reason, SeenValues(row=self.row, **self._what)  # type: ignore[arg-type]


class _Padding(Exception):
    pass


class _Table:
    """The operands as lists, and the ways to a place through them."""

    def __init__(
        self,
        indices: Array | None,
        indptr: Array | None,
        last_page_len: Array | None,
        append_indptr: Array | None,
        batch_indices: Array | None,
        positions: Array | None,
        slot_mapping: Array | None,
        block_table: Array | None,
        seq_lens: Array | None,
        *,
        num_rows: int,
        num_total_pages: int,
        page_size: int,
        counts_new: bool,
        skip_slot: int | None,
    ) -> None:
        self.indices, self.indptr = _listed(indices), _listed(indptr)
        self.last_page_len, self.seq_lens = _listed(last_page_len), _listed(seq_lens)
        self.append_indptr, self.block_table = _listed(append_indptr), _listed(block_table)
        self.batch_indices, self.positions = _listed(batch_indices), _listed(positions)
        self.slot_mapping = _listed(slot_mapping)
        self.key_rows, self.num_total_pages, self.page_size = num_rows, num_total_pages, page_size
        self.counts_new, self.skip_slot = counts_new, skip_slot
        lengths = self.seq_lens if last_page_len is None else self.last_page_len
        self.num_requests = len(self.indptr) - 1 if positions is not None else len(lengths)
        self.is_dense = block_table is not None
        self.by_last_page_len = last_page_len is not None

    # Every way ends in one of these two.

    def page_of(self, operand: str, page: int, slot: int) -> tuple[int, int]:
        if page < 0:
            raise _Padding
        if page >= self.num_total_pages:
            raise Wrong(Corruption.PAGE, operand, page, self.num_total_pages, page=page)
        return page, slot

    def token(self, pages: list[int], position: int) -> tuple[int, int]:
        """A token of a request with these pages."""
        operand = "block_table" if self.is_dense else "indices"
        return self.page_of(operand, pages[position // self.page_size], position % self.page_size)

    # What a request has.

    def pages(self, request: int) -> list[int]:
        if self.is_dense:
            row: list[int] = self.block_table[request]
            return row
        begin, end = self.indptr[request], self.indptr[request + 1]
        if begin < 0:
            raise Wrong(Corruption.INDPTR, "indptr", begin, 0)
        if end < begin:
            raise Wrong(Corruption.INDPTR, "indptr", end, begin)
        if end > len(self.indices):
            raise Wrong(Corruption.INDPTR, "indptr", end, len(self.indices) + 1)
        part: list[int] = self.indices[begin:end]
        return part

    def tokens(self, request: int, pages: list[int]) -> int:
        if not self.by_last_page_len:
            length: int = self.seq_lens[request]
            if length == 0 and self.counts_new:
                raise _Padding
            if length < 0:
                raise Wrong(Corruption.LAST_PAGE_LEN, "seq_lens", length, 0)
            return length
        if not pages:
            raise _Padding
        length = self.last_page_len[request]
        if length < 1:
            raise Wrong(Corruption.LAST_PAGE_LEN, "last_page_len", length, 1)
        if length > self.page_size:
            raise Wrong(Corruption.LAST_PAGE_LEN, "last_page_len", length, self.page_size + 1)
        return (len(pages) - 1) * self.page_size + length

    # The ways.

    def at_the_end_of_the_last_page(self, request: int) -> tuple[int, int]:
        """LAST_PAGE by last_page_len."""
        if self.indptr[request] == self.indptr[request + 1]:
            raise _Padding
        page = self.page_of("indices", self.pages(request)[-1], 0)[0]
        length, first = self.last_page_len[request], int(self.counts_new)
        if length < first:
            raise Wrong(Corruption.LAST_PAGE_LEN, "last_page_len", length, first, page=page)
        if length >= first + self.page_size:
            limit = first + self.page_size
            raise Wrong(Corruption.LAST_PAGE_LEN, "last_page_len", length, limit, page=page)
        return page, length - first

    def newest(self, request: int) -> tuple[int, int]:
        """LAST_PAGE by seq_lens."""
        pages = self.pages(request)
        total = self.tokens(request, pages)
        room = len(pages) * self.page_size
        if total - self.counts_new >= room:
            raise Wrong(Corruption.LAST_PAGE_LEN, "seq_lens", total, room + self.counts_new)
        return self.token(pages, total - self.counts_new)

    def appended(self, row: int, request: int) -> tuple[int, int]:
        """RAGGED: a row of the request."""
        first, end = self.append_indptr[request], self.append_indptr[request + 1]
        reason, operand = Corruption.APPEND_INDPTR, "append_indptr"
        if row >= end and request == self.num_requests - 1:
            if end < first:
                raise Wrong(reason, operand, end, first)
            raise _Padding
        if first < 0:
            raise Wrong(reason, operand, first, 0)
        if request == 0 and first != 0:
            raise Wrong(reason, operand, first, 1)
        if row < first:
            raise Wrong(reason, operand, first, row + 1)
        if end > self.key_rows:
            raise Wrong(reason, operand, end, self.key_rows + 1)
        if row >= end:
            raise Wrong(reason, operand, end, row + 1)
        pages = self.pages(request)
        total = self.tokens(request, pages)
        position = total - (end - row) if self.counts_new else total + (row - first)
        if position < 0:
            raise Wrong(reason, operand, end, first + total + 1)
        room = len(pages) * self.page_size
        if position >= room:
            raise Wrong(Corruption.LAST_PAGE_LEN, "seq_lens", total, room + (total - position))
        return self.token(pages, position)

    def at_position(self, row: int, request: int) -> tuple[int, int]:
        """POSITIONS: a row of the request."""
        pages = self.pages(request)
        position, room = self.positions[row], len(pages) * self.page_size
        if position < 0:
            raise Wrong(Corruption.POSITION, "positions", position, 0)
        if position >= room:
            raise Wrong(Corruption.POSITION, "positions", position, room)
        return self.token(pages, position)

    def at_slot(self, row: int) -> tuple[int, int]:
        """SLOTS."""
        slot = self.slot_mapping[row]
        if slot < 0 or slot == self.skip_slot:
            raise _Padding
        if slot >= self.num_total_pages * self.page_size:
            raise Wrong(Corruption.SLOT, "slot_mapping", slot, self.num_total_pages * self.page_size)
        return slot // self.page_size, slot % self.page_size

    def request_of(self, row: int) -> int:
        """POSITIONS."""
        request: int = self.batch_indices[row]
        if request < 0:
            raise _Padding
        if request >= self.num_requests:
            raise Wrong(Corruption.BATCH_INDEX, "batch_indices", request, self.num_requests)
        return request

    def requests_of_rows(self) -> list[int]:
        """RAGGED: of each row the first request whose rows end behind it, else the last one."""
        found = []
        request = 0
        for row in range(self.key_rows if self.num_requests else 0):
            while request < self.num_requests - 1 and self.append_indptr[request + 1] <= row:
                request += 1
            found.append(request)
        return found


def places_of(*operands: Array | None, **extents: Any) -> list[Found]:
    """Each row's page and slot, None for padding, or what is wrong; behind them, where append_indptr says
    more rows than there are, that.

    ``operands`` are one of the sets of ``_append.addressing.SETS``, in the order of the header; ``extents``
    those of ``_Table``.
    """
    table = _Table(*operands, **extents)
    _, _, _, append_indptr, _, positions, slot_mapping, _, _ = operands
    if append_indptr is not None:
        owners = table.requests_of_rows()
        found = [_judged(row, request, table.appended, row, request) for row, request in enumerate(owners)]
        end = table.append_indptr[-1]
        if found and end > table.key_rows:
            lost = Wrong(Corruption.APPEND_INDPTR, "append_indptr", end, table.key_rows + 1)
            found.append(lost.of(table.key_rows, table.num_requests - 1))
        return found
    if positions is not None:
        found = []
        for row in range(len(table.positions)):
            request = _judged(row, None, table.request_of, row)
            if type(request) is int:
                found.append(_judged(row, request, table.at_position, row, request))
            else:
                found.append(request)
        return found
    if slot_mapping is not None:
        return [_judged(row, None, table.at_slot, row) for row in range(len(table.slot_mapping))]
    way = table.at_the_end_of_the_last_page if table.by_last_page_len else table.newest
    return [_judged(row, row, way, row) for row in range(table.num_requests)]


def _judged(row: int, request: int | None, way: Callable[..., Any], *arguments: int) -> Any:
    """What the way leads to."""
    try:
        return way(*arguments)
    except _Padding:
        return None
    except Wrong as wrong:
        return wrong.of(row, request)


def _listed(array: Array | None) -> list[Any]:
    return [] if array is None else array.tolist()
