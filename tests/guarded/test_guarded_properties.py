"""Guarded appends over random page tables, right and damaged, against the oracle: every byte of the caches,
the record, and the bands around every operand. Thousands of cases a backend.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from support.damaged.damage import damaged_problems, right_problems
from support.damaged.guarded import INT32, GuardedProblem, fresh, right_table, run_and_check
from support.devices.backends import Backend
from support.devices.bits import Array, random_bits
from support.problems.cases import CONVENTIONS, LAYOUTS, Case
from support.problems.elements import BF16, ELEMENTS, FP8_E5M2

many = settings(
    max_examples=700,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.slow
@many
@given(problem=right_problems())
def test_right_tables(backend: Backend, problem: GuardedProblem) -> None:
    """Padding included; nothing is recorded."""
    assert problem.corrupt == []
    with fresh(backend) as inner:
        run_and_check(inner, problem)


@pytest.mark.slow
@many
@given(problem=damaged_problems())
def test_damaged_tables(backend: Backend, problem: GuardedProblem) -> None:
    with fresh(backend) as inner:
        run_and_check(inner, problem)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_entries_overwritten_at_random(backend: Backend, seed: int) -> None:
    """Three hundred tables of small batches, most of them with damage: wide, where the two above are deep."""
    rng = np.random.default_rng([seed, 11])
    for _ in range(300):
        case = Case(
            ELEMENTS[rng.integers(len(ELEMENTS))],
            LAYOUTS[rng.integers(2)],
            CONVENTIONS[rng.integers(2)],
            page_size=int(rng.integers(1, 6)),
            batch_size=int(rng.integers(1, 7)),
            num_heads=int(rng.integers(1, 4)),
            head_dim=int(rng.integers(1, 100)),
        )
        num_pages, *table = right_table(case, rng)
        near = np.array([0, 1, num_pages, case.page_size, table[0].size, INT32.min, INT32.max])
        for _ in range(rng.integers(0, 4)):
            part = table[rng.integers(3)]
            part[rng.integers(part.size)] = np.clip(
                rng.choice(near) + rng.integers(-1, 2), INT32.min, INT32.max
            )
        with fresh(backend) as inner:
            run_and_check(inner, GuardedProblem(case, num_pages, *table, seed=int(rng.integers(2**32))))


@pytest.mark.parametrize("seed", range(8))
def test_random_words_as_a_table(backend: Backend, seed: int) -> None:
    """No structure at all: nearly nothing is served, and nothing else is touched."""
    rng = np.random.default_rng(seed)
    case = Case(BF16, "NHD", "AFTER_APPEND", page_size=5, batch_size=200, num_heads=2, head_dim=23)

    def words(count: int) -> Array:
        return random_bits(rng, (count,), ("i4", "i8")[seed % 2])

    run_and_check(backend, GuardedProblem(case, 30, words(400), words(201), words(200), seed=seed))


def test_most_requests_damaged_in_a_large_batch(backend: Backend) -> None:
    """Large enough for several threads of the host backend, which must agree on one claim."""
    rng = np.random.default_rng(7)
    batch = 3000
    case = Case(FP8_E5M2, "HND", "BEFORE_APPEND", page_size=2, batch_size=batch, num_heads=4, head_dim=336)
    indices = rng.permutation(batch).astype(np.int32)
    lengths = rng.integers(0, 2, batch).astype(np.int32)
    spoilt = rng.random(batch)
    indices[spoilt < 0.3] = batch + 5
    indices[(spoilt >= 0.3) & (spoilt < 0.4)] = -1
    lengths[(spoilt >= 0.4) & (spoilt < 0.7)] = 2
    problem = GuardedProblem(case, batch, indices, np.arange(batch + 1, dtype=np.int32), lengths)
    assert len(problem.corrupt) > batch // 2
    run_and_check(backend, problem)
