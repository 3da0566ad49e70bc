"""What is corrupt of each way to say places: guarded it is skipped and recorded, member by member, and all
else is served; unguarded the host refuses the append whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.placed import BY_SEQ_LENS, CSR, PAGES, RAGGED, SLOTS, TABLED, WAYS, Placed, Way
from support.c_abi.real_tensors import OnDevice, OnHost, Place
from support.devices.bits import Array

INT32_MAX, INT32_MIN = (1 << 31) - 1, -(1 << 31)
INT64_MAX, INT64_MIN = (1 << 63) - 1, -(1 << 63)
LAST = 5  # the last request
POSITIONS, SLOTTED = WAYS[-2], WAYS[-1]


@dataclass(frozen=True)
class Found:
    """What the record should say, of any of `rows`."""

    rows: tuple[int, ...]
    reason: int
    operand: str
    request: int
    seen: int
    limit: int
    page: int = -1


Damage = Callable[[Placed, int], Found]


@pytest.fixture(params=["host", pytest.param("bespoke", marks=pytest.mark.gpu)])
def guarded(request: pytest.FixtureRequest) -> Place:
    if request.param == "host":
        return OnHost(abi.GUARDED)
    return OnDevice(request.getfixturevalue("cuda_backend"), abi.BESPOKE, abi.GUARDED)


def first_row(placed: Placed, request: int) -> int:
    return sum(placed.new[:request])


def rows_of(placed: Placed, request: int) -> tuple[int, ...]:
    first = first_row(placed, request)
    return tuple(range(first, first + placed.new[request]))


def room(placed: Placed, request: int) -> int:
    pages = placed.pages_of(request)
    assert pages is not None
    return len(pages) * SLOTS


def page_of_last(placed: Placed, value: int) -> Found:
    """The page of the last row of all."""
    row = rows_of(placed, LAST)[0]
    at = placed.places()[row]
    assert at is not None
    name = "block_table" if placed.way.table == "DENSE" else "indices"
    entries = placed.views[name]
    entries[entries == at[0]] = value
    return Found((row,), abi.CORRUPT_PAGE, name, LAST, value, PAGES, value)


def indptr_begins(placed: Placed, value: int) -> Found:
    placed.views["indptr"][0] = value
    return Found(rows_of(placed, 0), abi.CORRUPT_INDPTR, "indptr", 0, value, 0)


def indptr_ends(placed: Placed, value: int) -> Found:
    used = placed.views["indices"].size
    placed.views["indptr"][-1] = value
    return Found(rows_of(placed, LAST), abi.CORRUPT_INDPTR, "indptr", LAST, value, used + 1)


def indptr_decreases(placed: Placed, value: int) -> Found:
    begin = int(placed.views["indptr"][LAST])
    placed.views["indptr"][-1] = value
    return Found(rows_of(placed, LAST), abi.CORRUPT_INDPTR, "indptr", LAST, value, begin)


def negative_length(placed: Placed, value: int) -> Found:
    placed.views["seq_lens"][LAST] = value
    return Found(rows_of(placed, LAST), abi.CORRUPT_LAST_PAGE_LEN, "seq_lens", LAST, value, 0)


def page_missing(placed: Placed, value: int) -> Found:
    """`value` tokens more than there is room for, of a request that gets one."""
    limit = room(placed, LAST) + placed.way.counts_new
    seen = min(limit + value, np.iinfo(placed.views["seq_lens"].dtype).max)
    placed.views["seq_lens"][LAST] = seen
    return Found(rows_of(placed, LAST), abi.CORRUPT_LAST_PAGE_LEN, "seq_lens", LAST, int(seen), limit)


def page_missing_for_the_last_row(placed: Placed, _: int) -> Found:
    """Of five, the others are served."""
    rows = rows_of(placed, 2)
    seen = room(placed, 2) + 1 - (0 if placed.way.counts_new else len(rows))
    limit = room(placed, 2) + (1 if placed.way.counts_new else 1 - len(rows))
    placed.views["seq_lens"][2] = seen
    return Found(rows[-1:], abi.CORRUPT_LAST_PAGE_LEN, "seq_lens", 2, seen, limit)


def no_pages_at_all(placed: Placed, _: int) -> Found:
    """And a row to write: not padding."""
    placed.views["indptr"][-1] = placed.views["indptr"][-2]
    seen = int(placed.views["seq_lens"][LAST])
    limit = int(placed.way.counts_new)
    return Found(rows_of(placed, LAST), abi.CORRUPT_LAST_PAGE_LEN, "seq_lens", LAST, seen, limit)


def last_page_len(placed: Placed, value: int) -> Found:
    placed.views["last_page_len"][LAST] = value
    limit = 1 if value < 1 else SLOTS + 1
    return Found(rows_of(placed, LAST), abi.CORRUPT_LAST_PAGE_LEN, "last_page_len", LAST, value, limit)


def more_rows_than_tokens(placed: Placed, tokens: int) -> Found:
    """The rows before the first token."""
    rows = rows_of(placed, 0)
    lengths = "seq_lens" if placed.way.lengths == "SEQ_LENS" else "last_page_len"
    placed.views[lengths][0] = tokens
    end = int(placed.views["append_indptr"][1])
    return Found(
        rows[: len(rows) - tokens], abi.CORRUPT_APPEND_INDPTR, "append_indptr", 0, end, rows[0] + tokens + 1
    )


def rows_from_another(placed: Placed, value: int) -> Found:
    placed.views["append_indptr"][0] = value
    limit = 0 if value < 0 else 1
    return Found(rows_of(placed, 0), abi.CORRUPT_APPEND_INDPTR, "append_indptr", 0, value, limit)


def lost_rows(placed: Placed, value: int) -> Found:
    """More than key has: all of the last request's, and those that are not there."""
    end = placed.rows + value
    placed.views["append_indptr"][-1] = end
    rows = (*range(first_row(placed, LAST), placed.rows), placed.rows)
    return Found(rows, abi.CORRUPT_APPEND_INDPTR, "append_indptr", LAST, end, placed.rows + 1)


