"""Guarded appends over tables that may be damaged: make one, run it, hold it against the oracle."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import baracuda_ffi as bf
from baracuda_ffi.reference import append_paged_kv_reference

from ..c_abi import abi
from ..calls.operands import CACHES, INPUTS, NAMES, make_args
from ..devices.backends import Backend, HostBackend
from ..devices.bits import Array, assert_same_bits, random_bits
from ..problems.cases import Case

INT32 = np.iinfo(np.int32)
GUARDED = bf.PlanPreference(guarded=True)
#: A baracuda_error_record as eight int64.
UNCLAIMED = np.zeros(8, np.int64)


@dataclass
class GuardedProblem:
    """One append over a given page table, right or wrong. Rows and caches are random bits.

    Where two requests that are served name one slot, which of them it keeps is undefined: both get the same
    rows.
    """

    case: Case
    num_pages: int
    indices: Array
    indptr: Array
    last_page_len: Array
    seed: int = 0
    arrays: dict[str, Array] = field(init=False)
    expected: dict[str, Array] = field(init=False)
    #: What the record may hold, one row for each corrupt request; empty if there is none.
    corrupt: list[tuple[int, bf.Corruption, bf.SeenValues]] = field(init=False)

    def __post_init__(self) -> None:
        case, rng = self.case, np.random.default_rng(self.seed)
        dtype = case.element.dtype
        self.arrays = {
            "key": random_bits(rng, case.row_shape, dtype),
            "value": random_bits(rng, case.row_shape, dtype),
            "k_data": random_bits(rng, case.cache_shape(self.num_pages), dtype),
            "v_data": random_bits(rng, case.cache_shape(self.num_pages), dtype),
            "indices": self.indices,
            "indptr": self.indptr,
            "last_page_len": self.last_page_len,
        }
        self._give_shared_slots_the_same_rows()
        self.expected = {name: array.copy() for name, array in self.arrays.items()}
        self.corrupt = append_paged_kv_reference(
            **self.expected, layout=case.kv_layout, length_convention=case.length_convention, guarded=True
        )

    def _give_shared_slots_the_same_rows(self) -> None:
        first_at: dict[tuple[int, int], int] = {}
        for b in range(self.case.batch_size):
            begin, end = int(self.indptr[b]), int(self.indptr[b + 1])
            if not 0 <= begin < end <= self.indices.size:
                continue
            slot = (int(self.indices[end - 1]), int(self.last_page_len[b]))
            first = first_at.setdefault(slot, b)
            for name in ("key", "value"):
                self.arrays[name][b] = self.arrays[name][first]

    @property
    def descriptor(self) -> bf.PagedKvAppendDescriptor:
        return self.case.descriptor(self.num_pages)

    def put(self, backend: Backend) -> dict[str, Any]:
        return {name: backend.put(self.arrays[name]) for name in NAMES}

    def check(self, backend: Backend, operands: dict[str, Any]) -> None:
        """Every byte of the caches as the oracle left it, the inputs as they were, nothing written beside."""
        for name in (*CACHES, *INPUTS):
            assert_same_bits(backend.get(operands[name]), self.expected[name], name)
        backend.check_guards()

    def check_record(self, record: Array) -> None:
        """All of one corrupt request, or unclaimed if there is none."""
        if not self.corrupt:
            assert_same_bits(record, UNCLAIMED, "the record")
            return
        assert record.tolist() in [record_of(*corrupt) for corrupt in self.corrupt]


def record_of(request: int, reason: bf.Corruption, seen: bf.SeenValues) -> list[int]:
    """A claimed baracuda_error_record as eight int64, of which the first is two int32."""
    page = -1 if seen.page is None else seen.page
    halves = np.array([reason, abi.OPERANDS.index(seen.operand)], np.int32)
    return [int(halves.view(np.int64)[0]), seen.row, request, seen.seen, seen.limit, page, 0, 0]


def select_guarded(backend: Backend, problem: GuardedProblem, record: Any = None) -> bf.PagedKvAppendPlan:
    preference = GUARDED.replace(error_record=None if record is None else bf.ErrorRecord(record))
    return bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor, preference)


def run_and_check(backend: Backend, problem: GuardedProblem) -> None:
    """One append with a record between guard bands, against the oracle."""
    operands, record = problem.put(backend), backend.put(UNCLAIMED)
    plan = select_guarded(backend, problem, record)
    plan.run(backend.stream, bf.Workspace.NONE, make_args(operands))
    problem.check(backend, operands)
    problem.check_record(backend.get(record))


@contextlib.contextmanager
def fresh(backend: Backend) -> Iterator[Backend]:
    """A backend of the same kind that lets go of its operands at the end: for tests with many examples."""
    if isinstance(backend, HostBackend):
        yield HostBackend()
        return
    from ..devices.cuda_backend import CudaBackend

    assert isinstance(backend, CudaBackend)
    inner = CudaBackend(backend.device, backend.stream)
    try:
        yield inner
    finally:
        inner.close()


def right_table(case: Case, rng: np.random.Generator) -> tuple[int, Array, Array, Array]:
    """Pages in the cache, indices, indptr, last_page_len: one to three pages a request, in random order."""
    sizes = rng.integers(1, 4, case.batch_size)
    used = int(sizes.sum())
    num_pages = used + int(rng.integers(0, 3))
    indices = rng.permutation(num_pages)[:used].astype(np.int32)
    indptr = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
    first = 0 if case.convention == "BEFORE_APPEND" else 1
    lengths = rng.integers(first, first + case.page_size, case.batch_size).astype(np.int32)
    return num_pages, indices, indptr, lengths
