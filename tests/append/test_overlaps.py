"""K and V in one allocation: what shares no byte is taken, what does is refused before a byte is written.

NumPy says what the truth is: `shares_memory` exactly, `may_share_memory` by the spans.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import baracuda_ffi as bf
from support.devices.bits import Array
from support.views.random_views import Placement, apart

PAGES, HEADS, SLOTS, WIDTH = 4, 2, 3, 16
SHAPE = (PAGES, HEADS, SLOTS, WIDTH)

many = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def new(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 2**16, shape).astype(np.uint16).view(np.float16)


def int32(*values: int) -> Array:
    return np.array(values, np.int32)


def operands(k_data: Array, v_data: Array, **others: Any) -> dict[str, Any]:
    """One request, whose row goes to slot 1 of page 2, in caches of HND."""
    heads = k_data.shape[1]
    return {
        "key": new(1, heads, k_data.shape[3]),
        "value": new(1, heads, v_data.shape[3]),
        "k_data": k_data,
        "v_data": v_data,
        "indices": int32(k_data.shape[0] // 2),
        "indptr": int32(0, 1),
        "last_page_len": int32(k_data.shape[2] // 2),
    } | others


def one_liner(given: dict[str, Any]) -> None:
    bf.append_paged_kv(**given, stream=None)


def guarded_one_liner(given: dict[str, Any]) -> None:
    bf.append_paged_kv(**given, stream=None, guarded=True)


def _plan(given: dict[str, Any]) -> bf.PagedKvAppendPlan:
    pages, heads, slots, width = given["k_data"].shape
    cache = bf.PagedKvCacheDescriptor(
        page_size=slots,
        num_total_pages=pages,
        num_kv_heads=heads,
        head_dim=width,
        value_head_dim=given["v_data"].shape[3],
        element="f16",
    )
    descriptor = bf.PagedKvAppendDescriptor(batch_size=1, paged_kv=cache)
    return bf.PagedKvAppendPlan.select(None, descriptor, bf.PlanPreference(guarded=True))


def run(given: dict[str, Any]) -> None:
    _plan(given).run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**given))


def bind(given: dict[str, Any]) -> None:
    _plan(given).bind(None, bf.PagedKvAppendArgs(**given))()


def rebind(given: dict[str, Any]) -> None:
    before = {name: operand.copy() for name, operand in given.items()}
    launch = _plan(given).bind(None, bf.PagedKvAppendArgs(**before))
    launch.rebind(**given)
    launch()


ENTRANCES = [one_liner, guarded_one_liner, run, bind, rebind]
Entrance = Callable[[dict[str, Any]], None]


def interleaved() -> tuple[Array, Array]:
    both = new(PAGES, 2, *SHAPE[1:])
    return both[:, 0], both[:, 1]


def side_by_side() -> tuple[Array, Array]:
    both = new(*SHAPE[:3], 2 * WIDTH)
    return both[..., :WIDTH], both[..., WIDTH:]


def other_width() -> tuple[Array, Array]:
    both = new(*SHAPE[:3], WIDTH + 5)
    return both[..., :WIDTH], both[..., WIDTH:]


def alternating_pages() -> tuple[Array, Array]:
    both = new(2 * PAGES, *SHAPE[1:])
    return both[::2], both[1::2]


def alternating_heads() -> tuple[Array, Array]:
    both = new(PAGES, 2 * HEADS, SLOTS, WIDTH)
    return both[:, ::2], both[:, 1::2]


def alternating_slots() -> tuple[Array, Array]:
    both = new(PAGES, HEADS, 2 * SLOTS, WIDTH)
    return both[:, :, ::2], both[:, :, 1::2]


def two_layers() -> tuple[Array, Array]:
    pool = new(PAGES, 3, *SHAPE[1:])
    return pool[:, 2], pool[:, 0]


def backwards() -> tuple[Array, Array]:
    k_data, v_data = interleaved()
    return k_data[::-1], v_data[::-1]


def neighbours() -> tuple[Array, Array]:
    both = new(2, *SHAPE)
    return both[1], both[0]


def other_order_of_dimensions() -> tuple[Array, Array]:
    """One step over pages, unlike ones within."""
    both = new(PAGES, 2, *SHAPE[1:])
    return both[:, 0], both[:, 1].reshape(PAGES, SLOTS, HEADS, WIDTH).swapaxes(1, 2)


def pages_of_two_widths() -> tuple[Array, Array]:
    """Each page holds its keys, then its values, which are wider."""
    keys, values = HEADS * SLOTS * WIDTH, HEADS * SLOTS * (WIDTH + 5)
    both = new(PAGES, keys + values)
    return both[:, :keys].reshape(SHAPE), both[:, keys:].reshape(*SHAPE[:3], WIDTH + 5)


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize(
    "caches",
    [
        interleaved,
        side_by_side,
        other_width,
        alternating_pages,
        alternating_heads,
        alternating_slots,
        two_layers,
        backwards,
        neighbours,
        other_order_of_dimensions,
        pages_of_two_widths,
    ],
)
def test_in_one_allocation_and_disjoint(
    caches: Callable[[], tuple[Array, Array]], entrance: Entrance
) -> None:
    k_data, v_data = caches()
    assert not np.shares_memory(k_data, v_data)
    given = operands(k_data, v_data)
    entrance(given)
    assert (k_data[2, :, 1].view(np.uint16) == given["key"][0].view(np.uint16)).all()
    assert (v_data[2, :, 1].view(np.uint16) == given["value"][0].view(np.uint16)).all()


def twice() -> tuple[Array, Array]:
    cache = new(*SHAPE)
    return cache, cache


def whole_slice() -> tuple[Array, Array]:
    cache = new(*SHAPE)
    return cache, cache[..., :]


def narrower() -> tuple[Array, Array]:
    cache = new(*SHAPE)
    return cache, cache[..., : WIDTH // 2]


def half_a_row_on() -> tuple[Array, Array]:
    both = new(*SHAPE[:3], WIDTH + WIDTH // 2)
    return both[..., :WIDTH], both[..., WIDTH // 2 :]


def one_element_on() -> tuple[Array, Array]:
    both = new(*SHAPE[:3], 2 * WIDTH)
    return both[..., :WIDTH], both[..., WIDTH - 1 : -1]


def one_page_on() -> tuple[Array, Array]:
    pool = new(PAGES + 1, *SHAPE[1:])
    return pool[:-1], pool[1:]


def one_slot_on() -> tuple[Array, Array]:
    pool = new(PAGES, HEADS, SLOTS + 1, WIDTH)
    return pool[:, :, :-1], pool[:, :, 1:]


def one_byte_of_the_last_row() -> tuple[Array, Array]:
    cache = new(2 * PAGES * HEADS * SLOTS * WIDTH)
    size = PAGES * HEADS * SLOTS * WIDTH
    return cache[:size].reshape(SHAPE), cache[size - 1 : 2 * size - 1].reshape(SHAPE)


def back_to_front() -> tuple[Array, Array]:
    cache = new(*SHAPE)
    return cache, cache[::-1]


def other_step_over_pages() -> tuple[Array, Array]:
    """Disjoint in truth, but of unlike strides in one span: that cannot be told in constant time."""
    both = new(2 * PAGES, 2, *SHAPE[1:])
    k_data, v_data = both[:PAGES, 0], both[::2, 1]
    assert not np.shares_memory(k_data, v_data)
    return k_data, v_data


def other_order_meeting() -> tuple[Array, Array]:
    """One step over pages, unlike ones within: a page of one reaches a row into a page of the other."""
    pool = new(PAGES + 1, 2 * HEADS * SLOTS, WIDTH)
    in_page = pool.shape[1]
    rows = pool.reshape(-1, WIDTH)
    first = HEADS * SLOTS - 1
    k_data = pool[:PAGES, : HEADS * SLOTS].reshape(PAGES, SLOTS, HEADS, WIDTH).swapaxes(1, 2)
    v_rows = rows[first : first + PAGES * in_page].reshape(PAGES, in_page, WIDTH)
    v_data = v_rows[:, : HEADS * SLOTS].reshape(SHAPE)
    assert np.shares_memory(k_data, v_data)
    return k_data, v_data


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize(
    "caches",
    [
        twice,
        whole_slice,
        narrower,
        half_a_row_on,
        one_element_on,
        one_page_on,
        one_slot_on,
        one_byte_of_the_last_row,
        back_to_front,
        other_step_over_pages,
        other_order_meeting,
    ],
)
def test_refused(caches: Callable[[], tuple[Array, Array]], entrance: Entrance) -> None:
    k_data, v_data = caches()
    before = k_data.copy(), v_data.copy()
    with pytest.raises(bf.InvalidProblem, match=r"k_data \(.*\) and v_data \(.*\) overlap"):
        entrance(operands(k_data, v_data))
    for cache, content in zip((k_data, v_data), before, strict=True):
        assert (cache.view(np.uint16) == content.view(np.uint16)).all()


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("name", ["key", "value", "indices", "indptr", "last_page_len"])
@pytest.mark.parametrize("cache", ["k_data", "v_data"])
def test_an_input_in_a_cache(cache: str, name: str, entrance: Entrance) -> None:
    """Between its rows too: inputs are held against its span."""
    shared = new(*SHAPE[:3], 2 * WIDTH)
    caches = {"k_data": new(*SHAPE), "v_data": new(*SHAPE)} | {cache: shared[..., :WIDTH]}
    given = operands(**caches)
    operand = given[name]
    between = shared[2, 0, 1, WIDTH:].ctypes.data - shared.ctypes.data
    inside = np.ndarray(operand.shape, operand.dtype, shared.data, between)
    inside[...] = operand
    with pytest.raises(bf.InvalidProblem, match=rf"{cache} \(.*\) and {name} \(.*\) overlap"):
        entrance(given | {name: inside})


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_key_and_value_may_be_one(entrance: Entrance) -> None:
    k_data, v_data = interleaved()
    row = new(1, HEADS, WIDTH)
    entrance(operands(k_data, v_data, key=row, value=row))
    assert (k_data[2, :, 1].view(np.uint16) == v_data[2, :, 1].view(np.uint16)).all()


@pytest.mark.parametrize("dimension", [0, 1, 2])
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_cache_without_a_place_for_each(entrance: Entrance, dimension: int) -> None:
    extents = [1 if i == dimension else extent for i, extent in enumerate(SHAPE)]
    base = new(*extents)
    broadcast = np.lib.stride_tricks.as_strided(
        base, SHAPE, [0 if i == dimension else stride for i, stride in enumerate(base.strides)]
    )
    what = ("page", "head", "slot")[dimension]
    message = f"k_data has a {what} stride of 0 over {SHAPE[dimension]} places"
    with pytest.raises(bf.InvalidProblem, match=message):
        entrance(operands(broadcast, new(*SHAPE)))


def is_taken(k_data: Array, v_data: Array) -> bool:
    given = operands(k_data, v_data)
    try:
        one_liner(given)
    except bf.InvalidProblem as error:
        if " overlap; " not in error.message:
            raise
        return False
    return True


def lay(placement: Placement, block: Array, first: int) -> Array:
    """As [page, head, slot, element]."""
    strides = tuple(stride * block.itemsize for stride in placement.strides)
    return np.ndarray(placement.extents, block.dtype, block.data, first * block.itemsize, strides)


extents = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 12))


@many
@given(data=st.data(), shape=extents)
def test_the_same_strides_are_judged_exactly(data: st.DataObject, shape: tuple[int, ...]) -> None:
    placement = data.draw(apart(shape))
    width = data.draw(st.integers(1, shape[3]) | st.just(shape[3]))
    size = placement.below + placement.above
    distance = data.draw(st.integers(-size - 2, size + 2) | st.integers(-40, 40))
    block = np.zeros(3 * size + 100, np.float16)
    first = size + 50 + placement.below
    k_data, v_data = lay(placement, block, first), lay(placement, block, first + distance)[..., :width]
    assert is_taken(k_data, v_data) != np.shares_memory(k_data, v_data)


@many
@given(data=st.data(), shape=extents)
def test_unlike_strides_are_judged_by_their_spans(data: st.DataObject, shape: tuple[int, ...]) -> None:
    """By no more than these where all are unlike; those that are alike may tell more."""
    one, other = data.draw(apart(shape)), data.draw(apart(shape))
    unlike = [a != b for a, b, n in zip(one.strides[:-1], other.strides, shape, strict=False) if n > 1]
    assume(any(unlike))
    size = one.below + one.above
    reach = other.below + other.above
    block = np.zeros(3 * (size + reach), np.float16)
    first = size + reach + one.below
    distance = data.draw(st.integers(-size - reach, size + reach) | st.sampled_from((0, size, -reach)))
    k_data = lay(one, block, first)
    v_data = lay(other, block, first - one.below + other.below + distance)
    taken, spans_meet = is_taken(k_data, v_data), np.may_share_memory(k_data, v_data)
    assert taken or spans_meet
    if all(unlike):
        assert not (taken and spans_meet)
    elif taken:
        assert not np.shares_memory(k_data, v_data)


@many
@given(data=st.data(), shape=extents)
def test_nothing_that_shares_a_byte_is_taken(data: st.DataObject, shape: tuple[int, ...]) -> None:
    """Whatever the strides, those that no cache has included."""
    steps = st.integers(-60, 60).filter(bool)
    placement = Placement(shape, (*data.draw(st.tuples(steps, steps, steps)), 1))
    size = placement.below + placement.above
    distance = data.draw(st.integers(-size, size) | st.integers(-40, 40))
    block = np.zeros(3 * (size + 100), np.float16)
    first = size + 100 + placement.below
    k_data, v_data = lay(placement, block, first), lay(placement, block, first + distance)
    if is_taken(k_data, v_data):
        assert not np.shares_memory(k_data, v_data)
