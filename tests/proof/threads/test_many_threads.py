"""Sixteen threads, each on a stream of its own, into one cache: no row is lost and none is misplaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from proof.modes import MODES, preference
from proof.processes.shares import CASE, NUM_PAGES, USERS, Share, first_caches, last_caches

import baracuda_ffi as bf
from support.calls.operands import CACHES, make_args, put_step
from support.devices.bits import assert_same_bits
from support.processes.threads import run_together


@pytest.fixture
def streams(backend: Any) -> Iterator[list[Any]]:
    """A stream for each thread; None for each over host memory."""
    if backend.kind is bf.BackendKind.HOST:
        yield [None] * USERS
        return
    from support.devices import cuda

    made = [cuda.create_stream() for _ in range(USERS)]
    yield made
    for stream in made:
        cuda.check(cuda.driver.cuStreamDestroy(stream))


@pytest.mark.parametrize("plans", ["one plan", "own plans"])
@pytest.mark.parametrize("mode", MODES)
def test_sixteen_threads_on_sixteen_streams(backend: Any, streams: list[Any], mode: str, plans: str) -> None:
    shares = [Share(number) for number in range(USERS)]
    caches = {name: backend.put(array) for name, array in first_caches().items()}
    steps = [[put_step(backend, step) | caches for step in share.steps] for share in shares]
    descriptor = CASE.descriptor(NUM_PAGES)
    shared = bf.PagedKvAppendPlan.select(streams[0], descriptor, preference(mode))

    def work(number: int) -> None:
        stream = streams[number]
        plan = shared
        if plans == "own plans":
            plan = bf.PagedKvAppendPlan.select(stream, descriptor, preference(mode))
        for tokens, operands in enumerate(steps[number]):
            if tokens % 2 == 0:
                plan.run(stream, bf.Workspace.NONE, make_args(operands))
            else:
                plan.bind(stream, make_args(operands))()
        if mode == "guarded":
            plan.check(stream)  # waits, and finds nothing

    run_together([lambda number=number: work(number) for number in range(USERS)])  # type: ignore[misc]
    expected = last_caches(shares)
    for name in CACHES:
        assert_same_bits(backend.get(caches[name]), expected[name], name)
    backend.check_guards()


@pytest.mark.parametrize("mode", MODES)
def test_one_bound_launch_from_sixteen_threads(backend: Any, streams: list[Any], mode: str) -> None:
    """The same rows into the same slots by everybody: whoever is last, the bits are these."""
    share = Share(3)
    caches = {name: backend.put(array) for name, array in first_caches().items()}
    plan = bf.PagedKvAppendPlan.select(streams[0], CASE.descriptor(NUM_PAGES), preference(mode))
    share.steps = share.steps[-1:]
    launch = plan.bind(streams[0], make_args(put_step(backend, share.steps[0]) | caches))

    def work() -> None:
        for _ in range(50):
            launch()

    run_together([work] * USERS)
    expected = last_caches([share])
    for name in CACHES:
        assert_same_bits(backend.get(caches[name]), expected[name], name)


def test_every_thread_hears_its_own_refusal() -> None:
    """The message of a refused call belongs to the thread that made it."""
    from support.c_abi import abi
    from support.problems.problem import Problem

    problem = Problem()

    def work(number: int) -> None:
        op = abi.make_append(problem.case, problem.arrays)
        op.page_size = -1 - number
        for _ in range(200):
            assert abi.run(op) == abi.INVALID_PROBLEM
            assert f"page_size is {op.page_size};" in abi.message()

    run_together([lambda number=number: work(number) for number in range(USERS)])  # type: ignore[misc]
