"""What a bound launch keeps alive, for how long, and what a refused rebind leaves behind."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.operands import CACHES, INPUTS, NAMES, make_args, select
from support.devices.backends import HostBackend
from support.problems.problem import SMALL, Problem, assert_appended, assert_unchanged


def bound(problem: Problem) -> Any:
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    return plan.bind(None, make_args(problem.arrays))


def watch(problem: Problem) -> dict[str, weakref.ref[Any]]:
    return {name: weakref.ref(array) for name, array in problem.arrays.items()}


def test_a_launch_keeps_its_operands_alive_and_lets_them_go() -> None:
    problem = Problem()
    launch = bound(problem)
    seen = watch(problem)
    expected = problem.expected()
    problem.arrays.clear()
    gc.collect()
    assert all(ref() is not None for ref in seen.values())
    launch()
    for name in CACHES:
        array = seen[name]()
        assert array is not None
        assert array.tobytes() == expected[name].tobytes()
        del array
    del launch
    gc.collect()
    assert [name for name, ref in seen.items() if ref() is not None] == []


@pytest.mark.parametrize("name", NAMES)
def test_rebind_lets_go_of_what_it_replaces(name: str) -> None:
    problem, other = Problem(), Problem(seed=1)
    launch = bound(problem)
    seen, fresh = watch(problem), watch(other)
    launch.rebind(**{name: other.arrays[name]})
    problem.arrays.clear()
    other.arrays.clear()
    gc.collect()
    assert {n for n, ref in seen.items() if ref() is None} == {name}
    assert {n for n, ref in fresh.items() if ref() is not None} == {name}


def test_neither_run_nor_can_implement_keeps_anything() -> None:
    problem = Problem()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    seen = watch(problem)
    plan.can_implement(make_args(problem.arrays))
    plan.run(None, bf.Workspace.NONE, make_args(problem.arrays))
    problem.arrays.clear()
    gc.collect()
    assert [name for name, ref in seen.items() if ref() is not None] == []
    assert plan.workspace_size() == 0


def test_a_launch_outlives_its_plan_and_args() -> None:
    problem = Problem()
    before = problem.snapshot()
    launch = bound(problem)
    gc.collect()
    launch()
    assert_appended(problem, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_rebind_leaves_the_launch_as_it_was(name: str) -> None:
    """Among good operands one that is wrong: none of them is taken."""
    problem, other = Problem(), Problem(seed=1)
    launch = bound(problem)
    before, untouched = problem.snapshot(), other.snapshot()
    wrong = {
        "shape": np.zeros((2, 2), other.arrays[name].dtype),
        "dtype": np.zeros(other.arrays[name].shape, np.float64),
        "rank": other.arrays[name][None],
        "kind": object(),
    }
    for operand in wrong.values():
        with pytest.raises(bf.BaracudaError, match=name):
            launch.rebind(**(other.arrays | {name: operand}))
        assert_unchanged(problem.arrays, before)
        launch()
        assert_appended(problem, before)
        for cache in CACHES:
            problem.arrays[cache][...] = before[cache]
    assert_unchanged(other.arrays, untouched)


def test_rebind_with_nothing_changes_nothing() -> None:
    problem = Problem()
    before = problem.snapshot()
    launch = bound(problem)
    launch.rebind()
    launch()
    assert_appended(problem, before)


def test_rebind_takes_names_only() -> None:
    problem = Problem()
    launch = bound(problem)
    with pytest.raises(TypeError):
        launch.rebind(problem.arrays["key"])
    with pytest.raises(TypeError):
        launch.rebind(query=problem.arrays["key"])


def test_rebind_checks_alignment_overlap_and_layout() -> None:
    problem = Problem()
    launch = bound(problem)
    with pytest.raises(bf.InvalidProblem, match="overlap"):
        launch.rebind(v_data=problem.arrays["k_data"])
    misaligned = np.frombuffer(bytearray(problem.arrays["key"].nbytes + 24), np.uint8)
    start = -misaligned.ctypes.data % 16 + 8
    key = misaligned[start : start + problem.arrays["key"].nbytes].view(np.float16).reshape(SMALL.row_shape)
    with pytest.raises(bf.MisalignedOperand, match="key"):
        launch.rebind(key=key)


def test_a_bound_launch_judges_the_page_table_at_every_call() -> None:
    """The host backend reads it anew: what was right at bind may be wrong now, and is refused whole."""
    problem = Problem()
    launch = bound(problem)
    launch()
    good = problem.arrays["last_page_len"].copy()
    problem.arrays["last_page_len"][1] = SMALL.page_size
    before = problem.snapshot()
    with pytest.raises(bf.InvalidProblem, match="request 1"):
        launch()
    assert_unchanged(problem.arrays, before)
    problem.arrays["last_page_len"][:] = good
    before = problem.snapshot()
    launch()
    assert_appended(problem, before)


def test_binding_a_table_that_is_wrong_now_is_a_launch_that_refuses() -> None:
    problem = Problem()
    problem.arrays["indices"][:] = -1
    before = problem.snapshot()
    launch = bound(problem)
    with pytest.raises(bf.InvalidProblem, match="request 0"):
        launch()
    assert_unchanged({name: problem.arrays[name] for name in (*INPUTS, *CACHES)}, before)
