"""Every form that rows and caches take in engines, through _run with strides and through _bind: the whole
memory that they are views of is compared.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from support.c_abi import abi
from support.c_abi.real_tensors import KV, TABLE, OnDevice, OnHost, Place, Tensors
from support.c_abi.tensors import bind
from support.problems.elements import ALL_ELEMENTS, BF16, F16, F32, FP8_E4M3, I8, Element
from support.views.views import CACHES, ROWS, Extents, Memory, Pair

#: Rows in 16-byte vectors, of few bytes, of one element, and of two widths.
SIZES = {
    "f16-64": Extents(),
    "f16-7x5": Extents(width=7, value_width=5),
    "i8-1": Extents(width=1, value_width=1, element=I8),
    "f32-16x64": Extents(width=16, value_width=64, element=F32),
    "bf16-192x128": Extents(width=192, value_width=128, heads=2, element=BF16),
}
ENTRANCES = ("stated", "bound")


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("rows", "caches"), list(itertools.product(ROWS, CACHES)))
def test_every_form(place: Place, rows: str, caches: str, size: str, entrance: str) -> None:
    for layout, convention in (("HND", "BEFORE_APPEND"), ("NHD", "AFTER_APPEND")):
        tensors = Tensors(ROWS[rows], CACHES[caches], SIZES[size], layout=layout, convention=convention)
        tensors.run_and_check(place, getattr(tensors, entrance)(place))


def test_binding_states_what_is_so() -> None:
    """Both ways to fill the struct agree, but for the flag that asked."""
    for rows, caches in itertools.product(ROWS.values(), CACHES.values()):
        tensors = Tensors(rows, caches, Extents(width=8, value_width=24))
        bound, stated = tensors.bound(OnHost()), tensors.stated(OnHost())
        bound.flags &= ~abi.INFER
        assert abi.describe(bound) == abi.describe(stated)


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("element", ALL_ELEMENTS, ids=lambda element: element.symbol)
def test_every_element(place: Place, element: Element, entrance: str) -> None:
    extents = Extents(width=48, value_width=33, element=element)
    tensors = Tensors(ROWS["fused-qkv"], CACHES["side-by-side"], extents)
    tensors.run_and_check(place, getattr(tensors, entrance)(place))


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize(
    "wide", [subset for n in range(4) for subset in itertools.combinations(TABLE, n)], ids="+".join
)
def test_each_index_operand_is_32_or_64_bits_by_itself(
    place: Place, wide: tuple[str, ...], entrance: str
) -> None:
    types = dict.fromkeys(wide, np.int64)
    tensors = Tensors(ROWS["fused-qkv"], CACHES["interleaved"], index_types=types)
    op = getattr(tensors, entrance)(place)
    assert op.int64_operands == sum(1 << abi.OPERANDS.index(name) for name in wide)
    tensors.run_and_check(place, op)


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("caches", CACHES)
def test_key_alone(place: Place, caches: str, entrance: str) -> None:
    """value and v_data are not looked at: what is between and beside stays as it was."""
    tensors = Tensors(ROWS["fused-qkv"], CACHES[caches], Extents(width=24, value_width=40))
    tensors.drop_value()
    op = getattr(tensors, entrance)(place)
    op.value_head_dim = -7
    op.value = op.v_data = 1
    op.v_data_strides[:] = (0, 0, 0)
    tensors.run_and_check(place, op)


def mla_rows(memory: Memory, e: Extents) -> Pair:
    both = memory.new((e.rows, e.width + e.value_width), e.element.dtype)
    return both[:, : e.width], both[:, e.width :]


def mla_caches(memory: Memory, e: Extents, layout: str) -> Pair:
    both = memory.new((e.pages, e.slots, e.width + e.value_width), e.element.dtype)
    return both[..., : e.width], both[..., e.width :]


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("alone", [False, True], ids=["ckv+kpe", "ckv"])
def test_caches_without_heads(place: Place, layout: str, entrance: str, alone: bool) -> None:
    """MLA: two views of one [pages, page_size, 576], and rows of rank 2; the layout means nothing."""
    tensors = Tensors(mla_rows, mla_caches, Extents(heads=1, width=512, value_width=64), layout=layout)
    if alone:
        tensors.drop_value()
    op = getattr(tensors, entrance)(place)
    assert op.num_heads == 1
    tensors.run_and_check(place, op)


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("convention", ["BEFORE_APPEND", "AFTER_APPEND"])
def test_packed_without_strides(place: Place, layout: str, convention: str) -> None:
    """Without BARACUDA_FLAG_STRIDED strides are not read."""
    extents = Extents(width=24, value_width=40)
    tensors = Tensors(ROWS["more-rows"], extents=extents, layout=layout, convention=convention)
    op = tensors.stated(place)
    op.flags &= ~abi.STRIDED
    for name in KV:
        strides = getattr(op, f"{name}_strides")
        strides[:] = [-999] * len(strides)
    tensors.run_and_check(place, op)


def test_strides_of_what_is_not_stepped_over(place: Place) -> None:
    """One page, slot, head and token: every stride is arbitrary."""
    extents = Extents(rows=1, heads=1, pages=1, slots=1, width=24, value_width=24)
    tensors = Tensors(extents=extents)
    op = tensors.stated(place)
    for name in KV:
        strides = getattr(op, f"{name}_strides")
        strides[:] = [0, -(1 << 63), (1 << 63) - 1][: len(strides)]
    tensors.run_and_check(place, op)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_a_batch_of_nothing_but_padding(place: Place, entrance: str) -> None:
    """No request has a page, and indices no entries and strides of 0: legal, and nothing is written."""
    tensors = Tensors(ROWS["fused-qkv"], CACHES["interleaved"])
    tensors.views["indptr"][...] = 7  # equal, and that is all that counts
    tensors.views["last_page_len"][...] = -5
    before = [block.copy() for block in tensors.memory.blocks]
    op = getattr(tensors, entrance)(place)
    if entrance == "bound":
        described = tensors.described(place)
        described["indices"].shape[0] = 0
        described["indices"].strides[0] = 0  # type: ignore[index]
        described["indices"].c.data = None
        op = tensors.asked(place)
        assert bind(op, described) == abi.OK, abi.message()
    op.total_used_pages = 0
    op.indices = None
    assert abi.can_implement(op) == abi.OK, abi.message()
    assert abi.run(op) == abi.OK, abi.message()
    tensors.check(place, before)


@pytest.mark.gpu
@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize(
    "caches", ["packed", "interleaved", "side-by-side", "page-major", "alternating-pages", "other-order"]
)
def test_strided_caches_by_flashinfer(cuda_backend: Any, caches: str, layout: str, entrance: str) -> None:
    """Its kernel has one set of strides for both caches, and takes packed rows."""
    for element in (F16, FP8_E4M3):
        place = OnDevice(cuda_backend, abi.FLASHINFER)
        tensors = Tensors(
            caches=CACHES[caches], extents=Extents(element=element), layout=layout, padding=False
        )
        tensors.run_and_check(place, getattr(tensors, entrance)(place))
