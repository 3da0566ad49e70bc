"""Selecting a plan: baracuda-kernels' checks in its order, the preference, and what kind of thing each
argument is.
"""

from __future__ import annotations

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import baracuda_ffi as bf
from support.problems.cases import Case
from support.problems.elements import ELEMENTS, F16, HEAD_DIMS

EXTENTS = ("page_size", "num_total_pages", "num_kv_heads", "batch_size")


def make_descriptor(**changes: Any) -> bf.PagedKvAppendDescriptor:
    values = {
        "page_size": 4,
        "num_total_pages": 8,
        "num_kv_heads": 2,
        "head_dim": 64,
        "element": bf.ElementKind.F16,
    } | changes
    batch_size = values.pop("batch_size", 3)
    convention = values.pop("length_convention", bf.LengthConvention.BEFORE_APPEND)
    cache = bf.PagedKvCacheDescriptor(**values)
    return bf.PagedKvAppendDescriptor(batch_size=batch_size, paged_kv=cache, length_convention=convention)


@pytest.mark.parametrize("name", EXTENTS)
@pytest.mark.parametrize("value", [0, -1, -(2**31)])
def test_an_extent_that_is_not_positive(name: str, value: int) -> None:
    with pytest.raises(bf.InvalidProblem) as caught:
        bf.PagedKvAppendPlan.select(None, make_descriptor(**{name: value}))
    assert caught.value.code == 2
    for part in (name.removeprefix("num_kv_"), str(value)):
        assert part in caught.value.message


@pytest.mark.parametrize("head_dim", [0, -64, 1, 32, 63, 65, 80, 96, 127, 129, 192, 255, 257, 512])
def test_a_head_dim_that_is_not_there(head_dim: int) -> None:
    with pytest.raises(bf.Unsupported, match=f"head_dim is {head_dim}; .*64, 128 or 256") as caught:
        bf.PagedKvAppendPlan.select(None, make_descriptor(head_dim=head_dim))
    assert caught.value.code == 3


@pytest.mark.parametrize("name", EXTENTS)
def test_extents_come_before_head_dim(name: str) -> None:
    with pytest.raises(bf.InvalidProblem):
        bf.PagedKvAppendPlan.select(None, make_descriptor(head_dim=96, **{name: 0}))


@pytest.mark.parametrize(("element", "head_dim"), list(itertools.product(ELEMENTS, HEAD_DIMS)))
def test_every_element_and_head_dim_has_a_host_plan(element: Any, head_dim: int) -> None:
    kind = bf.ElementKind[element.kind]
    plan = bf.PagedKvAppendPlan.select(None, make_descriptor(element=kind, head_dim=head_dim))
    assert plan.sku().element is kind


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**63, 2**70])
def test_an_extent_of_more_than_32_bits(value: int) -> None:
    for name in (*EXTENTS, "head_dim"):
        with pytest.raises(bf.InvalidProblem, match=f"{name} is {value}"):
            make_descriptor(**{name: value})


@pytest.mark.parametrize("value", [True, 4.0, "4", None, [4]])
def test_an_extent_that_is_no_integer(value: Any) -> None:
    for name in (*EXTENTS, "head_dim"):
        if name == "batch_size" and value is None:
            continue  # any, at each call its own
        with pytest.raises(bf.InvalidProblem, match=name):
            make_descriptor(**{name: value})
    for name in ("num_rows", "skip_slot"):
        if value is not None:
            with pytest.raises(bf.InvalidProblem, match=name):
                make_descriptor().replace(**{name: value})


