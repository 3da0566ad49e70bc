"""What threads share never changes under them: views, types met for the first time, plans, launches."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._append import bound_launch
from baracuda_ffi._interop import exchange, tensors
from baracuda_ffi._native.accelerator import describers
from support.c_abi import abi
from support.c_abi.tensors import as_view
from support.calls.exporters import LegacyExporter, OneCapsule, VersionedExporter, exchange_type
from support.calls.operands import CACHES, NAMES, make_args
from support.devices.bits import assert_same_bits
from support.problems.problem import SMALL, Problem, assert_appended
from support.processes.python import output_of
from support.processes.threads import run_together, switching_often

THREADS = 4


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    with switching_often():
        yield


def every_thread(work: Any) -> None:
    run_together([work] * THREADS)


def test_views_that_threads_use_first_at_once() -> None:
    problem = Problem()
    expected = problem.expected()
    shared: list[list[bf.TensorView]] = []
    barrier = threading.Barrier(THREADS)

    def work() -> None:
        for number in range(500):
            if barrier.wait(60) == 0:
                shared.append([as_view(array) for array in problem.arrays.values()])
            barrier.wait(60)
            bf.append_paged_kv(*shared[number], stream=None)

    every_thread(work)
    for name in CACHES:
        assert_same_bits(problem.arrays[name], expected[name], name)


def test_what_describes_a_view_is_kept_by_whoever_has_it() -> None:
    array = np.arange(3, dtype=np.int32)
    view = as_view(array)
    address, keep = tensors.tensor_of(view, "indices")
    del view
    trash = [as_view(np.zeros((2, 2), np.float32)) for _ in range(1000)]
    tensor = abi.Tensor.from_address(address)
    assert (tensor.data, tensor.ndim, tensor.shape[0]) == (array.ctypes.data, 1, 3)
    del trash, keep


@pytest.mark.parametrize("again", ["view", "args", "record", "descriptor", "workspace"])
def test_nothing_frozen_is_made_over(again: str) -> None:
    """__init__ of an object that other threads may be using would take its memory from them."""
    problem = Problem()
    view, memory = as_view(problem.arrays["key"]), np.zeros(8, np.int64)
    cases: dict[str, tuple[Any, dict[str, Any]]] = {
        "view": (view, {"ptr": 64, "shape": (1,), "element": "i32"}),
        "args": (make_args(problem.arrays), dict(problem.arrays)),
        "record": (bf.ErrorRecord(memory), {"memory": np.zeros(8, np.int64)}),
        "descriptor": (SMALL.descriptor(3), {"batch_size": 1, "paged_kv": SMALL.descriptor(3).paged_kv}),
        "workspace": (bf.Workspace(ptr=64, size=1), {"ptr": 128}),
    }
    made, arguments = cases[again]
    with pytest.raises(AttributeError, match="make another"):
        made.__init__(**arguments)


def test_types_that_threads_meet_first_at_once() -> None:
    problem = Problem()
    expected = problem.expected()
    for _ in range(50):
        kind = exchange_type()
        operands = {name: kind(array) for name, array in problem.arrays.items()}
        every_thread(lambda operands=operands: bf.append_paged_kv(**operands, stream=None))
    for name in CACHES:
        assert_same_bits(problem.arrays[name], expected[name], name)


def test_what_another_thread_found_out_about_a_type_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was replaced could be in use."""
    problem = Problem()
    kind = exchange_type()
    find_reader, theirs = exchange.find_reader, int(str(kind.reader))

    def find_it_while_another_thread_does(kind: type) -> int:
        describers[kind] = theirs
        return find_reader(kind)

    monkeypatch.setattr(exchange, "find_reader", find_it_while_another_thread_does)
    bf.append_paged_kv(**problem.arrays | {"key": kind(problem.arrays["key"])}, stream=None)
    assert describers[kind] is theirs


def test_capabilities_that_threads_name_first_at_once() -> None:
    for number in range(5000, 5100):
        found: list[bf.ArchSku] = []
        every_thread(lambda number=number, found=found: found.append(bf.ArchSku(number)))
        assert {id(member) for member in found} == {id(bf.ArchSku(number))}
        assert found[0].name == f"SM{number}"


FIRST_USE = """
import sys, threading
sys.setswitchinterval(1e-6)
import baracuda_ffi as bf
start, found = threading.Barrier(8), []
def work():
    start.wait()
    names = bf.append_paged_kv, bf.PagedKvAppendPlan, bf.ElementKind, bf.reference, bf.library_path()
    from baracuda_ffi._native.library import library
    found.append((*map(id, names[:-1]), id(library())))
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)))
"""


def test_the_package_and_the_library_that_threads_load_at_once() -> None:
    for _ in range(3):
        assert output_of(FIRST_USE).split() == ["8", "1"]


@pytest.mark.parametrize("guarded", [False, True])
def test_a_plan_that_threads_launch_first_at_once(guarded: bool) -> None:
    """It is the same before and after: its record is told, the plan is not changed."""
    problem = Problem()
    expected = problem.expected()
    args = make_args(problem.arrays)
    for _ in range(50):
        plan = bf.PagedKvAppendPlan.select(
            None, SMALL.descriptor(problem.num_pages), bf.PlanPreference(guarded=guarded)
        )
        parts = [(name, getattr(plan, name)) for name in type(plan).__slots__]

        def work(plan: Any = plan) -> None:
            plan.run(None, bf.Workspace.NONE, args)
            plan.bind(None, args)()

        every_thread(work)
        assert [name for name, part in parts if getattr(plan, name) is not part] == []
    for name in CACHES:
        assert_same_bits(problem.arrays[name], expected[name], name)


