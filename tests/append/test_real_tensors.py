"""Real tensors through the Python package: every form of rows and caches in every type and width, by every
way in, all memory compared with the oracle's.
"""

from __future__ import annotations

import itertools
import random

import pytest

from support.devices.backends import Backend
from support.problems.cases import CONVENTIONS, LAYOUTS
from support.views.each_case import append_each
from support.views.real_append import ALL_CACHES, make
from support.views.real_cases import MIRRORED_CASES, complete, every_form, exhaustive, pairs
from support.views.views import ROWS

FORMS = list(itertools.product(ROWS, ALL_CACHES))


@pytest.mark.parametrize(("rows", "caches"), FORMS)
def test_every_form(backend: Backend, rows: str, caches: str, pytestconfig: pytest.Config) -> None:
    every = pytestconfig.getoption("all_real_tensors")
    append_each(backend, (exhaustive if every else every_form)(rows, caches), make)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_plans_that_are_not_guarded(backend: Backend, layout: str, convention: str) -> None:
    append_each(
        backend, (c for c in MIRRORED_CASES if (c.layout, c.convention) == (layout, convention)), make
    )


def test_every_pair_of_values_meets() -> None:
    """What the cases are drawn from has no pair that the matrix lacks."""
    met = {pair for form in FORMS for case in every_form(*form) for pair in pairs(case)}
    rng = random.Random(5)
    for _ in range(5000):
        case = complete(rng, {})
        missing = [pair for pair in pairs(case) if pair not in met]
        assert not missing, case