def rows_decrease(placed: Placed, value: int) -> Found:
    """Below what the last request begins at."""
    first = first_row(placed, LAST)
    placed.views["append_indptr"][-1] = value
    rows = tuple(range(first, placed.rows))
    return Found(rows, abi.CORRUPT_APPEND_INDPTR, "append_indptr", LAST, value, first)


def batch_index(placed: Placed, value: int) -> Found:
    placed.views["batch_indices"][4] = value
    return Found((4,), abi.CORRUPT_BATCH_INDEX, "batch_indices", -1, value, placed.num_requests)


def position(placed: Placed, value: int) -> Found:
    limit = 0 if value < 0 else room(placed, 2)
    placed.views["positions"][4] = value
    return Found((4,), abi.CORRUPT_POSITION, "positions", 2, value, limit)


def slot(placed: Placed, value: int) -> Found:
    placed.views["slot_mapping"][4] = value
    return Found((4,), abi.CORRUPT_SLOT, "slot_mapping", -1, value, PAGES * SLOTS)


HUGE = (INT32_MAX, 1 << 32, INT64_MAX - 1, INT64_MAX)
LEAST = (-1, INT32_MIN, -(1 << 32), INT64_MIN + 1, INT64_MIN)

#: What is damaged, of which ways, by which values: those that do not fit in 32 bits with int64 alone.
DAMAGES: list[tuple[Damage, list[Way], tuple[int, ...]]] = [
    (page_of_last, TABLED, (PAGES, PAGES + 1, *HUGE)),
    (indptr_begins, CSR, LEAST),
    (indptr_ends, CSR, (99, *HUGE)),
    (indptr_decreases, CSR, (0, 3, *LEAST)),
    (negative_length, BY_SEQ_LENS, LEAST),
    (page_missing, BY_SEQ_LENS, (0, 1, 1 << 30, *HUGE, 1 << 61)),
    (page_missing_for_the_last_row, [way for way in RAGGED if way in BY_SEQ_LENS], (0,)),
    (no_pages_at_all, [way for way in BY_SEQ_LENS if way in CSR], (0,)),
    (last_page_len, [way for way in RAGGED if way not in BY_SEQ_LENS], (0, SLOTS + 1, *LEAST, *HUGE)),
    (more_rows_than_tokens, [way for way in RAGGED if way.counts_new], (1, 2)),
    (rows_from_another, RAGGED, (1, 2, *LEAST)),
    (lost_rows, RAGGED, (1, 2, 1 << 20, 1 << 40)),
    (rows_decrease, RAGGED, (11 - 1, 0, *LEAST)),
    (batch_index, [POSITIONS], (6, 7, *HUGE)),
    (position, [POSITIONS], (12, 13, 1 << 33, *HUGE, *LEAST)),
    (slot, [SLOTTED], (PAGES * SLOTS, PAGES * SLOTS + 1, 1 << 33, *HUGE)),
]


def cases() -> list[Any]:
    return [
        pytest.param(
            damage, way, value, wide, id=f"{damage.__name__}={value}-{way.name}-{64 if wide else 32}"
        )
        for damage, ways, values in DAMAGES
        for way in ways
        for value in values
        for wide in (False, True)
        if wide or INT32_MIN <= value <= INT32_MAX
    ]


def of_width(way: Way, wide: bool, **options: Any) -> Placed:
    return Placed(way, index_types=dict.fromkeys(way.operands, np.int64 if wide else np.int32), **options)


def damaged(damage: Damage, way: Way, value: int, wide: bool) -> tuple[Placed, Array, Found]:
    placed = Placed(
        way, index_types=dict.fromkeys(way.operands, np.int64 if wide else np.int32), padding=False
    )
    record = placed.memory.of(np.zeros(64, np.uint8))
    return placed, record, damage(placed, value)


