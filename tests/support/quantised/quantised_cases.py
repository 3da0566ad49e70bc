"""The matrix of appends that quantise: what a list does not go through is drawn for each of its cases."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

from ..damaged.page_tables import ROLES, STATES, WAYS
from ..problems.cases import CONVENTIONS, LAYOUTS
from ..problems.elements import Element
from ..views.real_append import GUARDED, MIRRORED, UNGUARDED
from ..views.views import CACHES, ROWS
from .quantised_append import BLOCK_SCALES, ROW_SCALES, SCALE_FORMS, SOURCES, QuantisedCase

# 0: key alone. Rows as short and as odd as there are, and models' own.
WIDTHS = (
    *((width, width) for width in (1, 3, 16, 33, 64, 80, 128, 256, 576)),
    (128, 64),
    (192, 128),
    (80, 48),
    (128, 0),
    (576, 0),
    (5, 0),
)
NVFP4_WIDTHS = (*((width, width) for width in (16, 48, 64, 128, 512)), (192, 128), (128, 0), (16, 0))
DS_MLA_WIDTHS = ((512, 64), (512, 0))

_VALUES: dict[str, Sequence[Any]] = {
    "rows": tuple(ROWS),
    "caches": tuple(CACHES),
    "heads": (0, 1, 3, 8),
    "page_size": (1, 5, 16),
    "layout": LAYOUTS,
    "convention": CONVENTIONS,
    "wide": tuple(roles for n in range(len(ROLES) + 1) for roles in itertools.combinations(ROLES, n)),
    "table": STATES,
    "held": ("none", "caches"),
    "entrance": (*UNGUARDED, *MIRRORED, *GUARDED),
    "form": ("array", "pointer"),
    "way": tuple(WAYS),
    "source": SOURCES,
    "scale": SCALE_FORMS,
    "values": ("bits", "numbers"),
}

_OF_TRANSFORM: dict[str, dict[str, Sequence[Any]]] = {
    "FP8": {"widths": WIDTHS, "scales": ("packed",)},
    "PER_TOKEN_HEAD": {"widths": WIDTHS, "scales": ROW_SCALES},
    "FP8_DS_MLA": {"widths": DS_MLA_WIDTHS, "scales": ("packed",), "heads": (0,)},
    "NVFP4": {"widths": NVFP4_WIDTHS, "scales": BLOCK_SCALES},
}


def values_of(transform: str) -> dict[str, Sequence[Any]]:
    return _VALUES | _OF_TRANSFORM[transform]


def drawn(
    transform: str, element: Element, count: int, seed: object, **fixed: Any
) -> Iterator[QuantisedCase]:
    """Cases with what is fixed, and anything else."""
    rng = random.Random(f"{transform} {element.symbol} {seed} {fixed}")
    values = values_of(transform)
    while count:
        chosen = {name: rng.choice(among) for name, among in values.items()} | fixed
        case = QuantisedCase(transform=transform, element=element, **chosen)
        if case.is_valid:
            count -= 1
            yield case
