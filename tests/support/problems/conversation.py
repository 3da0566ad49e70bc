"""Several rounds of decoding over one paged cache, as an engine would hold it.

This is the tests' own block manager. It knows nothing of slots: it hands out pages in random order, keeps
count of each request's tokens and remembers every row that was appended. At the end the rows are read back
as an attention kernel would find them, token t of a request in slot t % page_size of the request's page
number t // page_size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference

from ..devices.bits import Array, assert_same_bits, random_bits
from .cases import MAX_CACHE_BYTES, Case


@dataclass
class Step:
    """The operands of one append; the caches are the conversation's."""

    key: Array
    value: Array
    indices: Array
    indptr: Array
    last_page_len: Array


class Conversation:
    """`k_data` and `v_data` are what the caches should hold; the oracle keeps them so, step by step."""

    def __init__(self, case: Case, *, rounds: int = 3, seed: int = 0) -> None:
        self.case = case
        self.rounds = rounds
        self._rng = np.random.default_rng([seed, *str(case).encode()])
        self.lengths = self._first_lengths()
        pages = [self._pages_for(int(n) + rounds) for n in self.lengths]
        self.num_pages = sum(pages) + 3  # some that no request ever owns
        self._free = [int(page) for page in self._rng.permutation(self.num_pages)]
        self.pages: list[list[int]] = [
            [self._free.pop() for _ in range(self._pages_for(int(n)))] for n in self.lengths
        ]
        shape = case.cache_shape(self.num_pages)
        self.k_data = random_bits(self._rng, shape, case.element.dtype)
        self.v_data = random_bits(self._rng, shape, case.element.dtype)
        self._first = [self.read_back(self.k_data), self.read_back(self.v_data)]
        self._steps: list[Step] = []

    def _pages_for(self, tokens: int) -> int:
        return max(1, -(-tokens // self.case.page_size))

    def _first_lengths(self) -> Array:
        """Tokens there before the first round: both sides of each page boundary, then anything."""
        page, batch = self.case.page_size, self.case.batch_size
        affordable = MAX_CACHE_BYTES // (self.case.page_bytes * batch)
        most = page * max(1, min(3, affordable - 1))
        edges = [n for n in (page - 1, 0, page, 1, 2 * page - 1, 2 * page) if 0 <= n <= most]
        lengths = [edges[b] if b < len(edges) else int(self._rng.integers(0, most + 1)) for b in range(batch)]
        return np.array(lengths, np.int64)

    @property
    def descriptor(self) -> bf.PagedKvAppendDescriptor:
        return self.case.descriptor(self.num_pages)

    def steps(self) -> Iterator[Step]:
        """For each round the operands of one append; k_data and v_data are then what it should leave
        behind.
        """
        for _ in range(self.rounds):
            step = self._next()
            append_paged_kv_reference(
                step.key,
                step.value,
                self.k_data,
                self.v_data,
                step.indices,
                step.indptr,
                step.last_page_len,
                layout=self.case.kv_layout,
                length_convention=self.case.length_convention,
            )
            self._steps.append(step)
            self.lengths += 1
            yield step

    def _next(self) -> Step:
        case, page = self.case, self.case.page_size
        for b, owned in enumerate(self.pages):
            if self.lengths[b] == len(owned) * page:
                owned.append(self._free.pop())
        before = [int(n) - (len(owned) - 1) * page for n, owned in zip(self.lengths, self.pages, strict=True)]
        counted = 0 if case.convention == "BEFORE_APPEND" else 1
        return Step(
            key=random_bits(self._rng, case.row_shape, case.element.dtype),
            value=random_bits(self._rng, case.row_shape, case.element.dtype),
            indices=np.concatenate([np.array(owned, np.int32) for owned in self.pages]),
            indptr=np.cumsum([0, *(len(owned) for owned in self.pages)], dtype=np.int32),
            last_page_len=np.array(before, np.int32) + np.int32(counted),
        )

    def read_back(self, cache: Array) -> list[Array]:
        """Per request its tokens in order, `[tokens, num_heads, head_dim]`."""
        by_token = cache if self.case.layout == "NHD" else cache.swapaxes(1, 2)
        rows = []
        for owned, length in zip(self.pages, self.lengths, strict=True):
            tokens = np.arange(int(length))
            rows.append(
                by_token[np.array(owned)[tokens // self.case.page_size], tokens % self.case.page_size]
            )
        return rows

    def check_sequences(self, k_data: Array, v_data: Array) -> None:
        """Every request reads as what it held at first and then the appended rows, in order."""
        for name, cache, first in zip(("key", "value"), (k_data, v_data), self._first, strict=True):
            appended = np.stack([getattr(step, name) for step in self._steps], axis=1)
            for b, rows in enumerate(self.read_back(cache)):
                expected = np.concatenate([first[b], appended[b]])
                assert_same_bits(np.ascontiguousarray(rows), expected, f"{name} sequence of request {b}")
