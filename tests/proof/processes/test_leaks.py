"""A million bound launches and a hundred thousand selects leave the process as it was.

Memory, file descriptors, threads, references to operands, and Python objects; on a GPU its memory too.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proof.modes import MODES

import baracuda_ffi as bf
from support.calls.operands import CACHES, INPUTS, NAMES, make_args
from support.problems.problem import SMALL, Problem

LAUNCHES = 1_000_000
SELECTS = 100_000
RUNS = 100_000
BINDS = 30_000

# What a process may grow by over all that: pages that the allocator touches for the first time. The smallest
# object that could leak at every call has 16 bytes: 480 KB over the shortest loop, 16 MB over the longest.
SLACK_BYTES = 256 << 10

# A pool somewhere may grow once; a leak is there every time.
ROUNDS = 3

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_things() -> tuple[int, int]:
    """File descriptors and threads."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def check_leaves_nothing(work: Callable[[], object], repeats: int, watched: list[Any]) -> None:
    for _ in range(repeats // 10):  # whatever is made once is made now
        work()
    gc.collect()
    give_back_freed_memory()
    references = [sys.getrefcount(thing) for thing in watched]
    objects, things = len(gc.get_objects()), open_things()
    grown = [growth_of(work, repeats)]
    while grown[-1] > SLACK_BYTES and len(grown) < ROUNDS:
        grown.append(growth_of(work, repeats))
    gc.collect()
    assert [sys.getrefcount(thing) for thing in watched] == references
    assert abs(len(gc.get_objects()) - objects) < 50
    assert open_things() == things
    assert grown[-1] <= SLACK_BYTES, f"{grown} bytes more, each time after {repeats} calls"


def give_back_freed_memory() -> None:
    """What earlier tests freed and the process still has would be used again: a leak would not show."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def growth_of(work: Callable[[], object], repeats: int) -> int:
    resident = resident_bytes()
    for _ in range(repeats):
        work()
    return resident_bytes() - resident


class Operands:
    """A plan on the backend, with operands that it can run with."""

    def __init__(self, backend: Any, mode: str) -> None:
        problem = Problem()
        self.stream = backend.stream
        self.descriptor = SMALL.descriptor(problem.num_pages)
        # One record for all: a plan's own is kept for a graph that may still write there.
        record = bf.ErrorRecord.allocate(backend.stream) if mode == "guarded" else None
        self.preference = bf.PlanPreference(guarded=mode == "guarded", error_record=record)
        self.operands = {name: backend.put(problem.arrays[name]) for name in (*INPUTS, *CACHES)}
        self.args = make_args(self.operands)
        self.plan = self.select()
        self.watched = [self.plan, self.args, *(self.operands[name] for name in NAMES)]

    def select(self) -> bf.PagedKvAppendPlan:
        return bf.PagedKvAppendPlan.select(self.stream, self.descriptor, self.preference)

    def run(self) -> None:
        self.plan.run(self.stream, bf.Workspace.NONE, self.args)

    def bind(self) -> None:
        self.plan.bind(self.stream, self.args).rebind(key=self.operands["key"])

    def refused(self) -> None:
        """By the library: indices in place of key."""
        wrong = bf.PagedKvAppendArgs(**(self.operands | {"key": self.operands["indices"]}))
        try:
            self.plan.run(self.stream, bf.Workspace.NONE, wrong)
        except bf.InvalidProblem:
            return
        raise AssertionError("no error")


@pytest.fixture(params=MODES)
def operands(backend: Any, request: pytest.FixtureRequest) -> Operands:
    return Operands(backend, request.param)


@pytest.mark.slow
def test_a_million_bound_launches(operands: Operands) -> None:
    launch = operands.plan.bind(operands.stream, operands.args)
    check_leaves_nothing(launch, LAUNCHES, [*operands.watched, launch])


@pytest.mark.slow
def test_a_hundred_thousand_selects(operands: Operands) -> None:
    check_leaves_nothing(operands.select, SELECTS, operands.watched)


@pytest.mark.slow
def test_runs_binds_and_refusals(operands: Operands) -> None:
    check_leaves_nothing(operands.run, RUNS, operands.watched)
    check_leaves_nothing(operands.bind, BINDS, operands.watched)
    check_leaves_nothing(operands.refused, BINDS, operands.watched)


@pytest.mark.gpu
@pytest.mark.slow
def test_device_memory_stays_as_it_was(cuda_backend: Any) -> None:
    from support.devices import cuda

    for mode in MODES:
        operands = Operands(cuda_backend, mode)
        operands.run()
        cuda.synchronize()
        free, _ = cuda.check(cuda.driver.cuMemGetInfo())
        for _ in range(20_000):
            operands.select()
            operands.run()
            operands.bind()
        cuda.synchronize()
        assert cuda.check(cuda.driver.cuMemGetInfo())[0] == free


def test_a_leak_would_be_seen() -> None:
    """The measure itself: memory that is kept, a reference that is kept. Whatever was freed before."""
    kept: list[bytes] = []
    freed = [bytes(2000) for _ in range(100_000)]
    last = bytes(2000)  # behind them, so that what is freed is not the heap's end
    del freed
    with pytest.raises(AssertionError, match="bytes more"):
        check_leaves_nothing(lambda: kept.append(bytes(2000)), 20_000, [])
    thing = object()
    with pytest.raises(AssertionError):
        check_leaves_nothing(lambda: kept.append(thing), 10, [thing])  # type: ignore[arg-type]
    assert last
