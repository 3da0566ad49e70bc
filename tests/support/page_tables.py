"""Random page tables of a few requests: right, padded, or damaged."""

from __future__ import annotations

from typing import Any

import numpy as np

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference

from .bits import Array

TABLE = ("indices", "indptr", "last_page_len")
STATES = ("right", "padded", "damaged")


def random_table(
    rng: np.random.Generator,
    *,
    requests: int,
    page_size: int,
    convention: bf.LengthConvention,
    state: str,
    wide: tuple[str, ...] = (),
    pages: int | None = None,
) -> tuple[int, dict[str, Array]]:
    """Pages in the cache, and the table; `wide` names what is int64 of it.

    One to three pages a request, or where their number is given one. No two requests name one slot, since
    which of the two it keeps is undefined.
    """
    sizes = rng.integers(0 if state == "padded" else 1, 2 if pages else 4, requests)
    used = int(sizes.sum())
    if pages is None:
        pages = max(used, requests) + int(rng.integers(1, 3))
    first = 0 if convention is bf.LengthConvention.BEFORE_APPEND else 1
    parts: dict[str, Any] = {
        "indices": rng.permutation(pages)[:used],
        "indptr": np.concatenate(([0], np.cumsum(sizes))),
        "last_page_len": rng.integers(first, first + page_size, requests),
    }
    table = {name: part.astype(np.int64 if name in wide else np.int32) for name, part in parts.items()}
    if state == "padded":
        for b in np.flatnonzero(sizes)[::2]:
            table["indices"][table["indptr"][b + 1] - 1] = rng.choice([-1, -7])
    if state == "damaged":
        _damage(rng, table, pages, page_size)
        keep_slots_apart(table, pages, page_size, convention)
    return pages, table


def _damage(rng: np.random.Generator, table: dict[str, Array], pages: int, page_size: int) -> None:
    """One to three entries overwritten with both sides of every limit, or the ends of their type."""
    for _ in range(rng.integers(1, 4)):
        part = table[TABLE[rng.integers(len(TABLE))]]
        if part.size == 0:
            continue
        ends = np.iinfo(part.dtype)
        values = [limit + by for limit in (0, pages, page_size, len(table["indices"])) for by in (-1, 0, 1)]
        values += [ends.min, ends.max]
        if part.dtype == np.int64:  # right ones once the upper half is cut off
            values += [2**32, 2**32 + 1, -(2**32)]
        part[rng.integers(part.size)] = rng.choice(np.array(values, part.dtype))


def keep_slots_apart(
    table: dict[str, Array], pages: int, page_size: int, convention: bf.LengthConvention
) -> None:
    """Make the length of a request that names another's slot illegal."""
    taken = set()
    for b in range(len(table["last_page_len"])):
        place = _place(table, b, pages, page_size, convention)
        if place in taken:
            table["last_page_len"][b] = -1
        elif place is not None:
            taken.add(place)


def _place(
    table: dict[str, Array], b: int, pages: int, page_size: int, convention: bf.LengthConvention
) -> tuple[int, int] | None:
    """Where the oracle writes request b's row, if it does."""
    cache = np.zeros((pages, page_size, 1), np.uint8)
    append_paged_kv_reference(
        np.ones((1, 1), np.uint8),
        None,
        cache,
        None,
        table["indices"],
        table["indptr"][b : b + 2],
        table["last_page_len"][b : b + 1],
        length_convention=convention,
        guarded=True,
    )
    written = np.argwhere(cache[..., 0])
    return (int(written[0][0]), int(written[0][1])) if len(written) else None
