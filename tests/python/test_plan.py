"""What a plan says of itself, and what its arguments must be, apart from the operands."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import baracuda_ffi as bf
from support.calls.operands import check_caches, make_args, put_caches, put_step, select
from support.devices.backends import Backend, HostBackend
from support.problems.cases import CONVENTIONS, LAYOUTS, Case
from support.problems.conversation import Conversation
from support.problems.elements import ELEMENTS, Element
from support.problems.problem import SMALL, Problem, assert_appended, assert_unchanged


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_sku(backend: Backend, element: Element) -> None:
    case = Case(element, "NHD", "BEFORE_APPEND", 4, 3, 2, 64)
    sku = select(backend, case.descriptor(8)).sku()
    kind = bf.ElementKind[element.kind]
    assert sku.category is bf.OpCategory.ATTENTION
    assert sku.op is bf.AttentionKind.PAGED_ATTENTION
    assert sku.element is kind
    assert sku.aux_element is None
    assert sku.epilogue is None
    assert sku.backend is backend.kind
    assert (sku.arch is bf.ArchSku.HOST) == (backend.kind is bf.BackendKind.HOST)
    guarantee = sku.precision_guarantee
    assert guarantee == select(backend, case.descriptor(8)).precision_guarantee()
    assert guarantee.math_precision is bf.MathPrecision.F32
    assert guarantee.accumulator is kind
    assert guarantee.bit_stable_on_same_hardware is True
    assert guarantee.deterministic is True


def test_skus_are_keys() -> None:
    """Equal for equal plans, different where what runs is different; and they travel."""
    backend = HostBackend()
    skus = [
        select(backend, Case(element, layout, convention, 4, batch, 2, 64).descriptor(8)).sku()
        for element in ELEMENTS
        for layout in LAYOUTS
        for convention in CONVENTIONS
        for batch in (1, 3)
    ]
    assert {sku.element for sku in set(skus)} == {bf.ElementKind[element.kind] for element in ELEMENTS}
    for sku in skus:
        again = pickle.loads(pickle.dumps(sku))
        assert again == sku
        assert hash(again) == hash(sku)
    assert len(set(skus)) < len(skus)


def test_no_workspace_is_needed(backend: Backend) -> None:
    assert select(backend, SMALL.descriptor(8)).workspace_size() == 0


@pytest.mark.parametrize("workspace", [bf.Workspace.NONE, bf.Workspace(ptr=64, size=4096), bf.Workspace()])
def test_any_workspace_is_enough(backend: Backend, workspace: bf.Workspace) -> None:
    talk = Conversation(SMALL, rounds=1)
    caches = put_caches(backend, talk)
    plan = select(backend, talk.descriptor)
    for step in talk.steps():
        operands = put_step(backend, step) | caches
        plan.run(backend.stream, workspace, make_args(operands))
        check_caches(backend, operands, talk)


@pytest.mark.parametrize("workspace", [None, 0, b"", "NONE"])
def test_a_workspace_of_the_wrong_kind(host_backend: HostBackend, workspace: Any) -> None:
    problem = Problem()
    before = problem.snapshot()
    with pytest.raises((bf.InvalidProblem, TypeError), match=r"(?i)workspace"):
        select(host_backend, SMALL.descriptor(problem.num_pages)).run(
            None, workspace, make_args(problem.arrays)
        )
    assert_unchanged(problem.arrays, before)


def test_a_workspace_of_a_negative_size() -> None:
    with pytest.raises(bf.InvalidProblem, match="size is -1"):
        bf.Workspace(size=-1)


@pytest.mark.parametrize("stream", [0, 1, 2, 4096, True, False, "0", 1.0, object()])
def test_a_stream_given_to_a_host_plan(host_backend: HostBackend, stream: Any) -> None:
    problem = Problem()
    before = problem.snapshot()
    plan = select(host_backend, SMALL.descriptor(problem.num_pages))
    args = make_args(problem.arrays)
    with pytest.raises(bf.InvalidProblem, match="stream"):
        plan.run(stream, bf.Workspace.NONE, args)
    with pytest.raises(bf.InvalidProblem, match="stream"):
        plan.bind(stream, args)
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("args", [None, (), {}, 7])
def test_args_of_the_wrong_kind(host_backend: HostBackend, args: Any) -> None:
    plan = select(host_backend, SMALL.descriptor(8))
    for call in (
        lambda: plan.run(None, bf.Workspace.NONE, args),
        lambda: plan.can_implement(args),
        lambda: plan.bind(None, args),
    ):
        with pytest.raises((bf.InvalidProblem, TypeError)):
            call()


def test_can_implement_writes_nothing_and_returns_none(backend: Backend) -> None:
    talk = Conversation(SMALL, rounds=1)
    untouched = put_caches(backend, talk)
    before = Conversation(SMALL, rounds=1)
    plan = select(backend, talk.descriptor)
    for step in talk.steps():
        assert plan.can_implement(make_args(put_step(backend, step) | untouched)) is None
    check_caches(backend, untouched, before)


def test_run_returns_none(host_backend: HostBackend) -> None:
    problem = Problem()
    before = problem.snapshot()
    plan = select(host_backend, SMALL.descriptor(problem.num_pages))
    assert plan.run(None, bf.Workspace.NONE, make_args(problem.arrays)) is None
    assert_appended(problem, before)


def test_the_args_are_read_anew_each_time(host_backend: HostBackend) -> None:
    """One args bundle, arrays that are written between the calls."""
    problem = Problem()
    plan = select(host_backend, SMALL.descriptor(problem.num_pages))
    args = make_args(problem.arrays)
    for length in range(SMALL.page_size):
        problem.arrays["last_page_len"][:] = length
        before = problem.snapshot()
        plan.run(None, bf.Workspace.NONE, args)
        assert_appended(problem, before)


def test_the_args_name_their_operands() -> None:
    problem = Problem()
    args = make_args(problem.arrays)
    for name, array in problem.arrays.items():
        assert getattr(args, name) is array
    with pytest.raises(AttributeError):
        args.key = problem.arrays["value"]  # type: ignore[misc]
    assert args.kv_data is None
    for name in ("append_indptr", "batch_indices", "positions", "slot_mapping", "block_table", "seq_lens"):
        assert getattr(args, name) is None
    with pytest.raises(TypeError):
        bf.PagedKvAppendArgs()  # type: ignore[call-arg]
