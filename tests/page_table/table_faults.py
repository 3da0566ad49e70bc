"""What `validate_page_table` should find, by plain loops over Python integers: its definition."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from support.devices.bits import Array

# Kind, requests, operand, position, value.
Fault = tuple[str, tuple[int, ...], str, int, int]


class _Searched:
    """A table whose numbers are Python's."""

    def __init__(
        self,
        table: dict[str, Array],
        *,
        page_size: int,
        num_total_pages: int,
        counts_new: bool,
        guarded: bool = False,
        skip_slot: int | None = None,
        num_rows: int | None = None,
    ) -> None:
        self.table = {name: part.tolist() for name, part in table.items()}
        self.size, self.pages, self.after = page_size, num_total_pages, counts_new
        self.guarded, self.skip_slot, self.num_rows = guarded, skip_slot, num_rows
        self.found: set[Fault] = set()
        self.writers: dict[tuple[int, int], list[tuple[Any, ...]]] = defaultdict(list)
        self.dense = "block_table" in table
        self.names_pages = "block_table" if self.dense else "indices"
        # A row at the end of each request's last page: the one set that has a last_page_len of 0.
        self.decode = set(table) == {"indices", "indptr", "last_page_len"}
        self.least = 0 if self.decode and not counts_new else 1

    def add(self, *fault: Any) -> None:
        self.found.add(fault)  # type: ignore[arg-type]

    # Each request's pages, as (entry, id); None where indptr is wrong.

    def part(self, b: int) -> list[tuple[int, int]] | None:
        if self.dense:
            row = self.table["block_table"][b]
            return [(b * len(row) + i, page) for i, page in enumerate(row)]
        ids, begin, end = self.table["indices"], *self.table["indptr"][b : b + 2]
        return [(i, ids[i]) for i in range(begin, end)] if 0 <= begin <= end <= len(ids) else None

    def search(self) -> set[Fault]:
        if "slot_mapping" in self.table:
            self.slots()
        else:
            lengths = self.table.get("seq_lens", self.table.get("last_page_len"))
            batch = len(self.table["indptr"]) - 1 if lengths is None else len(lengths)
            requests = [self.request(b) for b in range(batch)]
            if not self.dense:
                self.indptr(batch)
            self.owned(requests)
            if "positions" in self.table:
                self.positions(batch)
            else:
                self.lengths(batch)
        for (page, _), rows in self.writers.items():
            if len(rows) > 1:
                self.shared(page, rows)
        return self.found

    def shared(self, page: int, rows: list[tuple[Any, ...]]) -> None:
        rows.sort()
        who = tuple(sorted({row[1] for row in rows if row[1] is not None}))
        for operand in ("positions", "slot_mapping"):
            if operand in self.table:
                first = rows[0][0]
                self.add("SHARED_SLOT", who, operand, first, self.table[operand][first])
                return
        self.add("SHARED_SLOT", who, self.names_pages, rows[0][2], page)

    def slots(self) -> None:
        for i, slot in enumerate(self.table["slot_mapping"]):
            if slot < 0 or slot == self.skip_slot:
                continue
            if slot >= self.pages * self.size:
                self.add("SLOT", (), "slot_mapping", i, slot)
            else:
                self.writers[slot // self.size, slot % self.size].append((i, None))

    def new(self, b: int) -> int:
        ends = self.table.get("append_indptr")
        return 1 if ends is None else ends[b + 1] - ends[b]

    def total(self, b: int) -> int | None:
        """Tokens with the new ones; None for padding and what is no number of tokens."""
        if "seq_lens" in self.table:
            given = self.table["seq_lens"][b]
            if given < 0 or (given == 0 and self.after):
                return None
            return int(given) if self.after else int(given) + max(0, self.new(b))
        part, given = self.part(b), self.table["last_page_len"][b]
        if not part or not self.least <= given < self.least + self.size:
            return None
        return (len(part) - 1) * self.size + int(given) + 1 - self.least

    def request(self, b: int) -> list[tuple[int, int]]:
        """The entries that are looked at."""
        part = self.part(b) or []
        if self.dense:
            part = part[: max(0, -(-(self.total(b) or 0) // self.size))]
        return part

    def indptr(self, batch: int) -> None:
        ptr, total = self.table["indptr"], len(self.table["indices"])
        if ptr[0] != 0:
            self.add("INDPTR_START", (0,) if batch else (), "indptr", 0, ptr[0])
        for i in range(1, batch + 1):
            if not 0 <= ptr[i] <= total:
                self.add("INDPTR_RANGE", (i - 1, i) if i < batch else (i - 1,), "indptr", i, ptr[i])
            if ptr[i] < ptr[i - 1]:
                self.add("INDPTR_ORDER", (i - 1,), "indptr", i, ptr[i])
            if ptr[i] == ptr[i - 1] and self.decode and not self.guarded:
                self.add("NO_PAGES", (i - 1,), "indptr", i - 1, ptr[i])
        if not self.guarded and 0 <= ptr[batch] < total:
            self.add("UNOWNED_INDICES", (), "indptr", batch, ptr[batch])

    def owned(self, requests: list[list[tuple[int, int]]]) -> None:
        owner: dict[int, int] = {}
        users: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for b, part in enumerate(requests):
            if any(entry in owner for entry, _ in part):
                self.add("INDPTR_OVERLAP", (b,), "indptr", b, self.table["indptr"][b])
            for entry, page in part:
                if entry in owner:
                    continue
                owner[entry] = b
                if 0 <= page < self.pages:
                    users[page].append((b, entry))
                elif not (self.guarded and page < 0 and (entry == part[-1][0] or not self.decode)):
                    self.add("PAGE_ID", (b,), self.names_pages, entry, page)
        for page, uses in users.items():
            who = sorted({b for b, _ in uses})
            if len(who) > 1:
                self.add("SHARED_PAGE", tuple(who), self.names_pages, min(e for _, e in uses), page)
            for b in who:
                entries = sorted(e for user, e in uses if user == b)
                if len(entries) > 1:
                    self.add("REPEATED_PAGE", (b,), self.names_pages, entries[1], page)

    def write(self, row: int, b: int, token: int) -> None:
        part = self.part(b)
        assert part is not None
        entry, page = part[token // self.size]
        if 0 <= page < self.pages:
            self.writers[page, token % self.size].append((row, b, entry))

    def positions(self, batch: int) -> None:
        owners, positions = self.table["batch_indices"], self.table["positions"]
        for i, (b, token) in enumerate(zip(owners, positions, strict=True)):
            if b >= batch:
                self.add("BATCH_INDEX", (), "batch_indices", i, b)
            elif b >= 0 and (part := self.part(b)) is not None:
                if 0 <= token < len(part) * self.size:
                    self.write(i, b, token)
                else:
                    self.add("POSITION", (b,), "positions", i, token)

    def lengths(self, batch: int) -> None:
        ends = self.table.get("append_indptr")
        if ends is not None:
            if ends[0] != 0:
                self.add("APPEND_INDPTR", (0,) if batch else (), "append_indptr", 0, ends[0])
            for b in range(batch):
                if self.new(b) < 0 or (self.num_rows is not None and ends[b + 1] > self.num_rows):
                    self.add("APPEND_INDPTR", (b,), "append_indptr", b + 1, ends[b + 1])
        name = "seq_lens" if "seq_lens" in self.table else "last_page_len"
        missed, fits_other, row = [], True, 0
        for b in range(batch):
            part, length, new, total = self.part(b), self.table[name][b], self.new(b), self.total(b)
            if name == "last_page_len":
                is_padding = self.table["indptr"][b] == self.table["indptr"][b + 1] or (
                    self.decode and self.guarded and bool(part) and part[-1][1] < 0  # type: ignore[index]
                )
                if not is_padding:
                    other = 1 - self.least
                    fits_other &= self.decode and other <= length < other + self.size
                    if not self.least <= length < self.least + self.size:
                        missed.append(b)
                        self.add("LAST_PAGE_LEN", (b,), name, b, length)
            elif part is not None and new > 0:
                room = len(part) * self.size
                wrong = length < 0 or (length if self.after else length + new) > room
                if wrong:
                    self.add("LAST_PAGE_LEN", (b,), name, b, length)
                if wrong or (self.after and 0 < length < new):
                    missed.append(b)
                other = length + new if self.after else length
                fits_other &= length >= 0 and other <= room and (self.after or length >= new)
                if not wrong and total is not None and not self.dense and len(part) > -(-total // self.size):
                    self.add("SURPLUS_PAGES", (b,), "indptr", b + 1, self.table["indptr"][b + 1])
            if part is None or total is None or new <= 0:
                continue
            if total < new:
                self.add("APPEND_INDPTR", (b,), "append_indptr", b + 1, ends[b + 1])  # type: ignore[index]
            elif total <= len(part) * self.size:
                if ends is not None and (ends[b] < 0 or (self.num_rows or 2**70) < ends[b + 1]):
                    continue
                for j in range(new):
                    self.write(row, b, total - new + j)
                    row += 1
        if missed and fits_other:
            self.add("OTHER_CONVENTION", tuple(missed), name, missed[0], self.table[name][missed[0]])


def faults_of(table: dict[str, Array], **how: Any) -> set[Fault]:
    """Of any set of operands."""
    return _Searched(table, **how).search()
