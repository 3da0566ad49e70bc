"""Every transform, from every type, by every way to say places and every way in, over rows, caches and scales
of every form: all memory compared with the oracle's, on both backends.
"""

from __future__ import annotations

import pytest

from support.damaged.page_tables import WAYS, convention_for
from support.devices.backends import Backend
from support.problems.cases import CONVENTIONS, LAYOUTS
from support.problems.elements import Element
from support.quantised.quantised_append import KIND_IDS, KINDS, make
from support.quantised.quantised_cases import drawn, values_of
from support.views.each_case import append_each

each_kind = pytest.mark.parametrize(("transform", "element"), KINDS, ids=KIND_IDS)
NAMES = ("rows", "caches", "scales", "scale", "source", "entrance", "widths", "heads")


@each_kind
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_places(backend: Backend, transform: str, element: Element, way: str) -> None:
    for convention in CONVENTIONS:
        if convention_for(way, convention) == convention:
            fixed = {"way": way, "convention": convention}
            append_each(backend, drawn(transform, element, 20, "ways", **fixed), make)


@each_kind
@pytest.mark.parametrize("name", NAMES)
def test_every_value_of(backend: Backend, transform: str, element: Element, name: str) -> None:
    met = 0
    for value in values_of(transform)[name]:
        for layout in LAYOUTS:
            fixed = {name: value, "layout": layout}
            if name == "scales" and value in ("inline", "behind"):
                fixed["caches"] = "packed"
            if can_be(transform, element, **fixed):
                append_each(backend, drawn(transform, element, 4, name, **fixed), make)
                met += 1
    assert met


def can_be(transform: str, element: Element, **fixed: object) -> bool:
    """Whether there is a case of it: FP8_DS_MLA's rows are not anywhere, nor of float32."""
    if transform != "FP8_DS_MLA":
        return True
    return fixed.get("caches") not in ("odd-rows", "padded-pages") and (
        getattr(fixed.get("source"), "symbol", "") != "f32"
    )
