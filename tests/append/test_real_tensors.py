"""Real tensors through the Python package: every form of rows and caches in every type and width, by every
way in, all memory compared with the oracle's.
"""

from __future__ import annotations

import itertools
import random
from functools import partial

import pytest

import baracuda_ffi as bf
from support.damaged.page_tables import WAYS
from support.devices.backends import Backend
from support.problems.cases import CONVENTIONS, LAYOUTS
from support.problems.elements import F16
from support.views.each_case import append_each
from support.views.real_append import ALL_CACHES, make
from support.views.real_cases import MIRRORED_CASES, complete, every_form, exhaustive, pairs
from support.views.views import ROWS

FORMS = list(itertools.product(ROWS, ALL_CACHES))
RAGGED = [way for way, row in WAYS.items() if row.addressing is bf.Addressing.RAGGED]


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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("way", RAGGED)
def test_ragged_rows_of_many_vectors(backend: Backend, way: str, layout: str) -> None:
    """Of so many that a GPU's thread may copy two of a row: from 8192 to 16384."""
    rng = random.Random(f"{way} {layout}")
    fixed = {"way": way, "layout": layout, "element": F16, "wide": ()}
    for heads, width, requests in ((8, 128, 70), (3, 256, 100), (1, 512, 150)):
        said = fixed | {"heads": heads, "widths": (width, width)}
        cases = [complete(rng, said) for _ in range(8)]
        append_each(backend, cases, partial(make, requests=requests))


def test_every_pair_of_values_meets() -> None:
    """What the cases are drawn from has no pair that the matrix lacks."""
    met = {pair for form in FORMS for case in every_form(*form) for pair in pairs(case)}
    rng = random.Random(5)
    for _ in range(5000):
        case = complete(rng, {})
        missing = [pair for pair in pairs(case) if pair not in met]
        assert not missing, case
