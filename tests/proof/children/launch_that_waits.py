"""A host append that cannot go on until another Python thread has run, with thread_gate.so preloaded.

The append makes a thread, and the preloaded pthread_create waits there for a word that the other thread sets.
Were the GIL held, nobody could set it.
"""

from __future__ import annotations

import threading

from proof.shims import ThreadGate

import baracuda_ffi as bf
from support.calls.operands import make_args
from support.problems.large_append import LARGE
from support.problems.problem import Problem, assert_appended


def main() -> None:
    problem = Problem(LARGE)
    before = problem.snapshot()
    plan = bf.PagedKvAppendPlan.select(None, LARGE.descriptor(problem.num_pages))
    launch = plan.bind(None, make_args(problem.arrays))
    gate = ThreadGate()
    asked = gate.asked.value + 1  # and the opener itself

    def open_once_it_waits() -> None:
        while gate.asked.value == asked and gate.timed_out.value == 0:
            pass
        gate.is_open.value = 1

    opener = threading.Thread(target=open_once_it_waits)
    opener.start()
    gate.mode.value = ThreadGate.HOLD
    launch()
    opener.join()
    assert gate.asked.value > asked, "the append made no thread"
    assert gate.timed_out.value == 0, "no other Python thread ran while the append waited"
    assert_appended(problem, before)
    print("done")


if __name__ == "__main__":
    main()
