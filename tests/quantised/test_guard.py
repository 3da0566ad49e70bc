"""The guard under transforms: tables damaged anywhere, in memory whose every other byte must stay, scales
included; and rows that are skipped leave their scales as they were.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import baracuda_ffi as bf
from support.damaged.guarded import fresh
from support.damaged.page_tables import WAYS
from support.devices.backends import Backend
from support.problems.elements import Element
from support.quantised.quantised_append import KIND_IDS, KINDS, QuantisedAppend, make
from support.quantised.quantised_cases import drawn
from support.views.real_append import GUARDED, append_and_check

each_kind = pytest.mark.parametrize(("transform", "element"), KINDS, ids=KIND_IDS)

many = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@each_kind
@many
@given(data=st.data())
def test_damaged_tables(backend: Backend, transform: str, element: Element, data: st.DataObject) -> None:
    """Any case of the matrix with a table that is wrong, by the ways in that skip what is."""
    seed = data.draw(st.integers(0, 2**32 - 1), "seed")
    entrance = data.draw(st.sampled_from(tuple(GUARDED)), "entrance")
    (case,) = drawn(transform, element, 1, seed, table="damaged", entrance=entrance)
    with fresh(backend) as inner:
        append_and_check(inner, make(case, seed))


@each_kind
@pytest.mark.parametrize("way", WAYS)
def test_words_as_a_table(backend: Backend, transform: str, element: Element, way: str) -> None:
    """No structure at all: nearly nothing is served, and nothing else is touched."""
    for seed in range(6):
        (case,) = drawn(
            transform, element, 1, seed, way=way, table="right", entrance="guarded one-liner", rows="packed"
        )
        real = make(case, seed)
        for name in WAYS[way].names:
            words = real.views[name]
            raw = np.frombuffer(real.memory.rng.bytes(words.nbytes), words.dtype)
            words[...] = raw.reshape(words.shape)
            if name == "append_indptr":
                words[...] = np.sort(words)  # out of order backends need not agree
        if _apart(real):
            with fresh(backend) as inner:
                append_and_check(inner, real)


def _apart(real: QuantisedAppend) -> bool:
    """Whether no two rows name one place, of which it is undefined which stays."""
    from baracuda_ffi._append.addressing import PLACE_NAMES
    from baracuda_ffi._reference.places import places_of

    case = real.case
    found = places_of(
        *(real.views[name] if name in WAYS[case.way].names else None for name in PLACE_NAMES),
        num_rows=len(real.views["key"]),
        num_total_pages=real.pages,
        page_size=case.page_size,
        counts_new=case.convention == "AFTER_APPEND",
        skip_slot=None,
    )
    places = [place for place in found if isinstance(place, tuple)]
    return len(set(places)) == len(places)


@each_kind
def test_nothing_but_padding_writes_nothing(backend: Backend, transform: str, element: Element) -> None:
    for entrance in ("one-liner", "run", "unguarded run"):
        (case,) = drawn(transform, element, 1, entrance, way="slot_mapping", table="right", entrance=entrance)
        real = make(case, 1)
        real.views["slot_mapping"][...] = -1
        before = [block.copy() for block in real.memory.blocks]
        expected, corrupt = real.expected()
        assert not corrupt
        assert all((a == b).all() for a, b in zip(expected, before, strict=True))
        with fresh(backend) as inner:
            append_and_check(inner, real)


@each_kind
def test_the_host_refuses_whole_where_it_is_not_guarded(transform: str, element: Element) -> None:
    """One slot too far among many that are right: not a byte of caches or scales, of any row."""
    (case,) = drawn(
        transform, element, 1, "whole", way="slot_mapping", table="right", entrance="one-liner", held="none"
    )
    real = make(case, 4, requests=60)
    real.views["slot_mapping"][-1] = real.pages * case.page_size
    before = [block.copy() for block in real.memory.blocks]
    said = real.said_to_the_one_liner | {"layout": case.layout, "length_convention": case.convention}
    with pytest.raises(bf.InvalidProblem, match="slot"):
        bf.append_paged_kv(**real.handed_over(), stream=None, **said)
    assert all((a == b).all() for a, b in zip(real.memory.blocks, before, strict=True))


@each_kind
def test_many_rows_by_several_threads(backend: Backend, transform: str, element: Element) -> None:
    """Large enough that the host backend cuts it up."""
    fixed = {"way": "slot_mapping", "table": "damaged", "entrance": "run", "rows": "packed", "heads": 0}
    (case,) = drawn(transform, element, 1, "large", **fixed)
    widths = (512, 64) if transform == "FP8_DS_MLA" else (256, 256)
    with fresh(backend) as inner:
        real = make(dataclasses.replace(case, widths=widths, page_size=16), 9, requests=6000)
        append_and_check(inner, real)