@pytest.mark.parametrize(("damage", "way", "value", "wide"), cases())
def test_skipped_and_recorded(guarded: Place, damage: Damage, way: Way, value: int, wide: bool) -> None:
    placed, held, found = damaged(damage, way, value, wide)
    places = placed.places()
    for row in found.rows:
        if row < placed.rows:
            assert places[row] is None
    assert sum(at is not None for at in places) >= 4
    op = placed.stated(guarded)
    op.error_record = guarded.address(placed.memory, held)
    expected = placed.expected_at(places)
    assert abi.can_implement(op) == abi.OK, abi.message()
    assert abi.run(op) == abi.OK, abi.message()
    said = placed.memory.same_in(guarded.read(placed.memory), held)
    placed.memory.same_in(expected, held)[...] = said
    placed.check(guarded, expected)
    record = abi.ErrorRecord.from_buffer_copy(said.tobytes())
    assert record.row in found.rows
    assert (record.reason, abi.OPERANDS[record.operand], record.request) == (
        found.reason,
        found.operand,
        found.request,
    )
    assert (record.seen, record.limit, record.page) == (found.seen, found.limit, found.page)
    assert list(record.reserved) == [0, 0]


@pytest.mark.parametrize(("damage", "way", "value", "wide"), cases())
def test_refused_whole(damage: Damage, way: Way, value: int, wide: bool) -> None:
    placed, _, found = damaged(damage, way, value, wide)
    op = placed.stated(OnHost())
    before = [block.copy() for block in placed.memory.blocks]
    for call in (abi.can_implement, abi.run):
        assert call(op) == abi.INVALID_PROBLEM
        for part in (found.operand, str(found.seen)):
            assert part in abi.message()
        placed.check(OnHost(), before)


@pytest.mark.parametrize("way", RAGGED, ids=lambda way: way.name)
@pytest.mark.parametrize("wide", [False, True], ids=["int32", "int64"])
def test_append_indptr_out_of_order(guarded: Place, way: Way, wide: bool) -> None:
    """Guarded, each row is skipped or goes to a page that is named; on the host it is refused whole."""
    for seed in range(60):
        placed = Placed(
            way, index_types=dict.fromkeys(way.operands, np.int64 if wide else np.int32), seed=seed
        )
        bounds = placed.views["append_indptr"]
        rng = np.random.default_rng(seed)
        while not (np.diff(bounds) < 0).any():
            bounds[rng.integers(1, bounds.size)] = rng.integers(-3, placed.rows + 4)
        if isinstance(guarded, OnHost):
            op = placed.stated(OnHost())
            before = [block.copy() for block in placed.memory.blocks]
            assert abi.run(op) == abi.INVALID_PROBLEM
            assert "append_indptr" in abi.message()
            placed.check(OnHost(), before)
        named = {page for b in range(placed.num_requests) for page in placed.pages_of(b) or ()}
        op = placed.stated(guarded)
        before = [block.copy() for block in placed.memory.blocks]
        assert abi.run(op) == abi.OK, abi.message()
        after = [block.copy() for block in guarded.read(placed.memory)]
        for name in ("k_data", "v_data"):
            was, now = (placed.memory.same_in(blocks, placed.views[name]) for blocks in (before, after))
            changed = {page for page in range(PAGES) if was[page].tobytes() != now[page].tobytes()}
            assert changed <= named
            now[...] = was
        for was, now in zip(before, after, strict=True):
            assert was.tobytes() == now.tobytes()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_padding_claims_no_record(guarded: Place, way: Way) -> None:
    placed = Placed(way)
    held = placed.memory.of(np.zeros(64, np.uint8))
    op = placed.stated(guarded)
    op.error_record = guarded.address(placed.memory, held)
    placed.run_and_check(guarded, op)


@pytest.mark.parametrize("way", RAGGED, ids=lambda way: way.name)
def test_a_request_without_rows_is_not_judged(guarded: Place, way: Way) -> None:
    """Whatever its part of the table and its length say."""
    placed = Placed(way, padding=False)
    assert placed.new[1] == 0
    lengths = "seq_lens" if way.lengths == "SEQ_LENS" else "last_page_len"
    placed.views[lengths][1] = -1000
    if way.table == "DENSE":
        placed.views["block_table"][1] = INT32_MAX
    held = placed.memory.of(np.zeros(64, np.uint8))
    op = placed.stated(guarded)
    op.error_record = guarded.address(placed.memory, held)
    placed.run_and_check(guarded, op)
    if isinstance(guarded, OnHost):
        again = placed.stated(OnHost())
        assert abi.run(again) == abi.OK, abi.message()


@pytest.mark.parametrize("name", sorted({name for way in WAYS for name in way.operands}))
def test_the_ends_of_64_bits_in_every_entry(guarded: Place, name: str) -> None:
    """Skipped, served or recorded as the loops say; nothing is read or written by them."""
    for way in WAYS:
        if name not in way.operands:
            continue
        for value in (INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, 1 << 61, 1 << 62, -(1 << 61)):
            for entry in range(8):
                placed = of_width(way, wide=True)
                flat = placed.views[name].reshape(-1) if name != "block_table" else placed.views[name][:, 0]
                flat[min(entry, flat.size - 1)] = value
                if name == "append_indptr" and 0 < entry < flat.size - 1:
                    continue  # out of order: above
                op = placed.stated(guarded)
                expected = placed.expected()
                assert abi.run(op) == abi.OK, abi.message()
                placed.check(guarded, expected)
