"""Operands that say places, damaged at random, by every set of them: a hundred thousand small page tables on
each backend, `--damaged-tables 1000000` for more.

Guarded, hundreds of tables are one append; unguarded on the host, where one corrupt row refuses all, each
table is an append of its own.
"""

from __future__ import annotations

import numpy as np
import pytest

from support.damaged.guarded import fresh
from support.damaged.many_tables import append_and_check, many_tables
from support.damaged.page_tables import WAYS, convention_for
from support.devices.backends import Backend
from support.problems.cases import CONVENTIONS

KINDS = [(way, c) for way in WAYS for c in CONVENTIONS if convention_for(way, c) == c]
IDS = ["-".join(kind) for kind in KINDS]

#: How many tables an append has, but for some of one and of seven.
AT_ONCE = 500


@pytest.mark.parametrize(("way", "convention"), KINDS, ids=IDS)
def test_guarded(backend: Backend, way: str, convention: str, pytestconfig: pytest.Config) -> None:
    left = -(-pytestconfig.getoption("damaged_tables") // len(KINDS))
    seed = 0
    while left > 0:
        # Small ones too: there the ends of the operands are near.
        tables = min(left, (1, 7, AT_ONCE)[min(seed % 8, 2)])
        rng = np.random.default_rng([KINDS.index((way, convention)), seed])
        with fresh(backend) as inner:
            append_and_check(inner, many_tables(rng, way, convention, tables), guarded=True)
        left -= tables
        seed += 1


@pytest.mark.parametrize(("way", "convention"), KINDS, ids=IDS)
def test_many_rows(backend: Backend, way: str, convention: str) -> None:
    """So many that a kernel's threads may have more of a row each."""
    for seed in range(4):
        rng = np.random.default_rng([2000 + KINDS.index((way, convention)), seed])
        with fresh(backend) as inner:
            many = many_tables(rng, way, convention, 2100, narrow=True)
            append_and_check(inner, many, guarded=True, width=64)


@pytest.mark.parametrize(("way", "convention"), KINDS, ids=IDS)
def test_not_guarded(backend: Backend, way: str, convention: str, pytestconfig: pytest.Config) -> None:
    """The host refuses a table whole, or skips its padding; on CUDA an append is always judged."""
    for seed in range(-(-pytestconfig.getoption("damaged_tables") // 100 // len(KINDS))):
        rng = np.random.default_rng([1000 + KINDS.index((way, convention)), seed])
        with fresh(backend) as inner:
            append_and_check(inner, many_tables(rng, way, convention, 1), guarded=False)


def test_the_tables_are_of_every_kind() -> None:
    """Some of them right, some refused, some that only padding is wrong in; each reason is met."""
    from baracuda_ffi import Corruption
    from baracuda_ffi._reference.places import Wrong
    from support.damaged.page_tables import found_places

    reasons: set[Corruption] = set()
    outcomes = set()
    for number, (way, convention) in enumerate(KINDS):
        for seed in range(200):
            many = many_tables(np.random.default_rng([number, seed]), way, convention, 1)
            found = found_places(many.table, many.extent, many.pages)
            reasons |= {each.corrupt[1] for each in found if isinstance(each, Wrong)}
            outcomes.add((any(isinstance(each, Wrong) for each in found), None in found, many.in_order))
    # The last two are of copies of pages.
    assert reasons == set(Corruption) - {Corruption.SOURCE, Corruption.DESTINATION}
    assert len(outcomes) == 8
