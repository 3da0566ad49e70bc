"""A process that forks while its threads append; its children append with the plan they inherit: MODE."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings

from proof.modes import preference

import baracuda_ffi as bf
from support.calls.operands import CACHES, make_args
from support.problems.large_append import LARGE
from support.problems.problem import Problem, assert_appended, assert_unchanged

CHILDREN = 6


def child(plan: bf.PagedKvAppendPlan, launch: bf.BoundLaunch, problem: Problem) -> None:
    """The inherited plan and the inherited launch, then a plan of its own."""
    before = problem.snapshot()
    launch()
    assert_appended(problem, before)
    fresh = bf.PagedKvAppendPlan.select(None, plan.descriptor)
    for own in (plan, fresh):
        for name in CACHES:
            problem.arrays[name][...] = before[name]
        own.run(None, bf.Workspace.NONE, make_args(problem.arrays))
        assert_appended(problem, before)


def fork(plan: bf.PagedKvAppendPlan, launch: bf.BoundLaunch, problem: Problem) -> None:
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)  # a child that hangs ends, and is not 42
        try:
            child(plan, launch, problem)
            os._exit(42)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 42, status


def main(mode: str) -> None:
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # Python's, of forking with threads: that is the point
    problem, busy = Problem(LARGE), Problem(LARGE, seed=1)
    plan = bf.PagedKvAppendPlan.select(None, LARGE.descriptor(problem.num_pages), preference(mode))
    fork(plan, plan.bind(None, make_args(problem.arrays)), problem)  # before the plan was used at all
    launch = plan.bind(None, make_args(problem.arrays))
    over = threading.Event()

    def append_until_over() -> None:
        while not over.is_set():
            plan.run(None, bf.Workspace.NONE, make_args(busy.arrays))

    thread = threading.Thread(target=append_until_over)
    thread.start()
    before = problem.snapshot()
    for _ in range(CHILDREN):
        fork(plan, launch, problem)
    assert_unchanged(problem.arrays, before)  # a child wrote its copy, not ours
    over.set()
    thread.join()
    launch()  # the parent's plan works on
    assert_appended(problem, before)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
