"""K and V in one allocation: what is disjoint is taken, and what shares a byte never is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.real_tensors import OnHost, Tensors
from support.problems.elements import F32, I8
from support.views.views import CACHES, Extents, Memory, Pair


def judge(tensors: Tensors) -> int:
    """By all callers that take strides alike."""
    statuses = set()
    for backend, flags in ((abi.HOST, 0), (abi.HOST, abi.GUARDED), (abi.BESPOKE, abi.GUARDED)):
        op = tensors.stated(OnHost())
        op.backend, op.flags = backend, abi.STRIDED | flags
        statuses.add(abi.can_implement(op))
    assert len(statuses) == 1, statuses
    return statuses.pop()


def overlaps(tensors: Tensors) -> bool:
    return judge(tensors) == abi.INVALID_PROBLEM and "overlap" in abi.message()


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("widths", [(64, 64), (5, 7), (7, 5), (512, 64)])
@pytest.mark.parametrize("caches", CACHES)
def test_disjoint_in_one_allocation(caches: str, widths: tuple[int, int], layout: str) -> None:
    extents = Extents(width=widths[0], value_width=widths[1])
    tensors = Tensors(caches=CACHES[caches], extents=extents, layout=layout)
    assert judge(tensors) == abi.OK, abi.message()
    # Either may come first.
    views = tensors.views
    if widths[0] == widths[1]:
        views["k_data"], views["v_data"] = views["v_data"], views["k_data"]
        assert judge(tensors) == abi.OK, abi.message()


@pytest.mark.parametrize("caches", ["interleaved", "side-by-side", "page-major", "alternating-pages"])
def test_one_element_further_is_one_too_far(caches: str) -> None:
    """v_data moved towards k_data, and away to the next page's k_data, by as little as can be."""
    tensors = Tensors(caches=CACHES[caches], extents=Extents(width=8, value_width=8, element=F32))
    op = tensors.stated(OnHost())
    assert abi.can_implement(op) == abi.OK, abi.message()
    right = op.v_data
    for by in (-4, 4):
        op.v_data = right + by
        status = abi.can_implement(op)
        beyond = caches == "page-major" and by > 0  # there the next layer is between
        assert status == (abi.OK if beyond else abi.INVALID_PROBLEM), abi.message()
        if not beyond:
            for part in ("k_data", "v_data", "overlap"):
                assert part in abi.message()
    op.v_data = op.k_data
    assert abi.can_implement(op) == abi.INVALID_PROBLEM


def test_two_views_that_share_a_slot() -> None:
    """The same pages, v_data one slot on: all but one slot are shared."""

    def sliding(memory: Memory, e: Extents, layout: str) -> Pair:
        assert layout == "NHD"
        both = memory.new((e.pages, e.slots + 1, e.heads, e.width), e.element.dtype)
        return both[:, :-1], both[:, 1:]

    assert overlaps(Tensors(caches=sliding, layout="NHD"))


def test_one_shared_row_of_many() -> None:
    """k_data's last page is v_data's first."""

    def meeting(memory: Memory, e: Extents, layout: str) -> Pair:
        both = memory.new((2 * e.pages - 1, *e.in_page(layout), e.width), e.element.dtype)
        return both[: e.pages], both[e.pages - 1 :]

    assert overlaps(Tensors(caches=meeting))


def test_different_strides_are_judged_by_their_spans() -> None:
    """Disjoint, and refused: nothing cheap tells that."""

    def uneven(memory: Memory, e: Extents, layout: str) -> Pair:
        both = memory.new((2 * e.pages, 2, *e.in_page(layout), e.width), e.element.dtype)
        return both[: e.pages, 0], both[::2, 1]

    def apart(memory: Memory, e: Extents, layout: str) -> Pair:
        both = memory.new((3 * e.pages, *e.in_page(layout), e.width), e.element.dtype)
        return both[: e.pages], both[e.pages :: 2]

    assert overlaps(Tensors(caches=uneven))
    assert judge(Tensors(caches=apart)) == abi.OK, abi.message()