def test_integers_of_numpy_are_integers() -> None:
    assert make_descriptor(page_size=np.int64(4), batch_size=np.int32(3)) == make_descriptor()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("element", "F17"),
        ("element", "int16"),
        ("element", np.float64),
        ("element", ""),
        ("element", None),
        ("element", 1),
        ("layout", "HDN"),
        ("layout", ""),
        ("layout", None),
        ("layout", 0),
        ("length_convention", 1),
        ("length_convention", "AFTER"),
    ],
)
def test_an_enumerator_of_the_wrong_kind(name: str, value: Any) -> None:
    with pytest.raises(bf.InvalidProblem, match=f"{name} is .*; it should be an? .* name") as refused:
        make_descriptor(**{name: value})
    kind = {"element": "F16", "layout": "HND", "length_convention": "AFTER_APPEND"}[name]
    assert kind in refused.value.message


@pytest.mark.parametrize("layout", [bf.KvLayout.NHD, "NHD", "nhd"])
def test_a_layout_by_its_name(layout: Any) -> None:
    assert make_descriptor(layout=layout).paged_kv.layout is bf.KvLayout.NHD


@pytest.mark.parametrize("convention", [bf.LengthConvention.AFTER_APPEND, "AFTER_APPEND", "after_append"])
def test_a_convention_by_its_name(convention: Any) -> None:
    made = make_descriptor(length_convention=convention)
    assert made.length_convention is bf.LengthConvention.AFTER_APPEND


def test_no_convention_is_baracuda_kernels() -> None:
    assert make_descriptor(length_convention=None) == make_descriptor()


def test_a_preferred_backend_by_its_name() -> None:
    for name in ("HOST", "host", bf.BackendKind.HOST):
        assert bf.PlanPreference(prefer_backend=name).prefer_backend is bf.BackendKind.HOST  # type: ignore[arg-type]
    for wrong in ("CPU", 2, ""):
        with pytest.raises(bf.InvalidProblem, match=r"prefer_backend is .*'FLASHINFER', 'HOST', 'BESPOKE'"):
            bf.PlanPreference(prefer_backend=wrong)  # type: ignore[arg-type]


NAMES_OF_ELEMENTS: dict[bf.ElementKind, list[Any]] = {
    bf.ElementKind.F16: ["f16", "F16", "float16", "half", np.float16, np.dtype(np.float16)],
    bf.ElementKind.BF16: ["bf16", "bfloat16", ml_dtypes.bfloat16, np.dtype(ml_dtypes.bfloat16)],
    bf.ElementKind.F32: ["f32", "float32", np.float32, np.dtype("<f4")],
    bf.ElementKind.FP8_E4M3: ["fp8_e4m3", "float8_e4m3fn", ml_dtypes.float8_e4m3fn],
    bf.ElementKind.FP8_E5M2: ["fp8_e5m2", "float8_e5m2", ml_dtypes.float8_e5m2],
    bf.ElementKind.I8: ["i8", "int8", np.int8, np.dtype(np.int8)],
    bf.ElementKind.U8: ["u8", "uint8", np.uint8, np.dtype(np.uint8)],
}
TORCH = ("float16", "bfloat16", "float32", "float8_e4m3fn", "float8_e5m2", "int8", "uint8")


@pytest.mark.parametrize("kind", bf.ElementKind)
def test_an_element_by_its_names_and_dtypes(kind: bf.ElementKind) -> None:
    for name in (kind, *NAMES_OF_ELEMENTS[kind]):
        assert make_descriptor(element=name).paged_kv.element is kind
        assert bf.TensorView(ptr=64, shape=(1,), element=name).element is kind


def test_an_element_by_torchs_dtypes() -> None:
    torch = pytest.importorskip("torch")
    for kind, name in zip(bf.ElementKind, TORCH, strict=True):
        assert make_descriptor(element=getattr(torch, name)).paged_kv.element is kind
    for name in ("float64", "int32", "bool"):
        with pytest.raises(bf.InvalidProblem, match="element"):
            make_descriptor(element=getattr(torch, name))


@pytest.mark.parametrize("element", ["i8", "u8"])
def test_elements_that_only_a_guarded_plan_takes(element: Any) -> None:
    descriptor = make_descriptor(element=element)
    with pytest.raises(bf.Unsupported, match=r"element is \d \(u?int8\); .*a guarded append takes"):
        bf.PagedKvAppendPlan.select(None, descriptor)
    plan = bf.PagedKvAppendPlan.select(None, descriptor, bf.PlanPreference(guarded=True))
    assert plan.sku().element is descriptor.paged_kv.element


