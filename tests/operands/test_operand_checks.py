"""Every check of the operands: class, message, order, and that nothing is written. By run, can_implement
and bind.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.faults import FAULTS, Fault
from support.calls.operands import NAMES, make_args, select
from support.devices.backends import HostBackend
from support.devices.bits import Array, assert_same_bits
from support.problems.elements import BF16
from support.problems.problem import SMALL, Problem, assert_unchanged


def memory_of(array: Array) -> Array:
    """A copy of what the array shows, contiguous or not."""
    return np.ascontiguousarray(array).copy()


def refusal_of(call: Any) -> bf.BaracudaError:
    with pytest.raises(bf.BaracudaError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_refused_before_anything_is_written(fault: Fault) -> None:
    problem = Problem()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    arrays = problem.arrays | {fault.operand: fault.spoil(problem.arrays[fault.operand], problem.arrays)}
    before = {name: memory_of(array) for name, array in arrays.items()}
    args = make_args(arrays)
    for call in (
        lambda: plan.can_implement(args),
        lambda: plan.run(None, bf.Workspace.NONE, args),
        lambda: plan.bind(None, args)(),
    ):
        error = refusal_of(call)
        assert type(error) is fault.error, error
        for part in fault.says:
            assert part in error.message
        for name, array in arrays.items():
            assert_same_bits(memory_of(array), before[name], name)


def test_the_order_of_the_checks() -> None:
    """Of two things wrong at once the caller is told the one that baracuda-kernels looks at first."""
    problem = Problem()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    seen = 0
    for first, second in itertools.combinations(FAULTS, 2):
        if first.step == second.step or first.operand == second.operand:
            continue
        if 8 in (first.step, second.step):  # an overlap is of two operands: what is done to one undoes it
            continue
        arrays = dict(problem.arrays)
        for fault in (first, second):
            arrays[fault.operand] = fault.spoil(problem.arrays[fault.operand], problem.arrays)
        args = make_args(arrays)
        earlier = min(first, second, key=lambda fault: fault.step)
        error = refusal_of(lambda args=args: plan.can_implement(args))
        assert type(error) is earlier.error, f"{first.name} and {second.name}: {error}"
        for part in earlier.says:
            assert part in error.message, f"{first.name} and {second.name}: {error}"
        seen += 1
    assert seen > 500


@pytest.mark.parametrize("name", ["k_data", "v_data"])
def test_a_cache_that_is_read_only(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    problem.arrays[name].flags.writeable = False
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    args = make_args(problem.arrays)
    for call in (
        lambda: plan.can_implement(args),
        lambda: plan.run(None, bf.Workspace.NONE, args),
        lambda: plan.bind(None, args),
    ):
        error = refusal_of(call)
        assert type(error) is bf.InvalidProblem
        assert name in error.message
        assert "read-only" in error.message
    assert_same_bits(problem.arrays[name], before[name], name)


def test_shapes_that_a_guarded_plan_takes() -> None:
    """The refusal says that it does, and so it is."""
    problem = Problem()
    arrays = problem.arrays
    rows = {name: np.concatenate((arrays[name], arrays[name])) for name in ("key", "value")}
    headless = {name: arrays[name][:, 0] for name in (*rows, "k_data", "v_data")}
    one_head = replace(SMALL, num_heads=1)
    for case, others, says in (
        (SMALL, rows, r"key has shape .* \(a guarded plan takes rows behind those"),
        (one_head, headless, r"key has shape .* \(a guarded plan takes tensors without a head dimension"),
    ):
        args = make_args(arrays | others)
        desc = case.descriptor(problem.num_pages)
        with pytest.raises(bf.InvalidProblem, match=says):
            bf.PagedKvAppendPlan.select(None, desc).can_implement(args)
        guarded = bf.PlanPreference(guarded=True)
        bf.PagedKvAppendPlan.select(None, desc, guarded).can_implement(args)


def test_inputs_may_be_read_only() -> None:
    problem = Problem()
    expected = problem.expected()
    for name in NAMES:
        if name not in ("k_data", "v_data"):
            problem.arrays[name].flags.writeable = False
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    plan.run(None, bf.Workspace.NONE, make_args(problem.arrays))
    for name, cache in expected.items():
        assert_same_bits(problem.arrays[name], cache, name)


@pytest.mark.parametrize("dtype", ["c8", "f8", "b1", "u2", "V2", ">f2"])
def test_types_that_are_no_element(dtype: str) -> None:
    problem = Problem()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    wrong = np.zeros(problem.arrays["key"].shape, dtype)
    with pytest.raises(bf.Unsupported, match="key") as caught:
        plan.can_implement(make_args(problem.arrays | {"key": wrong}))
    assert "16" in caught.value.message


def test_a_type_of_a_known_name_and_another_size() -> None:
    problem = Problem(replace(SMALL, element=BF16))
    namesake = np.dtype((type("bfloat16", (np.void,), {}), 1))
    before = problem.snapshot()
    wrong = np.zeros(problem.arrays["key"].shape, namesake)
    with pytest.raises(bf.Unsupported, match="key has dtype"):
        bf.append_paged_kv(**problem.arrays | {"key": wrong}, stream=None)
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("dtype", [">i4", "i1", "f4", "b1", "M8[s]", "U1"])
@pytest.mark.parametrize("name", ["indices", "indptr", "last_page_len"])
def test_types_that_are_no_page_table(name: str, dtype: str) -> None:
    problem = Problem()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    wrong = np.zeros(problem.arrays[name].shape, dtype)
    with pytest.raises(bf.Unsupported, match=name) as caught:
        plan.can_implement(make_args(problem.arrays | {name: wrong}))
    assert "int32" in caught.value.message


@pytest.mark.parametrize(
    "wrong", [None, 0, 1.5, "array", [[1, 2], [3, 4]], b"bytes", object(), np.float16(3)]
)
@pytest.mark.parametrize("name", NAMES)
def test_what_describes_no_memory(name: str, wrong: Any) -> None:
    problem = Problem()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    with pytest.raises(bf.BaracudaError, match=name):
        plan.can_implement(make_args(problem.arrays | {name: wrong}))


@pytest.mark.parametrize("offset", [16, 32, 48])
def test_sixteen_bytes_are_aligned_enough(offset: int) -> None:
    """No operand need be aligned to more than the kernel's vectors, whatever the host backend's own copies
    use.
    """
    from support.devices.host_memory import aligned
    from support.problems.cases import Case
    from support.problems.elements import F32
    from support.problems.problem import assert_appended

    case = Case(F32, "HND", "AFTER_APPEND", page_size=2, batch_size=64, num_heads=64, head_dim=256)
    problem = Problem(case)
    for name, array in problem.arrays.items():
        moved = aligned(array.shape, array.dtype, offset=offset)
        moved[...] = array
        problem.arrays[name] = moved
    before = problem.snapshot()
    select(HostBackend(), case.descriptor(problem.num_pages)).run(
        None, bf.Workspace.NONE, make_args(problem.arrays)
    )
    assert_appended(problem, before)


def test_empty_operands() -> None:
    problem = Problem()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    for name in NAMES:
        shape = (0, *problem.arrays[name].shape[1:])
        for empty in (np.empty(shape, problem.arrays[name].dtype), problem.arrays[name][:0]):
            with pytest.raises(bf.InvalidProblem, match=name):
                plan.can_implement(make_args(problem.arrays | {name: empty}))
