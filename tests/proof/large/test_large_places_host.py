"""Requests of more than 2^31, 2^32 and 2^33 tokens, and slots as far: the cache is sparse, every byte of it
accounted for.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np
import pytest
from proof.large.sparse import SparseCache

from support.c_abi import abi
from support.devices.bits import Array

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux's memfd")

PAGES = [7, 2, 19, 0, 11, 5, 16, 3, 9, 14]  # of the one request, or of each
NUM_PAGES = 20
PAGE_SIZES = [1 << 30, (1 << 30) - 35, (1 << 31) - 1]


def tokens(page_size: int) -> list[int]:
    """At both sides of where 31, 32 and 33 bits end, and at the ends of the first and last page."""
    room = len(PAGES) * page_size
    near = [at for power in (31, 32, 33) for at in range((1 << power) - 2, (1 << power) + 3)]
    return sorted({0, 1, page_size - 1, page_size, room - page_size, room - 1, *near})


class Large:
    """Rows of one byte, none of them zero; a token's place is its byte's offset."""

    def __init__(self, page_size: int, rows: int) -> None:
        self.page_size = page_size
        self.cache = SparseCache((NUM_PAGES, page_size))
        self.key = np.random.default_rng(3).integers(1, 256, rows).astype(np.uint8)
        self.kept: list[Array] = []
        self.op = abi.Append(
            struct_size=ctypes.sizeof(abi.Append),
            backend=abi.HOST,
            element=7,
            parts=abi.KEY,
            layout=1,
            page_size=page_size,
            num_heads=1,
            head_dim=1,
            num_total_pages=NUM_PAGES,
            num_rows=rows,
            k_data=self.cache.address,
            key=self.key.ctypes.data,
        )

    def give(self, name: str, entries: Any, kind: Any) -> None:
        array = np.asarray(entries, kind)
        self.kept.append(array)
        setattr(self.op, name, array.ctypes.data)
        if array.itemsize == 8:
            self.op.int64_operands |= 1 << abi.OPERANDS.index(name)
        if name == "indices":
            self.op.total_used_pages = array.size

    def offset(self, token: int) -> int:
        return PAGES[token // self.page_size] * self.page_size + token % self.page_size

    def check(self, offsets: list[int]) -> None:
        for flags in (0, abi.GUARDED):
            self.op.flags = flags
            assert abi.can_implement(self.op) == abi.OK, abi.message()
            assert abi.run(self.op) == abi.OK, abi.message()
            expected = dict(zip(offsets, self.key.tolist(), strict=True))
            assert self.cache.nonzero_bytes() == expected
            for offset in offsets:
                self.cache.write(offset, b"\0")
        self.op.flags = 0

    def refused(self, *says: object) -> None:
        assert abi.run(self.op) == abi.INVALID_PROBLEM
        for part in says:
            assert str(part) in abi.message()


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_positions(page_size: int) -> None:
    at = tokens(page_size)
    large = Large(page_size, len(at))
    large.op.addressing, large.op.batch_size = abi.ADDRESSINGS["POSITIONS"], 1
    large.give("indices", PAGES, np.int32)
    large.give("indptr", [0, len(PAGES)], np.int32)
    large.give("batch_indices", [0] * len(at), np.int32)
    large.give("positions", at, np.int64)
    large.check([large.offset(token) for token in at])
    for beyond in (len(PAGES) * page_size, 1 << 40, 1 << 62):
        large.kept[-1][2] = beyond
        large.refused("positions", beyond, len(PAGES) * page_size)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_slots(page_size: int) -> None:
    at = tokens(page_size)
    large = Large(page_size, len(at))
    large.op.addressing = abi.ADDRESSINGS["SLOTS"]
    large.give("slot_mapping", at, np.int64)
    large.check(at)
    for beyond in (NUM_PAGES * page_size, 1 << 40, 1 << 62):
        large.kept[-1][2] = beyond
        large.refused("slot_mapping", beyond, NUM_PAGES * page_size)


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_newest_tokens(page_size: int, dense: bool, after: int) -> None:
    """One row of a dense table for all requests."""
    at = tokens(page_size)
    large = Large(page_size, len(at))
    op = large.op
    op.batch_size, op.lengths, op.table, op.length_convention = len(at), abi.SEQ_LENS, int(dense), after
    if dense:
        large.give("block_table", PAGES, np.int32)
        op.max_pages = len(PAGES)
    else:
        large.give("indices", PAGES * len(at), np.int32)
        large.give("indptr", np.arange(len(at) + 1) * len(PAGES), np.int32)
    large.give("seq_lens", np.array(at) + after, np.int64)
    large.check([large.offset(token) for token in at])
    for beyond in (len(PAGES) * page_size + after, 1 << 40, 1 << 62):
        large.kept[-1][2] = beyond
        large.refused("seq_lens", beyond, len(PAGES) * page_size + after)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("way", ["before", "after", "last-page"])
def test_ragged_rows_across_where_bits_end(page_size: int, way: str) -> None:
    """By last_page_len every operand is int32, and the tokens are not."""
    spans = [range((1 << power) - 3, (1 << power) + 4) for power in (31, 32, 33)]
    at = [token for span in spans for token in span]
    large = Large(page_size, len(at))
    op = large.op
    op.batch_size, op.addressing = len(spans), abi.ADDRESSINGS["RAGGED"]
    op.length_convention = int(way != "before")
    large.give("append_indptr", np.cumsum([0, *(len(span) for span in spans)]), np.int32)
    if way == "last-page":
        used = [(span[-1]) // page_size + 1 for span in spans]
        large.give("indices", [page for count in used for page in PAGES[:count]], np.int32)
        large.give("indptr", np.cumsum([0, *used]), np.int32)
        large.give("last_page_len", [span[-1] % page_size + 1 for span in spans], np.int32)
    else:
        op.lengths = abi.SEQ_LENS
        large.give("indices", PAGES * len(spans), np.int32)
        large.give("indptr", np.arange(len(spans) + 1) * len(PAGES), np.int32)
        large.give("seq_lens", [span[0] if way == "before" else span[-1] + 1 for span in spans], np.int64)
    large.check([large.offset(token) for token in at])


@pytest.mark.parametrize("wide", [False, True])
def test_a_dense_table_of_more_entries_than_32_bits_count(wide: bool) -> None:
    """Rows that lie 2^31 and 2^32 entries apart, of which only what is named exists."""
    for stride in ((1 << 31) - 1, 1 << 31, (1 << 32) + 3):
        large = Large(4, 3)
        table = SparseCache((2 * stride + 4, 8 if wide else 4))
        kind: Any = np.int64 if wide else np.int32
        for b in range(3):
            table.write(b * stride * table.shape[1], np.array([b + 1, b + 10], kind).tobytes())
        op = large.op
        op.batch_size, op.lengths, op.table = 3, abi.SEQ_LENS, abi.DENSE
        op.max_pages, op.block_table_stride, op.block_table = 2, stride, table.address
        op.int64_operands = int(wide) << abi.OPERANDS.index("block_table")
        large.give("seq_lens", [0, 5, 7], np.int32)
        large.check([4 * 1 + 0, 4 * 11 + 1, 4 * 12 + 3])
        table.close()
