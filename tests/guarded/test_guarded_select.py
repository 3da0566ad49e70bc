"""What `select` makes of `PlanPreference(guarded=True)`."""

from __future__ import annotations

from dataclasses import replace

import pytest

import baracuda_ffi as bf
from support.damaged.guarded import GUARDED
from support.devices.backends import Backend
from support.problems.cases import Case
from support.problems.elements import ELEMENTS, F16, Element

CASE = Case(F16, "HND", "BEFORE_APPEND", page_size=4, batch_size=3, num_heads=2, head_dim=64)
KINDS = {"host": bf.BackendKind.HOST, "cuda": bf.BackendKind.BESPOKE}


def select(backend: Backend, case: Case, preference: bf.PlanPreference = GUARDED) -> bf.PagedKvAppendPlan:
    return bf.PagedKvAppendPlan.select(backend.stream, case.descriptor(6), preference)


def test_the_sku_says_what_runs(backend: Backend) -> None:
    sku = select(backend, CASE).sku()
    assert sku.backend is KINDS[backend.name]
    assert (sku.arch is bf.ArchSku.HOST) == (backend.name == "host")
    assert sku.element is bf.ElementKind.F16
    assert sku.layout is bf.KvLayout.HND
    assert sku.precision_guarantee.deterministic


def test_the_default_is_not_guarded(backend: Backend) -> None:
    assert bf.PlanPreference().guarded is False
    assert bf.PlanPreference().error_record is None
    plan = select(backend, CASE, bf.PlanPreference())
    assert plan.error_record is None
    assert plan.sku().backend is backend.kind


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_any_row(backend: Backend, element: Element) -> None:
    step = 16 // element.itemsize
    for head_dim in (1, step - 1, step, step + 1, 3 * step, 24 * step, 63, 64 + step // 2, 512, 1024, 65536):
        select(backend, replace(CASE, element=element, head_dim=head_dim))
    for head_dim in (0, -1, -step):
        with pytest.raises(bf.Unsupported, match=rf"head_dim is {head_dim}; it should be positive"):
            select(backend, replace(CASE, element=element, head_dim=head_dim))


def test_the_limits_of_flashinfers_kernel_do_not_hold(backend: Backend) -> None:
    """More threads than a block has; strides and offsets of 2^32 and more."""
    for case in (
        replace(CASE, num_heads=1000, head_dim=256),
        replace(CASE, num_heads=64, head_dim=128, page_size=1 << 20),
        replace(CASE, num_heads=64, head_dim=128, batch_size=1 << 20),
    ):
        select(backend, case)


@pytest.mark.parametrize("name", ["batch_size", "page_size", "num_heads"])
def test_extents_are_checked_as_ever(backend: Backend, name: str) -> None:
    for value in (0, -1):
        if (name, value) == ("batch_size", 0):  # an append of no rows
            select(backend, replace(CASE, batch_size=0))
            continue
        with pytest.raises(bf.InvalidProblem, match=rf"{name} is {value}"):
            select(backend, replace(CASE, **{name: value}))  # type: ignore[arg-type]
    with pytest.raises(bf.InvalidProblem, match=r"num_total_pages is 0"):
        bf.PagedKvAppendPlan.select(backend.stream, CASE.descriptor(0), GUARDED)
    of_values = CASE.descriptor(6)
    of_values = of_values.replace(paged_kv=of_values.paged_kv.replace(value_head_dim=0))
    with pytest.raises(bf.Unsupported, match=r"value_head_dim is 0; it should be positive"):
        bf.PagedKvAppendPlan.select(backend.stream, of_values, GUARDED)


def test_a_preferred_backend_that_agrees(backend: Backend) -> None:
    plan = select(backend, CASE, GUARDED.replace(prefer_backend=KINDS[backend.name]))
    assert plan.sku().backend is KINDS[backend.name]


@pytest.mark.parametrize("prefer", [bf.BackendKind.FLASHINFER, bf.BackendKind.BESPOKE])
def test_a_preferred_cuda_backend_without_a_stream(prefer: bf.BackendKind) -> None:
    with pytest.raises(bf.InvalidProblem, match=rf"prefer_backend is {prefer.name} and stream is None"):
        bf.PagedKvAppendPlan.select(None, CASE.descriptor(6), GUARDED.replace(prefer_backend=prefer))


@pytest.mark.gpu
def test_preferred_cuda_backends_that_contradict_the_guard(cuda_backend: Backend) -> None:
    flashinfer = GUARDED.replace(prefer_backend=bf.BackendKind.FLASHINFER)
    with pytest.raises(bf.Unsupported, match=r"prefer_backend is FLASHINFER, guarded is True.*BESPOKE"):
        select(cuda_backend, CASE, flashinfer)
    bespoke = bf.PlanPreference(prefer_backend=bf.BackendKind.BESPOKE)
    with pytest.raises(bf.Unsupported, match=r"prefer_backend is BESPOKE, guarded is False.*FLASHINFER"):
        select(cuda_backend, CASE, bespoke)


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_guarded_is_a_bool(value: object) -> None:
    with pytest.raises(bf.InvalidProblem, match=r"guarded is .*; it should be a bool"):
        bf.PlanPreference(guarded=value)  # type: ignore[arg-type]


def test_a_preference_is_a_value() -> None:
    assert bf.PlanPreference(guarded=True) == GUARDED != bf.PlanPreference()
    assert hash(bf.PlanPreference(guarded=True)) == hash(GUARDED)
    assert "guarded=True" in repr(GUARDED)
