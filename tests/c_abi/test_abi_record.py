"""The error record of a guarded append, member by member, for each reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.real_tensors import TABLE, OnDevice, OnHost, Place, Tensors
from support.devices.bits import Array
from support.views.views import CACHES, ROWS, Extents

ROW = 2  # the request that is damaged
PAGES, SLOTS = 9, 4
INDICES, INDPTR, LAST_PAGE_LEN = (abi.OPERANDS.index(name) for name in TABLE)


class Case:
    """Requests of one page each: the table by hand, so that what is recorded can be."""

    def __init__(self, convention: str = "BEFORE_APPEND", wide: bool = False) -> None:
        kind = np.int64 if wide else np.int32
        self.tensors = Tensors(
            ROWS["fused-qkv"],
            CACHES["interleaved"],
            Extents(rows=5, pages=PAGES, slots=SLOTS),
            convention=convention,
            index_types=dict.fromkeys(TABLE, kind),
            padding=False,
        )
        views = self.tensors.views
        views["indices"] = self.tensors.memory.of(np.array([8, 6, 4, 2, 0], kind))
        views["indptr"][...] = range(6)
        views["last_page_len"][...] = 1
        self.record = self.tensors.memory.of(np.zeros(64, np.uint8))

    @property
    def table(self) -> dict[str, Array]:
        return {name: self.tensors.views[name] for name in TABLE}

    def run(self, place: Place) -> abi.ErrorRecord:
        """Appends with the record, checks all else of memory, and returns it."""
        tensors = self.tensors
        op = tensors.stated(place)
        op.flags |= abi.GUARDED
        op.error_record = place.address(tensors.memory, self.record)
        expected = self._expected()
        assert abi.can_implement(op) == abi.OK, abi.message()
        assert abi.run(op) == abi.OK, abi.message()
        blocks = place.read(tensors.memory)
        found = tensors.memory.same_in(blocks, self.record)
        record = abi.ErrorRecord.from_buffer_copy(found.tobytes())
        tensors.memory.same_in(expected, self.record)[...] = found
        tensors.check(place, expected)
        return record

    def _expected(self) -> list[Array]:
        """What is left by the append in which the damaged request is padding."""
        kept = {name: view.copy() for name, view in self.table.items()}
        self.table["indices"][ROW] = -1
        self.table["indptr"][...] = range(6)
        self.table["last_page_len"][ROW] = 1
        right = self.tensors.expected()
        for name, view in self.table.items():
            view[...] = kept[name]
            self.tensors.memory.same_in(right, view)[...] = kept[name]
        return right


@pytest.fixture(params=["host", pytest.param("bespoke", marks=pytest.mark.gpu)])
def guarded(request: pytest.FixtureRequest) -> Place:
    if request.param == "host":
        return OnHost(abi.GUARDED)
    return OnDevice(request.getfixturevalue("cuda_backend"), abi.BESPOKE, abi.GUARDED)


def members(record: abi.ErrorRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name, _ in abi.ErrorRecord._fields_[:-1]}


def described(reason: int, operand: int, seen: int, limit: int, page: int) -> dict[str, int]:
    return {
        "reason": reason,
        "operand": operand,
        "row": ROW,
        "request": ROW,
        "seen": seen,
        "limit": limit,
        "page": page,
    }


@pytest.mark.parametrize("wide", [False, True], ids=["int32", "int64"])
@pytest.mark.parametrize("page", [PAGES, PAGES + 1, 2**31 - 1])
def test_a_page_beyond_the_cache(guarded: Place, page: int, wide: bool) -> None:
    case = Case(wide=wide)
    case.table["indices"][ROW] = page
    record = case.run(guarded)
    assert members(record) == described(abi.CORRUPT_PAGE, INDICES, page, PAGES, page)
    assert list(record.reserved) == [0, 0]


@pytest.mark.parametrize("wide", [False, True], ids=["int32", "int64"])
@pytest.mark.parametrize(
    ("convention", "length", "limit"),
    [
        ("BEFORE_APPEND", SLOTS, SLOTS),
        ("BEFORE_APPEND", 2**31 - 1, SLOTS),
        ("BEFORE_APPEND", -1, 0),
        ("BEFORE_APPEND", -(2**31), 0),
        ("AFTER_APPEND", SLOTS + 1, SLOTS + 1),
        ("AFTER_APPEND", 0, 1),
        ("AFTER_APPEND", -(2**31), 1),
    ],
)
def test_a_length_outside_its_convention(
    guarded: Place, convention: str, length: int, limit: int, wide: bool
) -> None:
    case = Case(convention, wide)
    case.table["last_page_len"][ROW] = length
    record = case.run(guarded)
    expected = described(abi.CORRUPT_LAST_PAGE_LEN, LAST_PAGE_LEN, length, limit, 4)
    assert members(record) == expected


def damaged_indptr(case: Case, begin: int, end: int) -> None:
    """Of ROW alone; its neighbours end and begin there, and so are padding by then."""
    case.tensors.views["indptr"][...] = (begin, begin, begin, end, end, end)


@pytest.mark.parametrize("wide", [False, True], ids=["int32", "int64"])
@pytest.mark.parametrize(
    ("begin", "end", "seen", "limit"),
    [
        (-1, 2, -1, 0),
        (-(2**31), 5, -(2**31), 0),
        (3, 1, 1, 3),
        (3, -1, -1, 3),
        (5, 6, 6, 6),
        (0, 2**31 - 1, 2**31 - 1, 6),
    ],
)
def test_a_part_of_the_table_that_is_none(
    guarded: Place, begin: int, end: int, seen: int, limit: int, wide: bool
) -> None:
    """Negative, decreasing, beyond total_used_pages. No page is read."""
    case = Case(wide=wide)
    damaged_indptr(case, begin, end)
    case.table["indices"][...] = 99  # read, it would be told
    tensors = case.tensors
    op = tensors.stated(guarded)
    op.flags |= abi.GUARDED
    op.error_record = guarded.address(tensors.memory, case.record)
    before = [block.copy() for block in tensors.memory.blocks]
    assert abi.run(op) == abi.OK, abi.message()
    blocks = guarded.read(tensors.memory)
    record = abi.ErrorRecord.from_buffer_copy(tensors.memory.same_in(blocks, case.record).tobytes())
    assert members(record) == described(abi.CORRUPT_INDPTR, INDPTR, seen, limit, -1)
    tensors.memory.same_in(before, case.record)[...] = tensors.memory.same_in(blocks, case.record)
    tensors.check(guarded, before)


@pytest.mark.parametrize("name", TABLE)
def test_values_of_64_bits_are_recorded_whole(guarded: Place, name: str) -> None:
    case = Case(wide=True)
    far = 1 << 40
    if name == "indptr":
        damaged_indptr(case, 0, far)
        expected = described(abi.CORRUPT_INDPTR, INDPTR, far, 6, -1)
    elif name == "indices":
        case.table[name][ROW] = far
        expected = described(abi.CORRUPT_PAGE, INDICES, far, PAGES, far)
    else:
        case.table[name][ROW] = -far
        expected = described(abi.CORRUPT_LAST_PAGE_LEN, LAST_PAGE_LEN, -far, 0, 4)
    op = case.tensors.stated(guarded)
    op.flags |= abi.GUARDED
    op.error_record = guarded.address(case.tensors.memory, case.record)
    assert abi.run(op) == abi.OK, abi.message()
    blocks = guarded.read(case.tensors.memory)
    found = case.tensors.memory.same_in(blocks, case.record)
    assert members(abi.ErrorRecord.from_buffer_copy(found.tobytes())) == expected


def test_padding_claims_nothing(guarded: Place) -> None:
    """Nor does an append in which nothing is wrong."""
    for padded in (False, True):
        case = Case()
        if padded:
            case.table["indices"][ROW] = -1
            assert bytes(case.run(guarded)) == bytes(64)
        else:
            tensors = case.tensors
            op = tensors.stated(guarded)
            op.flags |= abi.GUARDED
            op.error_record = guarded.address(tensors.memory, case.record)
            tensors.run_and_check(guarded, op)


def test_a_claimed_record_is_kept(guarded: Place) -> None:
    """Until its owner zeroes it: only the reason is looked at."""
    case = Case()
    case.record[:] = 0x5A
    case.table["indices"][ROW] = 99
    assert bytes(case.run(guarded)) == b"\x5a" * 64


def test_no_record_is_no_reason_to_refuse(guarded: Place) -> None:
    case = Case()
    case.table["indices"][ROW] = 99
    expected = case._expected()
    op = case.tensors.stated(guarded)
    op.flags |= abi.GUARDED
    assert abi.run(op) == abi.OK, abi.message()
    case.tensors.check(guarded, expected)


def test_the_record_of_key_alone() -> None:
    case = Case()
    case.tensors.drop_value()
    case.table["indices"][ROW] = 99
    record = case.run(OnHost(abi.GUARDED))
    assert members(record) == described(abi.CORRUPT_PAGE, INDICES, 99, PAGES, 99)
