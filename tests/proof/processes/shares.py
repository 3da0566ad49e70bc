"""One cache, several users: each has requests and pages of its own in it, and decodes some steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from baracuda_ffi.reference import append_paged_kv_reference
from support.devices.bits import Array, random_bits
from support.problems.cases import Case
from support.problems.conversation import Step
from support.problems.elements import BF16

USERS = 16
STEPS = 8
PAGES_A_REQUEST = 2

CASE = Case(
    BF16, "NHD", "BEFORE_APPEND", page_size=STEPS // PAGES_A_REQUEST, batch_size=8, num_heads=2, head_dim=64
)
NUM_PAGES = USERS * CASE.batch_size * PAGES_A_REQUEST + 5


@dataclass
class Share:
    """The requests of user `number`: its pages lie between everybody else's, in random order."""

    number: int
    case: Case = CASE
    steps: list[Step] = field(init=False)

    def __post_init__(self) -> None:
        case = self.case
        rng = np.random.default_rng([13, self.number])
        every = np.random.default_rng(12).permutation(NUM_PAGES).astype(np.int32)
        mine = case.batch_size * PAGES_A_REQUEST
        pages = every[self.number * mine : (self.number + 1) * mine].reshape(case.batch_size, PAGES_A_REQUEST)
        self.steps = [self._step(rng, pages, tokens) for tokens in range(STEPS)]

    def _step(self, rng: np.random.Generator, pages: Array, tokens: int) -> Step:
        case = self.case
        owned = tokens // case.page_size + 1
        return Step(
            key=random_bits(rng, case.row_shape, case.element.dtype),
            value=random_bits(rng, case.row_shape, case.element.dtype),
            indices=np.ascontiguousarray(pages[:, :owned]).reshape(-1),
            indptr=np.arange(0, owned * case.batch_size + 1, owned, dtype=np.int32),
            last_page_len=np.full(case.batch_size, tokens % case.page_size, np.int32),
        )


def first_caches(case: Case = CASE) -> dict[str, Array]:
    """k_data and v_data before anybody appends."""
    rng = np.random.default_rng(11)
    return {
        name: random_bits(rng, case.cache_shape(NUM_PAGES), case.element.dtype)
        for name in ("k_data", "v_data")
    }


def last_caches(shares: list[Share], case: Case = CASE) -> dict[str, Array]:
    """What they hold when all users are done, by the oracle, in whatever order."""
    caches = first_caches(case)
    for share in shares:
        for step in share.steps:
            append_paged_kv_reference(
                step.key,
                step.value,
                caches["k_data"],
                caches["v_data"],
                step.indices,
                step.indptr,
                step.last_page_len,
                layout=case.kv_layout,
                length_convention=case.length_convention,
            )
    return caches