def rows_of(strides: tuple[int, ...], extents: tuple[int, ...], start: int, width: int) -> list[set[int]]:
    """The elements of each row."""
    starts = [
        start + sum(i * stride for i, stride in zip(place, strides, strict=True))
        for place in itertools.product(*map(range, extents))
    ]
    return [set(range(first, first + width)) for first in starts]


def test_by_brute_force() -> None:
    """Small strides of one set at random: what shares an element is refused, always. What does not is taken
    wherever each stride leads past what the smaller ones reach.
    """
    rng = np.random.default_rng(11)
    problem = Tensors(extents=Extents(rows=1, element=I8), padding=False)
    base = 1 << 40
    seen: dict[tuple[bool, bool], int] = {}
    for _ in range(4000):
        extents = tuple(int(n) for n in rng.integers(1, 4, 3))
        widths = tuple(int(n) for n in rng.integers(1, 5, 2))
        nested = bool(rng.integers(2))
        if nested:
            reach, ordered = max(widths), []
            for extent in extents:
                stride = reach + int(rng.integers(0, 2 * max(widths)))
                ordered.append(stride)
                reach = stride * (extent - 1) + reach
            order = rng.permutation(3)
            strides = tuple(ordered[i] * int(rng.choice((-1, 1))) for i in order)
            extents = tuple(extents[i] for i in order)
        else:
            strides = tuple(int(n) for n in rng.choice([n for n in range(-12, 13) if n], 3))
        distance = int(rng.integers(-40, 41))
        pages, slots, heads = extents
        op = problem.stated(OnHost())
        op.k_data, op.v_data = base, base + distance
        op.num_total_pages, op.page_size, op.num_heads = pages, slots, heads
        op.head_dim, op.value_head_dim = widths
        op.key_strides[:] = op.value_strides[:] = (64, 4)
        op.k_data_strides[:] = op.v_data_strides[:] = strides
        k_rows = set().union(*rows_of(strides, extents, 0, widths[0]))
        v_rows = set().union(*rows_of(strides, extents, distance, widths[1]))
        shared = bool(k_rows & v_rows)
        op.flags |= abi.GUARDED  # the table is not looked at
        refused = abi.can_implement(op) == abi.INVALID_PROBLEM
        assert not refused or ("k_data" in abi.message() and "overlap" in abi.message()), abi.message()
        if shared:
            assert refused, (strides, extents, widths, distance)
        elif nested:
            assert not refused, (strides, extents, widths, distance)
        seen[shared, refused] = seen.get((shared, refused), 0) + 1
    assert seen[True, True] > 500
    assert seen[False, False] > 500


@pytest.mark.parametrize("name", ["key", "value", "indices", "indptr", "last_page_len"])
@pytest.mark.parametrize("cache", ["k_data", "v_data"])
def test_inputs_are_held_against_the_caches_spans(name: str, cache: str) -> None:
    """Between the pages of one layer too: what is read there may be another's to write."""
    tensors = Tensors(caches=CACHES["page-major"])
    for which in ("first", "last"):
        op = tensors.stated(OnHost())
        span = tensors.views[cache]
        row = span.itemsize * span.shape[-1]
        first = span.ctypes.data
        last = first + sum((n - 1) * s for n, s in zip(span.shape[:-1], span.strides[:-1], strict=True)) + row
        setattr(op, name, first if which == "first" else last - 8)
        assert abi.can_implement(op) == abi.INVALID_PROBLEM
        for part in (name, "overlap"):
            assert part in abi.message()


def test_a_span_below_its_pointer() -> None:
    """Negative strides reach memory before the address that is stated."""
    tensors = Tensors(caches=CACHES["backwards"])
    op = tensors.stated(OnHost())
    op.last_page_len = tensors.views["k_data"][-1].ctypes.data
    assert op.last_page_len < op.k_data
    assert abi.can_implement(op) == abi.INVALID_PROBLEM
    for part in ("k_data", "last_page_len", "overlap"):
        assert part in abi.message()
