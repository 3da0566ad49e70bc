"""Selects for the default stream and prints what that raises, as JSON; then the host backend must work."""

from __future__ import annotations

import json

import baracuda_ffi as bf
from support.calls.operands import make_args
from support.problems.problem import Problem, assert_appended


def main() -> None:
    problem = Problem()
    before = problem.snapshot()
    descriptor = problem.case.descriptor(problem.num_pages)
    raised = []
    for mode in (False, True):
        for _ in range(2):
            try:
                bf.PagedKvAppendPlan.select(0, descriptor, bf.PlanPreference(guarded=mode))
            except bf.BaracudaError as error:
                raised.append([type(error).__name__, getattr(error, "name", ""), str(error)])
    print(json.dumps(raised))
    host = bf.PagedKvAppendPlan.select(None, descriptor)
    host.run(None, bf.Workspace.NONE, make_args(problem.arrays))
    assert_appended(problem, before)


if __name__ == "__main__":
    main()
