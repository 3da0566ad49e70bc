"""Appends whose places are said in every way, and where their rows should go by plain loops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..devices.bits import Array
from ..views.views import CacheForm, Extents, RowForm, packed_caches, packed_rows
from . import abi
from .real_tensors import Place, Tensors

#: Tokens that each request has before the append, and that it gets. One of them gets none.
OLD = (0, 3, 4, 9, 7, 2)
NEW = (3, 0, 5, 1, 2, 1)
#: Rows behind those of the requests, as engines pad graphs.
BEHIND = 2
#: With padding: the request whose newest page is negative, and the one that says that it is not there.
NOWHERE, ABSENT = 3, 4
SLOTS = 4
PAGES = 19
SKIP = 6


@dataclass(frozen=True)
class Way:
    """One way to say places."""

    name: str
    addressing: str
    table: str = "CSR"
    lengths: str = "LAST_PAGE_LEN"
    convention: str = "BEFORE_APPEND"

    @property
    def by_request(self) -> bool:
        return self.addressing in ("LAST_PAGE", "RAGGED")

    @property
    def operands(self) -> tuple[str, ...]:
        if self.addressing == "SLOTS":
            return ("slot_mapping",)
        table = ("block_table",) if self.table == "DENSE" else ("indices", "indptr")
        if self.addressing == "POSITIONS":
            return (*table, "batch_indices", "positions")
        lengths = "seq_lens" if self.lengths == "SEQ_LENS" else "last_page_len"
        rows = ("append_indptr",) if self.addressing == "RAGGED" else ()
        return (*table, lengths, *rows)

    @property
    def counts_new(self) -> bool:
        return self.convention == "AFTER_APPEND"


def _ways() -> list[Way]:
    ways = [Way("ragged", "RAGGED", convention="AFTER_APPEND")]
    for convention in ("BEFORE_APPEND", "AFTER_APPEND"):
        said = convention.split("_")[0].lower()
        for addressing in ("LAST_PAGE", "RAGGED"):
            for table in ("CSR", "DENSE"):
                name = f"{addressing}-{table}-{said}".lower().replace("last_page", "newest")
                ways.append(Way(name, addressing, table, "SEQ_LENS", convention))
    return [*ways, Way("positions", "POSITIONS"), Way("slots", "SLOTS")]


#: Every way but a decode's by last_page_len.
WAYS = _ways()
RAGGED = [way for way in WAYS if way.addressing == "RAGGED"]
BY_SEQ_LENS = [way for way in WAYS if way.lengths == "SEQ_LENS"]
CSR = [way for way in WAYS if "indptr" in way.operands]
TABLED = [way for way in WAYS if way.addressing != "SLOTS"]


class Placed(Tensors):
    """An append whose places are said in one way. No two rows of it go to one slot."""

    def __init__(
        self,
        way: Way,
        rows: RowForm = packed_rows,
        caches: CacheForm = packed_caches,
        extents: Extents | None = None,
        *,
        behind: int = BEHIND,
        **options: Any,
    ) -> None:
        self.way = way
        self.new = (1,) * len(OLD) if way.addressing == "LAST_PAGE" else NEW
        behind = 0 if way.addressing == "LAST_PAGE" else behind
        #: Rows of key that the struct states.
        self.rows = sum(self.new) + behind
        self.skip_slot: int | None = None
        sizes = replace(extents or Extents(), rows=self.rows, pages=PAGES, slots=SLOTS)
        super().__init__(rows, caches, sizes, convention=way.convention, **options)

    def _make_table(self, types: dict[str, Any], padding: bool) -> None:
        way, rng = self.way, self.memory.rng
        free = rng.permutation(PAGES).tolist()
        totals = [old + new for old, new in zip(OLD, self.new, strict=True)]
        pages = [[free.pop() for _ in range(-(-total // SLOTS))] for total in totals]
        lengths = [
            (total if way.counts_new else old)
            if way.lengths == "SEQ_LENS"
            else total - (len(listed) - 1) * SLOTS
            for total, old, listed in zip(totals, OLD, pages, strict=True)
        ]
        owners = [b for b, new in enumerate(self.new) for _ in range(new)]
        tokens = [old + j for old, new in zip(OLD, self.new, strict=True) for j in range(new)]
        slots = [pages[b][t // SLOTS] * SLOTS + t % SLOTS for b, t in zip(owners, tokens, strict=True)]
        if way.lengths == "SEQ_LENS" or way.addressing == "POSITIONS":
            pages[0].append(free.pop())  # listed too early
        if padding:
            pages[NOWHERE][-1] = -1 - int(rng.integers(99))
            if way.lengths == "SEQ_LENS" and way.counts_new:
                lengths[ABSENT] = 0
            elif way.addressing == "RAGGED" and way.lengths == "LAST_PAGE_LEN":
                pages[ABSENT], lengths[ABSENT] = [], -77
            if not way.by_request:
                owners[5], slots[5], slots[6] = -1, -1, SKIP
            self.skip_slot = SKIP if way.addressing == "SLOTS" else None
        if not way.by_request:
            behind = self.rows - len(owners)
            owners, tokens, slots = owners + [-7] * behind, tokens + [-9] * behind, slots + [-5] * behind
        starts = np.concatenate(([0], np.cumsum([len(listed) for listed in pages])))
        all_entries: dict[str, Any] = {
            "indices": [page for listed in pages for page in listed],
            "indptr": starts,
            "seq_lens": lengths,
            "last_page_len": lengths,
            "append_indptr": np.concatenate(([0], np.cumsum(self.new))),
            "batch_indices": owners,
            "positions": tokens,
            "slot_mapping": slots,
        }
        for name in way.operands:
            kind = types.get(name, np.int32)
            if name == "block_table":
                self.views[name] = self._block_table(pages, kind)
            else:
                self.views[name] = self.memory.of(np.asarray(all_entries[name], kind))

    def _block_table(self, pages: list[list[int]], kind: Any) -> Array:
        """Rows further apart than they are long, and more of them than there are requests; what no request
        has is a page that does not exist.
        """
        most = max(len(listed) for listed in pages)
        held = self.memory.of(np.full((len(pages) + 2, most + 3), 99, kind))
        for b, listed in enumerate(pages):
            held[b, : len(listed)] = listed
        return held[:, :most]

    def entries(self, name: str) -> list[Any]:
        entries: list[Any] = self.views[name].tolist()
        return entries

    @property
    def num_requests(self) -> int:
        return len(OLD)

    def pages_of(self, request: int) -> list[int] | None:
        """None: what should say them is corrupt."""
        if self.way.table == "DENSE":
            row: list[int] = self.entries("block_table")[request]
            return row
        indices, indptr = self.entries("indices"), self.entries("indptr")
        begin, end = indptr[request], indptr[request + 1]
        return indices[begin:end] if 0 <= begin <= end <= len(indices) else None

    def _token(self, request: int, position: int) -> tuple[int, int] | None:
        pages = self.pages_of(request)
        if pages is None or not 0 <= position < len(pages) * SLOTS:
            return None
        page = pages[position // SLOTS]
        return (page, position % SLOTS) if 0 <= page < PAGES else None

    def _newest(self, request: int, count: int) -> list[tuple[int, int] | None]:
        """Where the request's `count` newest tokens are, in order."""
        nowhere: list[tuple[int, int] | None] = [None] * count
        if self.way.lengths == "SEQ_LENS":
            length = self.entries("seq_lens")[request]
            if length < 0 or (length == 0 and self.way.counts_new):
                return nowhere
            first = length - count if self.way.counts_new else length
        else:
            pages, length = self.pages_of(request), self.entries("last_page_len")[request]
            if not pages or not 1 <= length <= SLOTS:
                return nowhere
            first = (len(pages) - 1) * SLOTS + length - count
        return [self._token(request, first + j) for j in range(count)]

    def places(self) -> list[tuple[int, int] | None]:
        """Page and slot of each row, by what the operands say now. Where append_indptr is out of order, those
        of the requests whose rows are in order.
        """
        way = self.way
        if way.addressing == "SLOTS":
            slots = self.entries("slot_mapping")
            return [
                divmod(s, SLOTS) if 0 <= s < PAGES * SLOTS and s != self.skip_slot else None for s in slots
            ]
        if way.addressing == "POSITIONS":
            pairs = zip(self.entries("batch_indices"), self.entries("positions"), strict=True)
            return [self._token(b, t) if 0 <= b < self.num_requests else None for b, t in pairs]
        if way.addressing == "LAST_PAGE":
            return [place for b in range(self.num_requests) for place in self._newest(b, 1)]
        placed: list[tuple[int, int] | None] = [None] * self.rows
        bounds = self.entries("append_indptr")
        for b in range(self.num_requests):
            first, end = bounds[b], bounds[b + 1]
            if not 0 <= first <= end <= self.rows or (b == 0 and first != 0):
                continue
            placed[first:end] = self._newest(b, end - first)
        return placed

    def expected(self) -> list[Array]:
        return self.expected_at(self.places())

    def expected_at(self, places: list[tuple[int, int] | None]) -> list[Array]:
        """The blocks after an append to these places."""
        blocks = [block.copy() for block in self.memory.blocks]
        views = {name: self.memory.same_in(blocks, view) for name, view in self.views.items()}
        for row, place in enumerate(places):
            if place is None:
                continue
            page, slot = place
            for rows, cache in (("key", "k_data"), ("value", "v_data")):
                if rows not in views:
                    continue
                if self.layout == "HND" and not self.headless:
                    views[cache][page, :, slot] = views[rows][row]
                else:
                    views[cache][page, slot] = views[rows][row]
        return blocks

    def state_counts(self, op: abi.Append) -> None:
        op.num_rows = 0 if self.way.addressing == "LAST_PAGE" else self.rows
        op.batch_size = 0 if self.way.addressing == "SLOTS" else self.num_requests
        if "indices" in self.views:
            op.total_used_pages = self.views["indices"].size
        if "block_table" in self.views:
            table = self.views["block_table"]
            op.max_pages = table.shape[1]
            op.block_table_stride = table.strides[0] // table.itemsize

    def asked(self, place: Place) -> abi.Append:
        op = super().asked(place)
        op.addressing = abi.ADDRESSINGS[self.way.addressing]
        op.table = int(self.way.table == "DENSE")
        op.lengths = int(self.way.lengths == "SEQ_LENS")
        if self.skip_slot is not None:
            op.flags |= abi.SKIP_SLOT
            op.skip_slot = self.skip_slot
        return op
