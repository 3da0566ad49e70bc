"""Lists of pages that are wrong: guarded, every other page is copied, nothing else is touched, and the first
that is wrong is recorded; unguarded, the host refuses the call whole.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import baracuda_ffi as bf
from support.damaged.guarded import UNCLAIMED, fresh
from support.devices.backends import Backend, HostBackend
from support.pages.page_call import ALL_FORMS, MOVEMENTS, PageCall, check_blocks, make_call, refused
from support.problems.elements import ALL_ELEMENTS
from support.views.views import Extents

PAGES = 7
EXTENTS = Extents(heads=2, width=24, value_width=24, pages=PAGES, slots=3)


def record_of(corrupt: tuple[None, bf.Corruption, bf.SeenValues]) -> list[int]:
    """The 64 bytes, as eight int64: reason and operand are halves of the first."""
    _, reason, seen = corrupt
    operand = {"source": 2, "destination": 3}[seen.operand]
    return [int(reason) | operand << 32, seen.row, -1, seen.seen, seen.limit, seen.seen, 0, 0]


def run_guarded(backend: Backend, call: PageCall) -> None:
    """All memory is as the oracle's, and the record has one of the pairs that are wrong, or none."""
    assert call.guarded
    expected, corrupt = call.expected()
    blocks, operands = call.put(backend)
    memory = backend.put(UNCLAIMED)
    call.launch(backend, operands, bf.ErrorRecord(memory))
    check_blocks(backend, blocks, expected)
    found = backend.get(memory).tolist()
    if corrupt:
        assert found in [record_of(each) for each in corrupt]
    else:
        assert found == UNCLAIMED.tolist()


@st.composite
def damaged_calls(draw: st.DrawFn) -> PageCall:
    """Any form, any element, and lists of which any entry may be anything. No page that would be written is
    named twice: of such a page nothing is said."""
    movement = draw(st.sampled_from(MOVEMENTS))
    extents = Extents(
        heads=draw(st.integers(1, 3)),
        width=draw(st.integers(1, 40)),
        value_width=draw(st.integers(1, 40)),
        pages=draw(st.integers(1, 9)),
        slots=draw(st.integers(1, 4)),
        element=draw(st.sampled_from(ALL_ELEMENTS)),
    )
    pages = extents.pages
    order = draw(st.permutations(range(pages)))
    split = draw(st.integers(0, pages))
    wrong = [-1, -(2**31), pages, pages + 1, 2**31 - 1]
    wide = [-(2**63), 2**32, 2**32 + 1, 2**63 - 1, -(2**32) + 1]
    dtypes = draw(st.sampled_from([("i4", "i4"), ("i8", "i4"), ("i4", "i8"), ("i8", "i8")]))

    def spoilt(ids: list[int], dtype: str) -> list[int]:
        values = st.sampled_from(wrong + (wide if dtype == "i8" else []))
        return [draw(st.one_of(st.just(each), st.just(each), values)) for each in ids]

    destination = order[:split]
    of = order[split:] or [-1]
    source = [draw(st.sampled_from(of)) for _ in destination]
    lists = {"source": spoilt(source, dtypes[0]), "destination": spoilt(destination, dtypes[1])}
    form = draw(st.sampled_from(ALL_FORMS))
    layout, seed = draw(st.sampled_from(["HND", "NHD"])), draw(st.integers(0, 2**32))
    return make_call(
        movement, form, extents, seed=seed, layout=layout, lists=lists, dtypes=dtypes, guarded=True
    )