def test_two_widths_are_for_a_guarded_plan() -> None:
    descriptor = make_descriptor(value_head_dim=128)
    assert descriptor.paged_kv.shape == (8, 2, 4, 64)
    assert descriptor.paged_kv.value_shape == (8, 2, 4, 128)
    with pytest.raises(bf.Unsupported, match=r"value_head_dim is 128.*a guarded append takes two widths"):
        bf.PagedKvAppendPlan.select(None, descriptor)
    bf.PagedKvAppendPlan.select(None, descriptor, bf.PlanPreference(guarded=True))


def test_the_preference_is_optional_and_asks_for_little() -> None:
    descriptor = make_descriptor()
    plans = [
        bf.PagedKvAppendPlan.select(None, descriptor),
        bf.PagedKvAppendPlan.select(None, descriptor, bf.PlanPreference()),
        bf.PagedKvAppendPlan.select(None, descriptor, bf.PlanPreference(max_workspace_bytes=0)),
        bf.PagedKvAppendPlan.select(None, descriptor, bf.PlanPreference(prefer_backend=bf.BackendKind.HOST)),
    ]
    assert {plan.sku().backend for plan in plans} == {bf.BackendKind.HOST}


def test_a_preference_that_the_stream_contradicts() -> None:
    prefer_cuda = bf.PlanPreference(prefer_backend=bf.BackendKind.FLASHINFER)
    with pytest.raises(bf.InvalidProblem, match="FLASHINFER"):
        bf.PagedKvAppendPlan.select(None, make_descriptor(), prefer_cuda)
    with pytest.raises(bf.BaracudaError, match="BESPOKE"):
        bf.PagedKvAppendPlan.select(
            None, make_descriptor(), bf.PlanPreference(prefer_backend=bf.BackendKind.BESPOKE)
        )
    with pytest.raises(bf.InvalidProblem, match="HOST"):
        bf.PagedKvAppendPlan.select(
            0, make_descriptor(), bf.PlanPreference(prefer_backend=bf.BackendKind.HOST)
        )


@pytest.mark.parametrize("value", [-1, 2**64, True, "0", 1.0])
def test_a_workspace_bound_that_is_none(value: Any) -> None:
    with pytest.raises(bf.InvalidProblem, match="max_workspace_bytes"):
        bf.PlanPreference(max_workspace_bytes=value)


@pytest.mark.parametrize("wrong", [None, 3, "desc", {"batch_size": 3}])
def test_a_descriptor_of_the_wrong_kind(wrong: Any) -> None:
    with pytest.raises((bf.InvalidProblem, TypeError)):
        bf.PagedKvAppendPlan.select(None, wrong, bf.PlanPreference())


def test_a_cache_larger_than_any_address_space() -> None:
    most = 2**31 - 1
    descriptor = make_descriptor(page_size=most, num_kv_heads=most, num_total_pages=most)
    plan = bf.PagedKvAppendPlan.select(None, descriptor)
    case = Case(F16, "HND", "BEFORE_APPEND", 4, 3, 2, 64)
    from support.calls.operands import make_args
    from support.problems.problem import Problem

    with pytest.raises(bf.InvalidProblem, match="key has shape"):
        plan.can_implement(make_args(Problem(case).arrays))


def test_descriptors_are_values() -> None:
    one, same, other = make_descriptor(), make_descriptor(), make_descriptor(batch_size=4)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert len({one, same, other}) == 2
    with pytest.raises(AttributeError):
        one.batch_size = 4  # type: ignore[misc]
    assert "batch_size=3" in repr(one)
    assert one.paged_kv.layout is bf.KvLayout.HND
    assert one.length_convention is bf.LengthConvention.BEFORE_APPEND
