"""Copies of pages, to pages, to a buffer and back: every form of cache, all memory against the oracle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import baracuda_ffi as bf
from support.devices.backends import Backend, HostBackend
from support.devices.bits import assert_same_bits, random_bits
from support.pages.page_call import ALL_FORMS, FORMS, MOVEMENTS, PageCall, check_blocks, make_call
from support.problems.elements import ALL_ELEMENTS, F16, Element
from support.views.views import Extents

EXTENTS = Extents(heads=3, width=64, value_width=64, pages=9, slots=4)
INDEX_TYPES = [("i4", "i4"), ("i8", "i4"), ("i4", "i8"), ("i8", "i8")]


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("movement", MOVEMENTS)
@pytest.mark.parametrize("form", ALL_FORMS)
def test_every_form_of_cache(backend: Backend, form: str, movement: str, layout: str) -> None:
    for seed in range(3):
        make_call(movement, form, EXTENTS, seed=seed, layout=layout, more_rows=seed).run_and_check(backend)


@pytest.mark.parametrize("width", [1, 3, 8, 40, 64, 72])
@pytest.mark.parametrize("element", ALL_ELEMENTS, ids=lambda element: element.symbol)
def test_every_element_and_width(backend: Backend, element: Element, width: int) -> None:
    """Of two widths, too, where the form can have them."""
    for i, movement in enumerate(MOVEMENTS):
        for form in ("packed", "side-by-side", "odd-rows", "padded-pages"):
            extents = replace(EXTENTS, element=element, width=width, value_width=width + i)
            make_call(movement, form, extents, seed=width, dtypes=INDEX_TYPES[i]).run_and_check(backend)


@pytest.mark.parametrize("dtypes", INDEX_TYPES, ids=str)
@pytest.mark.parametrize("movement", MOVEMENTS)
def test_every_index_type(backend: Backend, movement: str, dtypes: tuple[str, str]) -> None:
    extents = replace(EXTENTS, pages=300)
    make_call(movement, "interleaved", extents, copies=140, dtypes=dtypes).run_and_check(backend)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 16, 128), (8, 16, 128), (5, 7, 33)], ids=str)
@pytest.mark.parametrize("movement", MOVEMENTS)
def test_many_pages(backend: Backend, movement: str, shape: tuple[int, int, int]) -> None:
    heads, slots, width = shape
    extents = Extents(heads=heads, slots=slots, width=width, value_width=width, pages=700)
    make_call(movement, "packed", extents, copies=330).run_and_check(backend)


@pytest.mark.parametrize("form", ["packed", "heads-outermost", "side-by-side", "kv_data:interleaved"])
@pytest.mark.parametrize("movement", MOVEMENTS)
@pytest.mark.parametrize("slots", [256, 250])
def test_large_pages(backend: Backend, movement: str, form: str, slots: int) -> None:
    """Pages that the host's threads share, 12 MB in all. What a thread takes at once, 512 of the rows that
    lie side by side, ends where a page does; or, with 250 slots, goes on in the next one."""
    extents = Extents(heads=8, slots=slots, width=256, value_width=256, pages=13)
    make_call(movement, form, extents, copies=6).run_and_check(backend)


@pytest.mark.parametrize(
    "lists", [{"source": [], "destination": []}, {"source": [-1] * 3, "destination": [-(2**31)] * 3}]
)
@pytest.mark.parametrize("movement", MOVEMENTS)
def test_nothing_to_copy(backend: Backend, movement: str, lists: dict[str, list[int]]) -> None:
    call = make_call(movement, "packed", EXTENTS, lists=lists, more_rows=2)
    expected, corrupt = call.expected()
    assert not corrupt
    assert all((a == b).all() for a, b in zip(expected, call.memory.blocks, strict=True))
    call.run_and_check(backend)


def test_a_page_to_itself_is_left_alone(backend: Backend) -> None:
    lists = {"source": [3, 5, 3], "destination": [3, 5, 4]}
    make_call("copy", "packed", EXTENTS, lists=lists).run_and_check(backend)


def test_one_page_to_many(backend: Backend) -> None:
    """What a fork of many copies."""
    lists = {"source": [8] * 8, "destination": list(range(8))}
    make_call("copy", "interleaved", EXTENTS, lists=lists).run_and_check(backend)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_gathered_and_scattered_is_what_it_was(backend: Backend, form: str) -> None:
    """To the same pages, whose caches were overwritten between the two."""
    pages = np.random.default_rng(1).permutation(EXTENTS.pages).tolist()
    call = make_call("gather", form, EXTENTS, lists={"source": pages})
    blocks, operands = call.put(backend)
    before = [block.copy() for block in call.memory.blocks]
    call.launch(backend, operands)
    caches = [name for name in ("k_data", "v_data") if name in call.views]
    for name in caches:
        call.views[name][...] = 0
    for i in {call.memory.place(call.views[name])[0] for name in caches}:
        backend.overwrite(blocks[i], call.memory.blocks[i])
    back = PageCall("scatter", call.memory, {})
    destination = operands.pop("source")
    back.launch(backend, operands | {"destination": destination})
    gathered = call.memory.place(call.views["buffer"])[0]
    before[gathered] = np.array(backend.get(blocks[gathered]))
    check_blocks(backend, blocks, before)


def test_pages_change_places_by_way_of_a_buffer(host_backend: HostBackend) -> None:
    """The way that the refusal of a permutation names."""
    rng = np.random.default_rng(2)
    k_data = random_bits(rng, (6, 2, 4, 8), F16.dtype)
    v_data = random_bits(rng, (6, 2, 4, 8), F16.dtype)
    order = np.array([3, 0, 5, 1, 2, 4])
    buffer = np.empty((6, 2, *k_data.shape[1:]), F16.dtype)
    expected = k_data[order].copy(), v_data[order].copy()
    with pytest.raises(bf.InvalidProblem, match="gather and scatter"):
        bf.copy_pages(k_data, v_data, order, np.arange(6), stream=None)
    bf.gather_pages(k_data, v_data, order, buffer, stream=None)
    bf.scatter_pages(k_data, v_data, np.arange(6), buffer, stream=None)
    assert_same_bits(k_data, expected[0], "k_data")
    assert_same_bits(v_data, expected[1], "v_data")


def test_a_buffer_is_rows_of_k_and_then_v(host_backend: HostBackend) -> None:
    """Of any type that has as many bytes, and of caches of two types."""
    rng = np.random.default_rng(3)
    k_data, v_data = random_bits(rng, (4, 3, 5), "u1"), random_bits(rng, (4, 7), "f4")
    buffer = np.empty((2, 15 + 28), np.uint8)
    bf.gather_pages(k_data, v_data, np.array([2, 0]), buffer, stream=None)
    for row, page in enumerate((2, 0)):
        assert buffer[row].tobytes() == k_data[page].tobytes() + v_data[page].tobytes()
    both = random_bits(rng, (4, 2, 3, 5), "f2")
    rows = np.empty((2, 2, 3, 5), "f2")
    bf.gather_pages(both[:, 0], both[:, 1], np.array([3, 1]), rows, stream=None)
    assert_same_bits(rows, both[[3, 1]], "rows")
    bf.gather_pages(kv_data=both, source=np.array([1, 3]), buffer=rows, stream=None)
    assert_same_bits(rows, both[[1, 3]], "rows")


def test_what_is_only_read_may_be_read_only(host_backend: HostBackend) -> None:
    rng = np.random.default_rng(4)
    k_data = random_bits(rng, (4, 8), "f2")
    buffer = np.empty((1, 8), "f2")
    k_data.flags.writeable = False
    bf.gather_pages(k_data, None, np.array([2]), buffer, stream=None)
    assert_same_bits(buffer[0], k_data[2], "buffer")
    with pytest.raises(bf.InvalidProblem, match=r"k_data, .* is read-only"):
        bf.scatter_pages(k_data, None, np.array([2]), buffer, stream=None)
    buffer.flags.writeable = False
    bf.scatter_pages(np.empty((4, 8), "f2"), None, np.array([2]), buffer, stream=None)
    with pytest.raises(bf.InvalidProblem, match=r"buffer, .* is read-only"):
        bf.gather_pages(k_data, None, np.array([2]), buffer, stream=None)
