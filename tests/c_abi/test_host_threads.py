"""The host backend from many threads and processes, and how many threads it may use itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi import abi
from support.calls.operands import CACHES, make_args
from support.problems.cases import Case
from support.problems.elements import BF16, F16
from support.problems.large_append import LARGE
from support.problems.problem import Problem, assert_appended, expected_caches
from support.processes.python import output_of
from support.processes.threads import run_together


@pytest.fixture
def thread_limit() -> Iterator[None]:
    """The setting is the process's: put back what was there."""
    before = abi.library().baracuda_host_max_threads()
    yield
    abi.library().baracuda_host_set_max_threads(before)


def test_one_plan_from_sixteen_threads() -> None:
    """Each thread appends into pages of its own, in one cache, through one plan, again and again."""
    case = Case(BF16, "NHD", "BEFORE_APPEND", page_size=8, batch_size=16, num_heads=4, head_dim=128)
    shared = Problem(case)
    problems = [Problem(case, seed=seed) for seed in range(16)]
    plan = bf.PagedKvAppendPlan.select(None, case.descriptor(shared.num_pages), bf.PlanPreference())
    snapshots = [problem.snapshot() for problem in problems]

    def work(problem: Problem) -> None:
        args = make_args(problem.arrays)
        for _ in range(50):
            plan.run(None, bf.Workspace.NONE, args)

    run_together([partial(work, problem) for problem in problems])
    for problem, snapshot in zip(problems, snapshots, strict=True):
        assert_appended(problem, snapshot)


def test_requests_of_one_cache_from_sixteen_threads() -> None:
    """One cache for all: what one thread writes is another thread's neighbour."""
    case = Case(F16, "HND", "AFTER_APPEND", page_size=4, batch_size=1, num_heads=4, head_dim=64)
    rng = np.random.default_rng(4)
    whole = Problem(case, spare_pages=62)
    snapshot = whole.snapshot()
    pages = rng.permutation(whole.num_pages)[:48]
    parts = []
    for number in range(16):
        part = Problem(case, seed=number).arrays | {name: whole.arrays[name] for name in CACHES}
        part["indices"] = np.array(pages[3 * number : 3 * number + 2], np.int32)
        parts.append(part)
    plan = bf.PagedKvAppendPlan.select(None, case.descriptor(whole.num_pages), bf.PlanPreference())

    def work(part: dict[str, np.ndarray]) -> None:
        launch = plan.bind(None, make_args(part))
        for _ in range(50):
            launch()

    run_together([partial(work, part) for part in parts])
    for part in parts:
        snapshot |= expected_caches(case, part | {name: snapshot[name] for name in CACHES})
    for name in CACHES:
        assert whole.arrays[name].tobytes() == snapshot[name].tobytes()


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 1000])
def test_any_number_of_threads_gives_the_same_bits(thread_limit: None, limit: int) -> None:
    assert abi.library().baracuda_host_set_max_threads(limit) == abi.OK
    assert abi.library().baracuda_host_max_threads() == limit
    problem = Problem(LARGE, seed=limit)
    before = problem.snapshot()
    assert abi.run(abi.make_append(LARGE, problem.arrays)) == abi.OK, abi.message()
    assert_appended(problem, before)


def test_a_negative_limit_is_refused(thread_limit: None) -> None:
    assert abi.library().baracuda_host_set_max_threads(2) == abi.OK
    for limit in (-1, -(2**31)):
        assert abi.library().baracuda_host_set_max_threads(limit) == abi.INVALID_PROBLEM
        for part in ("max_threads", str(limit)):
            assert part in abi.message()
        assert abi.library().baracuda_host_max_threads() == 2


def tasks() -> set[str]:
    return set(os.listdir("/proc/self/task"))


def test_threads_rest_and_end() -> None:
    """They are the next call's, no more of them than it could use; and soon nobody's."""
    before = tasks()
    problem = Problem(LARGE)
    for _ in range(20):
        assert abi.run(abi.make_append(LARGE, problem.arrays)) == abi.OK
        assert len(tasks() - before) < max(len(os.sched_getaffinity(0)), 2)
    give_up = time.monotonic() + 10
    while not tasks() <= before:
        assert time.monotonic() < give_up
        time.sleep(0.01)


FORK = """
import os, signal, time
import baracuda_ffi as bf
from support.problems.large_append import LARGE
from support.calls.operands import make_args
from support.problems.problem import Problem, assert_appended, assert_unchanged

problem, again = Problem(LARGE), Problem(LARGE, seed=1)
plan = bf.PagedKvAppendPlan.select(None, LARGE.descriptor(problem.num_pages), bf.PlanPreference())
others = set(os.listdir("/proc/self/task"))  # NumPy may have some
plan.run(None, bf.Workspace.NONE, make_args(problem.arrays))  # the parent has used threads before
resting = set(os.listdir("/proc/self/task")) - others
assert resting or len(os.sched_getaffinity(0)) == 1
before = again.snapshot()
child = os.fork()
if child == 0:
    signal.alarm(60)  # a child that hangs ends
    plan.run(None, bf.Workspace.NONE, make_args(again.arrays))
    assert_appended(again, before)
    os._exit(42)
give_up = time.monotonic() + 0.5  # sooner than they would end by themselves
while resting & set(os.listdir("/proc/self/task")):  # the system lists one that was joined a moment longer
    assert time.monotonic() < give_up
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 42, status
assert_unchanged(again.arrays, before)  # the child's copy was written, not ours
"""


def test_a_forked_child_can_append() -> None:
    """And no thread that rests is left behind. In a process of its own, since this one may hold threads of
    other libraries."""
    output_of(FORK)


UNLOAD = """
import _ctypes, contextlib, os, time
from support.c_abi import abi
from support.problems.large_append import LARGE
from support.problems.problem import Problem

library, problem = abi.library(), Problem(LARGE)
others = set(os.listdir("/proc/self/task"))  # NumPy may have some
assert abi.run(abi.make_append(LARGE, problem.arrays)) == abi.OK
resting = set(os.listdir("/proc/self/task")) - others
assert resting or len(os.sched_getaffinity(0)) == 1
with contextlib.suppress(OSError):  # which says that nobody has it open
    for _ in range(100):
        _ctypes.dlclose(library._handle)
give_up = time.monotonic() + 10
while resting & set(os.listdir("/proc/self/task")):  # they end in the library's code
    assert time.monotonic() < give_up
    time.sleep(0.01)
os._exit(0)
"""


def test_the_library_stays_while_threads_rest() -> None:
    output_of(UNLOAD)