@pytest.mark.slow
@settings(
    max_examples=600,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(call=damaged_calls())
def test_damaged_lists(backend: Backend, call: PageCall) -> None:
    with fresh(backend) as inner:
        run_guarded(inner, call)


@pytest.mark.parametrize("movement", MOVEMENTS)
@pytest.mark.parametrize("wrong", [PAGES, 2**31 - 1, 2**31, 2**32 + 1, 2**63 - 1])
def test_each_id_that_is_no_page(backend: Backend, movement: str, wrong: int) -> None:
    right = {"source": [0, 1, 2], "destination": [3, 4, 5]}
    for name in right:
        lists = right | {name: [right[name][0], wrong, right[name][2]]}
        dtypes = ("i8", "i8") if wrong >= 2**31 else ("i4", "i4")
        call = make_call(movement, "interleaved", EXTENTS, lists=lists, dtypes=dtypes, guarded=True)
        assert len(call.expected()[1]) == (name in call.lists)
        run_guarded(backend, call)


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_most_of_many_are_wrong(backend: Backend, movement: str) -> None:
    """Enough for several threads of the host, which agree on one record."""
    rng = np.random.default_rng(5)
    extents = Extents(heads=4, width=128, value_width=128, pages=800, slots=8)
    order = rng.permutation(800)
    lists = {"source": order[400:].tolist(), "destination": order[:400].tolist()}
    for name in lists:
        for i in rng.choice(400, 150, replace=False):
            lists[name][i] = int(rng.choice([-1, 800, 1000, 2**31 - 1]))
    call = make_call(movement, "packed", extents, lists=lists, guarded=True)
    assert len(call.expected()[1]) > 50
    run_guarded(backend, call)


def test_what_the_record_raises(backend: Backend) -> None:
    for movement, name in (("copy", "destination"), ("gather", "source")):
        lists = {"source": [0, 1, 2], "destination": [3, 4, 5]}
        lists[name][1] = PAGES + 4
        call = make_call(movement, "packed", EXTENTS, lists=lists, guarded=True)
        _, operands = call.put(backend)
        record = bf.ErrorRecord.allocate(backend.stream)
        call.launch(backend, operands, record)
        with pytest.raises(bf.CorruptPageTable, match="copy 1 was not made") as raised:
            record.check(backend.stream)
        assert raised.value.reason is bf.Corruption[name.upper()]
        assert raised.value.request is None
        assert raised.value.values == bf.SeenValues(
            operand=name, row=1, seen=PAGES + 4, limit=PAGES, page=PAGES + 4
        )
        record.reset(backend.stream)
        record.check(backend.stream)


UNGUARDED: list[tuple[str, dict[str, list[int]], str]] = [
    ("copy", {"source": [0, PAGES], "destination": [1, 2]}, r"source\[1\] is 7; it should be below"),
    ("copy", {"source": [0, 1], "destination": [2, 99]}, r"destination\[1\] is 99; it should be below"),
    ("gather", {"source": [0, PAGES]}, r"source\[1\] is 7; it should be below"),
    ("scatter", {"destination": [PAGES]}, r"destination\[0\] is 7; it should be below"),
    ("copy", {"source": [0, 1, 2], "destination": [3, 4, 3]}, r"destination\[0\] and destination\[2\] are"),
    ("scatter", {"destination": [5, 4, 5]}, r"destination\[0\] and destination\[2\] are both 5"),
    ("copy", {"source": [0, 3], "destination": [3, 1]}, r"source\[1\] and destination\[0\] are both 3"),
    ("copy", {"source": [0, 1], "destination": [1, 0]}, r"source\[0\] and destination\[1\] are both 0"),
    ("copy", {"source": [0, PAGES, 0], "destination": [1, 2, 1]}, r"source\[1\] is 7"),
]


@pytest.mark.parametrize(("movement", "lists", "says"), UNGUARDED, ids=str)
def test_refused_whole(
    host_backend: HostBackend, movement: str, lists: dict[str, list[int]], says: str
) -> None:
    call = make_call(movement, "interleaved", EXTENTS, lists=lists)
    with pytest.raises(ValueError, match=r"of 7 pages|twice|two rows"):
        call.expected()
    assert re.search(says, refused(call, host_backend))
    many = {name: [*ids, *[-1] * 1000] for name, ids in lists.items()}
    assert re.search(says, refused(make_call(movement, "packed", EXTENTS, lists=many), host_backend))


def test_padding_may_name_a_page_again(host_backend: HostBackend) -> None:
    """What is skipped neither reads nor writes; nor does a page that would be copied to itself."""
    lists = {"source": [0, -1, 3, 4, 3], "destination": [1, 1, -1, 4, 5]}
    make_call("copy", "packed", EXTENTS, lists=lists).run_and_check(host_backend)
    lists = {"source": [2, 0], "destination": [2, 2]}
    make_call("copy", "packed", EXTENTS, lists=lists).run_and_check(host_backend)


def test_a_page_that_is_named_twice_touches_no_other(backend: Backend) -> None:
    """Guarded, it holds bytes of any of the pages concerned, and everything else is as it should be."""
    lists = {"source": [0, 1, 2, 3], "destination": [4, 4, 5, 2]}
    call = make_call("copy", "packed", EXTENTS, lists=lists, guarded=True)
    blocks, operands = call.put(backend)
    before = {name: np.array(view) for name, view in call.views.items()}
    call.launch(backend, operands)
    for name in ("k_data", "v_data"):
        i, offset = call.memory.place(call.views[name])
        view = call.views[name]
        after: Any = np.ndarray(view.shape, view.dtype, np.array(backend.get(blocks[i])).data, offset)
        bits, was = after.view("u2"), before[name].view("u2")
        for page in (0, 1, 3, 6):
            assert (bits[page] == was[page]).all()
        assert (bits[2] == was[3]).all()
        assert ((bits[4] == was[0]) | (bits[4] == was[1])).all()
        assert ((bits[5] == was[2]) | (bits[5] == was[3])).all()
    backend.check_guards()
