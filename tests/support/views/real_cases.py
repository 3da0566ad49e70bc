"""The matrix of real tensors: which combinations are run. What a list does not go through (the heads, the
layouts and conventions, which operands say places, their integers and their state, the way in) is drawn for
each of its cases; test_real_tensors.py holds that every pair of values meets that can.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from ..damaged.page_tables import DECODE, ROLES, STATES, WAYS
from ..problems.cases import CONVENTIONS, LAYOUTS
from ..problems.elements import ALL_ELEMENTS, ELEMENTS, HEAD_DIMS
from .real_append import ALL_CACHES, GUARDED, HELD, MIRRORED, UNGUARDED, RealCase
from .views import ROWS

# 0: key alone.
WIDTHS = (
    *((width, width) for width in (1, 3, 16, 64, 80, 128, 192, 256, 576)),
    (128, 64),
    (192, 128),
    (80, 48),
    (512, 64),
    (128, 0),
    (576, 0),
    (3, 0),
)
HEADS = (0, 1, 3, 8)
PAGE_SIZES = (1, 5, 16)
# torch, which not every machine has, has a test of its own.
FORMS = ("array", "pointer")
WIDE = tuple(roles for n in range(len(ROLES) + 1) for roles in itertools.combinations(ROLES, n))

_VALUES: dict[str, Sequence[Any]] = {
    "rows": tuple(ROWS),
    "caches": ALL_CACHES,
    "element": ALL_ELEMENTS,
    "widths": WIDTHS,
    "heads": HEADS,
    "page_size": PAGE_SIZES,
    "layout": LAYOUTS,
    "convention": CONVENTIONS,
    "wide": WIDE,
    "table": STATES,
    "held": tuple(HELD),
    "entrance": (*UNGUARDED, *GUARDED),
    "form": FORMS,
    "way": tuple(WAYS),
}

Pair = tuple[str, Any, str, Any]


def pairs(case: RealCase) -> Iterator[Pair]:
    values = [(field.name, getattr(case, field.name)) for field in fields(case)]
    for (a, x), (b, y) in itertools.combinations(values, 2):
        yield a, x, b, y


def complete(rng: random.Random, fixed: dict[str, Any]) -> RealCase:
    """A case with what is fixed, and anything else."""
    while True:
        case = RealCase(**{name: rng.choice(values) for name, values in _VALUES.items()} | fixed)
        if case.is_valid:
            return case


def _product(fixed: dict[str, Any], names: tuple[str, ...]) -> Iterator[RealCase]:
    """Every combination of the named values that can be, with what is fixed, each completed at random."""
    rng = random.Random("+".join(map(str, fixed.values())))
    least = {name: values[0] for name, values in _VALUES.items()} | {"heads": 1, "way": DECODE} | fixed
    for values in itertools.product(*(_VALUES[name] for name in names)):
        product = dict(zip(names, values, strict=True))
        if RealCase(**least | product).is_valid:
            yield complete(rng, fixed | product)


def every_form(rows: str, caches: str) -> Iterator[RealCase]:
    """Those forms in every element type and width."""
    return _product({"rows": rows, "caches": caches}, ("element", "widths"))


def exhaustive(rows: str, caches: str) -> Iterator[RealCase]:
    """Those forms in every element type, width, page size, number of heads, layout and way to hold fp8."""
    names = ("element", "widths", "page_size", "heads", "layout", "held")
    return _product({"rows": rows, "caches": caches}, names)


#: What passes baracuda-kernels' checks, by the plans that are held to them.
MIRRORED_CASES: list[RealCase] = [
    RealCase(
        rows=rows,
        caches="packed",
        element=element,
        widths=(width, width),
        heads=heads,
        page_size=5,
        layout=layout,
        convention=convention,
        wide=(),
        table="right",
        held="none",
        entrance=entrance,
        form=form,
    )
    for element, width, heads, rows, layout, convention, entrance, form in itertools.product(
        ELEMENTS, HEAD_DIMS, (1, 3), ("packed", "shared"), LAYOUTS, CONVENTIONS, MIRRORED, FORMS
    )
]
