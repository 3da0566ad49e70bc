"""Random operands that say places, of a few requests: right, padded, or damaged; by every set of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

import baracuda_ffi as bf
from baracuda_ffi._append.addressing import PLACE_NAMES, SETS, OperandSet
from baracuda_ffi._reference import places

from ..devices.bits import Array

TABLE = ("indices", "indptr", "last_page_len")
STATES = ("right", "padded", "damaged")

#: The sets by the names of their operands.
WAYS: dict[str, OperandSet] = {"+".join(row.names): row for row in SETS}
DECODE = "indices+indptr+last_page_len"

#: What each operand says, by which its width is chosen.
ROLE = {
    "indices": "pages",
    "block_table": "pages",
    "indptr": "indptr",
    "last_page_len": "lengths",
    "seq_lens": "lengths",
    "append_indptr": "owners",
    "batch_indices": "owners",
    "positions": "targets",
    "slot_mapping": "targets",
}
ROLES = tuple(dict.fromkeys(ROLE.values()))

AFTER = bf.LengthConvention.AFTER_APPEND


@dataclass(frozen=True)
class Extent:
    """What is drawn is of: rows and requests, and where they go."""

    way: str
    requests: int
    rows: int
    page_size: int
    convention: bf.LengthConvention
    pages: int | None = None  # in the cache; None: as many as it takes and one or two more
    key_rows: int | None = None  # None: as many as there are rows
    skip_slot: int | None = None

    @property
    def placed_by(self) -> OperandSet:
        return WAYS[self.way]

    @property
    def is_ragged(self) -> bool:
        return self.placed_by.addressing is bf.Addressing.RAGGED

    @property
    def counts_new(self) -> bool:
        """RAGGED by last_page_len has no other convention."""
        return self.convention is AFTER or (self.is_ragged and "last_page_len" in self.placed_by.names)


def convention_for(way: str, convention: str) -> str:
    """The one that the way has, if it has one alone."""
    ragged = WAYS[way].addressing is bf.Addressing.RAGGED
    return "AFTER_APPEND" if ragged and "last_page_len" in WAYS[way].names else convention


def rows_for(way: str, requests: int) -> int:
    """Of a way that has more rows than requests, some more."""
    return requests if WAYS[way].addressing is bf.Addressing.LAST_PAGE else requests + 2


def right_table(
    rng: np.random.Generator, extent: Extent, *, wide: tuple[str, ...] = ()
) -> tuple[int, dict[str, Array]]:
    """Pages in the cache, and the operands; `wide` names the roles that are int64."""
    pages, table = _right_table(rng, extent, padded=False)
    return pages, _typed(table, wide)


def _typed(table: dict[str, Any], wide: tuple[str, ...]) -> dict[str, Array]:
    return {
        name: np.asarray(part).astype(np.int64 if ROLE[name] in wide else np.int32)
        for name, part in table.items()
    }


def random_table(
    rng: np.random.Generator, extent: Extent, *, state: str, wide: tuple[str, ...] = ()
) -> tuple[int, dict[str, Array]]:
    """Pages in the cache, and the operands; `wide` names the roles that are int64.

    No two rows name one slot, since which of the two it keeps is undefined.
    """
    pages, table = _right_table(rng, extent, padded=state == "padded")
    typed = _typed(table, wide)
    if state == "padded":
        _pad(rng, extent, typed)
    if state == "damaged":
        _damage(rng, extent, typed, pages)
        keep_places_apart(typed, extent, pages)
    return pages, typed


def _right_table(rng: np.random.Generator, e: Extent, *, padded: bool) -> tuple[int, dict[str, Any]]:
    """Up to two pages before the append; where too few are given for every request to have as many, part of
    one."""
    batch, size = e.requests, e.page_size
    new = np.ones(batch, np.int64)
    if e.is_ragged:
        new = np.bincount(rng.integers(0, max(batch, 1), e.rows), minlength=batch)[:batch]
    enough = e.pages is None or e.pages >= 3 * batch + e.rows
    most = 2 * size if enough else size - 1
    before = rng.integers(0, most + 1, batch)
    total = before + new
    held = -(-total // size)  # pages
    if padded and e.placed_by.addressing is bf.Addressing.LAST_PAGE:
        held[rng.random(batch) < 0.2] = 0
    pages = e.pages
    if pages is None:
        pages = max(int(held.sum()), batch, 1) + int(rng.integers(1, 3))
    owned = rng.permutation(max(pages, int(held.sum())))[: int(held.sum())] % pages
    starts = np.concatenate(([0], np.cumsum(held)))
    parts = [owned[a:b] for a, b in itertools.pairwise(starts)]
    lengths = total if e.counts_new else before
    full: dict[str, Any] = {
        "indices": owned,
        "indptr": starts,
        "last_page_len": np.where(e.counts_new, (lengths - 1) % size + 1, lengths % size),
        "seq_lens": np.where(held == 0, 0, lengths) if e.counts_new else lengths,
        "append_indptr": np.concatenate(([0], np.cumsum(new))),
    }
    names = e.placed_by.names
    if "block_table" in names:
        width = int(held.max(initial=0)) + int(rng.integers(0, 3))
        table = np.full((batch + int(rng.integers(0, 2)), width), -1)
        for row, part in zip(table, parts, strict=False):
            row[: len(part)] = part
        full["block_table"] = table
    if "positions" in names:
        counts = np.minimum(total, held * size)
        owner = np.repeat(np.arange(batch), counts)
        token = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
        chosen = rng.permutation(owner.size)[: e.rows]
        full["batch_indices"] = np.full(e.rows, -1)
        full["positions"] = np.full(e.rows, 77)
        full["batch_indices"][: chosen.size] = owner[chosen]
        full["positions"][: chosen.size] = token[chosen]
    if "slot_mapping" in names:
        slots = rng.permutation(pages * size)[: e.rows]
        full["slot_mapping"] = np.concatenate((slots, np.full(e.rows - len(slots), -1)))
    return pages, {name: full[name] for name in names}


def _pad(rng: np.random.Generator, e: Extent, table: dict[str, Array]) -> None:
    """Some rows that are to be skipped, by what says so in this way."""
    if "seq_lens" in table and e.counts_new and e.requests and not e.is_ragged:
        table["seq_lens"][rng.integers(e.requests)] = 0
    for name in ("indices", "block_table", "batch_indices", "slot_mapping"):
        part = table.get(name)
        if part is not None and part.size:
            part[rng.random(part.shape) < 0.25] = rng.choice([-1, -7])


def _damage(rng: np.random.Generator, e: Extent, table: dict[str, Array], pages: int) -> None:
    """One to three entries overwritten with both sides of every limit, or the ends of their type.
    append_indptr keeps its order, without which backends need not agree."""
    sizes = [part.size for part in table.values()]
    limits = (0, pages, e.page_size, pages * e.page_size, e.requests, e.rows, *sizes)
    names = list(table)
    for _ in range(rng.integers(1, 4)):
        part = table[names[rng.integers(len(names))]]
        if part.size == 0:
            continue
        before = part.copy()
        part.flat[rng.integers(part.size)] = rng.choice(damaging_values(part.dtype, *limits))
        if part is table.get("append_indptr") and (part[1:] < part[:-1]).any():
            part[:] = before


def damaging_values(dtype: Any, *limits: int) -> Array:
    ends = np.iinfo(dtype)
    values = [limit + by for limit in limits for by in (-1, 0, 1)] + [ends.min, ends.max]
    if ends.bits == 64:  # right ones once the upper half is cut off
        values += [2**32, 2**32 + 1, -(2**32), 2**61, 2**61 + 1, 2**31]
    return np.array(values, dtype)


def found_places(table: dict[str, Array], e: Extent, pages: int) -> list[places.Found]:
    """What the oracle finds for each row."""
    return places.places_of(
        *(table.get(name) for name in PLACE_NAMES),
        num_rows=e.rows if e.key_rows is None else e.key_rows,
        num_total_pages=pages,
        page_size=e.page_size,
        counts_new=e.counts_new,
        skip_slot=e.skip_slot,
    )


def host_refuses(table: dict[str, Array], found: list[places.Found], key_rows: int) -> bool:
    """Whether an append that is not guarded is refused: a row is corrupt, or append_indptr is as a whole, or
    indices are somebody else's too."""
    if any(isinstance(each, places.Wrong) for each in found) or (found and has_pages_of_nobody(table)):
        return True
    ends = table.get("append_indptr")
    if ends is None or ends.size < 2 or not key_rows:
        return False
    return bool(ends[0] != 0 or (ends[1:] < ends[:-1]).any() or ends[-1] > key_rows)


def has_pages_of_nobody(table: dict[str, Array]) -> bool:
    """Whether there is a page id before or behind those that requests own. 0 and below is padding; the
    outermost entries say it."""
    if "indptr" not in table:
        return False
    indices, first, last = table["indices"], int(table["indptr"][0]), int(table["indptr"][-1])
    if not 0 <= first < last <= indices.size:
        return False
    return any(ids.size and max(ids[0], ids[-1]) > 0 for ids in (indices[:first], indices[last:]))


def keep_places_apart(table: dict[str, Array], e: Extent, pages: int) -> None:
    """Make what says a place that another row has wrong, until none is left."""
    while True:
        taken: set[Any] = set()
        found = found_places(table, e, pages)
        for row, place in enumerate(found):
            if isinstance(place, tuple) and place in taken:
                _forbid(table, row)
                break
            taken.add(place)
        else:
            return


def _forbid(table: dict[str, Array], row: int) -> None:
    for name in ("slot_mapping", "positions"):
        if name in table:
            table[name][row] = -1
            return
    request = row
    if "append_indptr" in table:
        request = int(np.searchsorted(table["append_indptr"][1:-1], row, side="right"))
    table["seq_lens" if "seq_lens" in table else "last_page_len"][request] = -1
