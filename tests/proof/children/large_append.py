"""One append that is worth several threads, with thread_gate.so preloaded: CPUS LIMIT GATE_MODE [BATCH].

CPUS is how many of its CPUs the process keeps, LIMIT the setting of the library. Prints how many threads were
asked for and made; the cache must be right however many those were.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys

from proof.shims import ThreadGate

import baracuda_ffi as bf
from support.calls.operands import make_args
from support.problems.large_append import LARGE
from support.problems.problem import Problem, assert_appended


def main(cpus: str, limit: str, gate_mode: str, batch: str = str(LARGE.batch_size)) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cpus)])
    bf.set_host_max_threads(int(limit))
    case = dataclasses.replace(LARGE, batch_size=int(batch))
    problem = Problem(case)
    before = problem.snapshot()
    plan = bf.PagedKvAppendPlan.select(None, case.descriptor(problem.num_pages), bf.PlanPreference())
    gate = ThreadGate()
    gate.mode.value = getattr(ThreadGate, gate_mode)
    asked, made = gate.asked.value, gate.made.value
    plan.run(None, bf.Workspace.NONE, make_args(problem.arrays))
    print(json.dumps({"asked": gate.asked.value - asked, "made": gate.made.value - made}))
    gate.mode.value = ThreadGate.PASS
    assert gate.timed_out.value == 0, "a thread that had not begun was waited for"
    assert_appended(problem, before)
    gate.is_open.value = 1
    plan.run(None, bf.Workspace.NONE, make_args(problem.arrays))  # with what begins only now
    assert_appended(problem, before)


if __name__ == "__main__":
    main(*sys.argv[1:])
