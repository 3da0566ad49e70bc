"""One small append, its seven operands as host arrays, and what the oracle says it should leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from baracuda_ffi.reference import append_paged_kv_reference

from ..calls.operands import CACHES, NAMES
from ..devices.bits import Array, assert_same_bits, random_bits
from ..devices.host_memory import aligned
from .cases import Case
from .elements import F16

PAGES_PER_REQUEST = 2

SMALL = Case(F16, "HND", "BEFORE_APPEND", page_size=4, batch_size=3, num_heads=2, head_dim=64)


@dataclass
class Problem:
    """Every request owns two pages in random order; the lengths are random and legal, unless given."""

    case: Case = SMALL
    seed: int = 0
    last_page_len: list[int] | None = None
    spare_pages: int = 2
    arrays: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        case = self.case
        rng = np.random.default_rng([self.seed, *str(case).encode()])
        used = case.batch_size * PAGES_PER_REQUEST
        self.num_pages = used + self.spare_pages
        first = 0 if case.convention == "BEFORE_APPEND" else 1
        lengths = self.last_page_len
        if lengths is None:
            lengths = rng.integers(first, first + case.page_size, case.batch_size).tolist()
        cache = case.cache_shape(self.num_pages)
        values = {
            "key": random_bits(rng, case.row_shape, case.element.dtype),
            "value": random_bits(rng, case.row_shape, case.element.dtype),
            "k_data": random_bits(rng, cache, case.element.dtype),
            "v_data": random_bits(rng, cache, case.element.dtype),
            "indices": rng.permutation(self.num_pages)[:used].astype(np.int32),
            "indptr": np.arange(0, used + 1, PAGES_PER_REQUEST, dtype=np.int32),
            "last_page_len": np.array(lengths, np.int32),
        }
        self.arrays = {}
        for name in NAMES:
            self.arrays[name] = aligned(values[name].shape, values[name].dtype)
            self.arrays[name][...] = values[name]

    def snapshot(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self.arrays.items()}

    def expected(self) -> dict[str, Array]:
        """The caches after the append, by the oracle."""
        return expected_caches(self.case, self.arrays)


def expected_caches(case: Case, arrays: dict[str, Array]) -> dict[str, Array]:
    """Copies of the caches in `arrays` after the append that `arrays` describes, by the oracle."""
    caches = {name: arrays[name].copy() for name in CACHES}
    append_paged_kv_reference(
        arrays["key"],
        arrays["value"],
        caches["k_data"],
        caches["v_data"],
        arrays["indices"],
        arrays["indptr"],
        arrays["last_page_len"],
        layout=case.kv_layout,
        length_convention=case.length_convention,
    )
    return caches


def assert_unchanged(arrays: dict[str, Array], snapshot: dict[str, Array]) -> None:
    """All seven operands, bit for bit."""
    for name in NAMES:
        assert_same_bits(arrays[name], snapshot[name], name)


def assert_appended(problem: Problem, snapshot: dict[str, Array]) -> None:
    """The caches hold what the oracle says of the snapshot, the inputs what they held."""
    expected = snapshot | expected_caches(problem.case, snapshot)
    assert_unchanged(problem.arrays, expected)