SWAPS = {"as the interpreter allows": bound_launch._BOUND_AT, "with the lock": 0}
WAYS = {
    "built-in": lambda array: array,  # what bind_objects describes
    "in Python": VersionedExporter,  # what it leaves to Python
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("swap", SWAPS)
def test_no_rebinding_is_lost(swap: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that rebind different operands of one launch: when all have come back, all have been taken."""
    monkeypatch.setattr(bound_launch, "_BOUND_AT", SWAPS[swap])
    problems = [Problem(seed=seed) for seed in range(2)]
    problem = problems[0]
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    launch = plan.bind(None, make_args(problem.arrays))
    names = ("key", "value", "k_data", "v_data")
    turns = 1000 if way == "built-in" else 200
    barrier = threading.Barrier(len(names))
    lost: list[str] = []

    def bound() -> abi.Append:
        return abi.Append.from_buffer_copy(launch._bound[0])

    def rebinder(name: str) -> Any:
        operands = [WAYS[way](each.arrays[name]) for each in problems]

        def work() -> None:
            for number in range(turns):
                new = number % 2
                barrier.wait(60)
                launch.rebind(**{name: operands[new]})
                barrier.wait(60)
                if getattr(bound(), name) != problems[new].arrays[name].ctypes.data:
                    lost.append(name)

        return work

    run_together([rebinder(name) for name in names])
    assert lost == []
    before = problems[1].snapshot()
    launch.rebind(**problems[1].arrays)
    launch()
    assert_appended(problems[1], before)


@pytest.mark.skipif(bound_launch._BOUND_AT == 0, reason="rebindings wait for each other there")
def test_no_rebinding_is_lost_while_one_is_stepped_through() -> None:
    """A debugger stops at each line of one, and other threads run."""
    problem = Problem()
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    launch = plan.bind(None, make_args(problem.arrays))
    others = {name: array.copy() for name, array in problem.arrays.items()}
    stops: list[int] = []

    def stop_at_lines(frame: Any, event: str, _: object) -> Any:
        code = bound_launch.BoundLaunch._swap_held.__code__
        if event == "line" and frame.f_code is code and frame.f_lineno not in stops:
            stops.append(frame.f_lineno)
            name = NAMES[len(stops)]
            run_together([lambda: launch.rebind(**{name: others[name]})])
        return stop_at_lines

    key = VersionedExporter(others["key"])
    before = sys.gettrace()
    sys.settrace(stop_at_lines)
    try:
        launch.rebind(key=key)
    finally:
        sys.settrace(before)
    assert len(stops) >= 3
    bound = abi.Append.from_buffer_copy(launch._bound[0])
    for name in NAMES[: len(stops) + 1]:
        assert getattr(bound, name) == others[name].ctypes.data, name


@pytest.mark.parametrize("swap", SWAPS)
def test_a_launch_keeps_what_it_is_bound_to_whoever_rebinds(
    swap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread gives memory that nobody else has: what is bound at the end is alive, no other is."""
    monkeypatch.setattr(bound_launch, "_BOUND_AT", SWAPS[swap])
    problem = Problem()
    launch = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages)).bind(
        None, make_args(problem.arrays)
    )
    exporters: list[LegacyExporter] = []

    def work() -> None:
        for _ in range(100):
            mine = LegacyExporter(problem.arrays["key"].copy())
            exporters.append(mine)
            launch.rebind(key=mine)
            launch()

    every_thread(work)
    alive = [exporter for exporter in exporters if exporter.alive]
    address = abi.Append.from_buffer_copy(launch._bound[0]).key
    assert [exporter.array.ctypes.data for exporter in alive] == [address]


FORK = """
import os, signal, threading
from baracuda_ffi._native.process_lock import ProcessLock
lock, held, done = ProcessLock(), threading.Event(), threading.Event()
def hold():
    with lock.held():
        held.set()
        done.wait()
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)  # a child that waits for ever ends by a signal
    with lock.held(), lock.held():
        os._exit(0)
print(os.waitpid(child, 0)[1])
done.set()
"""


def test_a_fork_does_not_inherit_a_lock_that_another_thread_holds() -> None:
    assert output_of(FORK).split() == ["0"]


def test_a_capsule_that_two_threads_are_given_is_taken_by_one() -> None:
    problem = Problem()
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    for _ in range(300):
        exporter = LegacyExporter(problem.arrays["key"])
        args = make_args(problem.arrays | {"key": OneCapsule(exporter._capsule())})
        outcomes: list[str] = []

        def work(args: Any = args, outcomes: list[str] = outcomes) -> None:
            try:
                plan.can_implement(args)
                outcomes.append("taken")
            except bf.InvalidProblem as refusal:
                outcomes.append("refused" if "unused" in refusal.message else refusal.message)

        every_thread(work)
        # A deleter that is called twice raises, and is heard of by pytest.
        assert sorted(outcomes) == ["refused"] * (THREADS - 1) + ["taken"]
        assert exporter.alive == 0
