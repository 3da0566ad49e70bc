"""Ends in one way or another while other threads are in the middle of large appends: WAY."""

from __future__ import annotations

import ctypes
import os
import sys
import threading

import baracuda_ffi as bf
from support.calls.operands import make_args
from support.problems.large_append import LARGE
from support.problems.problem import Problem

THREADS = 4


def append_for_ever(started: threading.Semaphore, problem: Problem) -> None:
    plan = bf.PagedKvAppendPlan.select(None, LARGE.descriptor(problem.num_pages), bf.PlanPreference())
    launch = plan.bind(None, make_args(problem.arrays))
    launch()
    started.release()
    while True:
        launch()


def main(way: str) -> None:
    started = threading.Semaphore(0)
    problem = Problem(LARGE)  # the same slots get the same rows from all
    for _ in range(THREADS):
        threading.Thread(target=append_for_ever, args=(started, problem), daemon=True).start()
    for _ in range(THREADS):
        started.acquire()
    if way == "os._exit":
        os._exit(0)
    if way == "exit":
        ctypes.CDLL(None).exit(0)  # C's, with the interpreter still running
    if way == "sys.exit":
        sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
