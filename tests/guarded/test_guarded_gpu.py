"""Guarded appends on a GPU: graphs, streams, contexts, and where their records are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi import abi
from support.calls.operands import CACHES, make_args
from support.damaged.guarded import GUARDED, UNCLAIMED, GuardedProblem, record_of, select_guarded
from support.devices.bits import assert_same_bits
from support.problems.cases import Case
from support.problems.elements import F16

pytestmark = pytest.mark.gpu

CASE = Case(F16, "HND", "AFTER_APPEND", page_size=4, batch_size=4, num_heads=2, head_dim=72)
RIGHT = {"indices": (3, 1, 4, 0), "indptr": (0, 1, 2, 3, 4), "last_page_len": (1, 2, 3, 4)}
PAGES = 6


def make_problem(case: Case = CASE, **parts: tuple[int, ...]) -> GuardedProblem:
    table = {name: np.array(part, np.int32) for name, part in (RIGHT | parts).items()}
    return GuardedProblem(case, PAGES, **table)


def spoilt() -> GuardedProblem:
    return make_problem(indices=(3, 1, PAGES, 0))


@pytest.fixture
def second(cuda_backend: Any) -> Iterator[Any]:
    """A backend in a second context on the same device; the first is current."""
    from support.devices import cuda
    from support.devices.cuda_backend import CudaBackend

    context = cuda.create_context(cuda_backend.device)
    backend = CudaBackend(cuda_backend.device, cuda.create_stream())
    backend.context = context  # type: ignore[attr-defined]
    cuda_backend.device.make_current()
    yield backend
    cuda_backend.device.make_current()
    cuda.check(cuda.driver.cuCtxDestroy(context))


def test_a_graph_replayed_over_tables_that_are_right_damaged_and_padding(cuda_backend: Any) -> None:
    """Captured once. A damaged table spoils one replay and no other; the record says so afterwards."""
    from support.devices import cuda

    stream = cuda_backend.stream
    first = make_problem()
    operands = first.put(cuda_backend)
    plan = select_guarded(cuda_backend, first)
    launch = plan.bind(stream, make_args(operands))
    with cuda.capture(stream) as graph:
        launch()
    assert [name for name in graph.kernel_names() if "append_kernel" not in name] == []
    tables: list[tuple[dict[str, tuple[int, ...]], int | None]] = [
        ({}, None),
        ({"indices": (3, 1, PAGES, 0)}, 2),
        ({"indptr": (2, 2, 2, 2, 2)}, None),
        ({"indices": (-1, 5, -2, 0)}, None),
        ({"last_page_len": (1, 2, 3, 5)}, 3),
    ]
    for parts, corrupt in tables:
        problem = make_problem(**parts)
        for name, array in problem.arrays.items():
            cuda_backend.overwrite(operands[name], array)
        graph.replay()
        problem.check(cuda_backend, operands)
        if corrupt is None:
            plan.check(stream)
        else:
            with pytest.raises(bf.CorruptPageTable) as raised:
                plan.check(stream)
            assert raised.value.request == corrupt
            plan.reset(stream)


def test_a_captured_run_and_its_reset(cuda_backend: Any) -> None:
    """A reset that is captured clears the record at each replay, before the append claims it anew."""
    from support.devices import cuda

    stream = cuda_backend.stream
    problem = spoilt()
    operands = problem.put(cuda_backend)
    memory = cuda_backend.put(UNCLAIMED)
    plan = select_guarded(cuda_backend, problem, memory)
    with cuda.capture(stream) as graph:
        plan.reset(stream)
        plan.run(stream, bf.Workspace.NONE, make_args(operands))
    graph.replay()
    assert cuda_backend.get(memory).tolist() == record_of(*problem.corrupt[0])
    cuda_backend.overwrite(operands["indices"], np.array(RIGHT["indices"], np.int32))
    graph.replay()
    plan.check(stream)


def test_a_capture_needs_no_launch_before(cuda_backend: Any) -> None:
    """select has loaded the kernel, for a shape of either index width."""
    from support.devices import cuda

    problem = make_problem()
    operands = problem.put(cuda_backend)
    plan = select_guarded(cuda_backend, problem)
    with cuda.capture(cuda_backend.stream) as graph:
        plan.run(cuda_backend.stream, bf.Workspace.NONE, make_args(operands))
    graph.replay()
    problem.check(cuda_backend, operands)


def test_selecting_while_a_stream_is_captured(cuda_backend: Any) -> None:
    """More than a slab of records: the pool may allocate, and the capture is none the worse."""
    from support.devices import cuda

    stream = cuda_backend.stream
    problem = make_problem()
    operands = problem.put(cuda_backend)
    select_guarded(cuda_backend, problem)  # loads the kernel
    with cuda.capture(stream) as graph:
        plans = [select_guarded(cuda_backend, problem) for _ in range(2100)]
        plans[0].run(stream, bf.Workspace.NONE, make_args(operands))
    assert len({plan.error_record.address for plan in plans if plan.error_record}) == len(plans)
    graph.replay()
    problem.check(cuda_backend, operands)


def test_check_refuses_a_stream_that_is_being_captured(cuda_backend: Any) -> None:
    """And leaves the capture as it was."""
    from support.devices import cuda

    stream = cuda_backend.stream
    problem = spoilt()
    plan = select_guarded(cuda_backend, problem)
    operands = problem.put(cuda_backend)
    with cuda.capture(stream) as graph:
        plan.run(stream, bf.Workspace.NONE, make_args(operands))
        with pytest.raises(bf.InvalidProblem, match=r"PagedKvAppendPlan.check|is being captured"):
            plan.check(stream)
    plan.check(stream)
    graph.replay()
    with pytest.raises(bf.CorruptPageTable):
        plan.check(stream)


def test_check_waits_and_reset_does_not(cuda_backend: Any) -> None:
    from support.devices import cuda

    stream = cuda_backend.stream
    problem = spoilt()
    operands = problem.put(cuda_backend)
    plan = select_guarded(cuda_backend, problem)
    args = make_args(operands)
    with cuda.held(stream) as gate:
        plan.run(stream, bf.Workspace.NONE, args)
        plan.reset(stream)
        assert not cuda.is_idle(stream)
        gate.open()
        plan.check(stream)
    with cuda.held(stream) as gate:
        plan.reset(stream)
        plan.run(stream, bf.Workspace.NONE, args)
        gate.open()
        with pytest.raises(bf.CorruptPageTable):
            plan.check(stream)


@pytest.mark.parametrize("kind", ["device", "managed", "pinned"])
def test_a_record_in_each_kind_of_memory(cuda_backend: Any, kind: str) -> None:
    from support.devices import cuda

    stream = cuda_backend.stream
    problem = spoilt()
    free = cuda.driver.cuMemFree
    if kind == "pinned":
        address = int(cuda.check(cuda.driver.cuMemHostAlloc(64, 0)))
        free = cuda.driver.cuMemFreeHost
    elif kind == "managed":
        flags = cuda.driver.CUmemAttach_flags.CU_MEM_ATTACH_GLOBAL
        address = int(cuda.check(cuda.driver.cuMemAllocManaged(64, flags)))
    else:
        address = int(cuda.check(cuda.driver.cuMemAlloc(64)))
    # As the CPU may reach it, and as memory of the device, which all three are.
    for device in (None, 0) if kind != "device" else (0,):
        memory = bf.TensorView(ptr=address, shape=(8,), element="i64", device=device)
        plan = select_guarded(cuda_backend, problem, memory)
        plan.reset(stream)
        plan.check(stream)
        plan.run(stream, bf.Workspace.NONE, make_args(problem.put(cuda_backend)))
        with pytest.raises(bf.CorruptPageTable) as raised:
            plan.check(stream)
        assert raised.value.request == 2
    cuda.check(free(address))


def test_a_record_that_the_gpu_cannot_write(cuda_backend: Any) -> None:
    memory = np.zeros(8, np.int64)
    problem = make_problem()
    plan = select_guarded(cuda_backend, problem, memory)
    args = make_args(problem.put(cuda_backend))
    for call in (
        lambda: plan.can_implement(args),
        lambda: plan.bind(cuda_backend.stream, args),
        lambda: plan.run(cuda_backend.stream, bf.Workspace.NONE, args),
    ):
        with pytest.raises(bf.InvalidProblem, match=r"error_record is at 0x\w+, which CUDA does not know"):
            call()


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_the_default_streams(cuda_backend: Any, stream: int) -> None:
    problem = spoilt()
    operands = problem.put(cuda_backend)
    plan = bf.PagedKvAppendPlan.select(stream, problem.descriptor, GUARDED)
    plan.check(stream)
    plan.run(stream, bf.Workspace.NONE, make_args(operands))
    with pytest.raises(bf.CorruptPageTable):
        plan.check(stream)
    problem.check(cuda_backend, operands)
    plan.reset(stream)
    plan.check(stream)


def test_no_current_context(cuda_backend: Any) -> None:
    """A stream of its own names its context; nothing becomes current."""
    from support.devices import cuda

    problem = spoilt()
    operands = problem.put(cuda_backend)
    with cuda.current(None):
        plan = select_guarded(cuda_backend, problem)
        plan.run(cuda_backend.stream, bf.Workspace.NONE, make_args(operands))
        with pytest.raises(bf.CorruptPageTable):
            plan.check(cuda_backend.stream)
        plan.reset(cuda_backend.stream)
        plan.check(cuda_backend.stream)
        assert cuda.current_context() == 0
    problem.check(cuda_backend, operands)


def test_one_plan_in_two_contexts(cuda_backend: Any, second: Any) -> None:
    """Selected in one, run in both: the record is reached from either, and what is current stays."""
    from support.devices import cuda

    here = spoilt()
    operands = here.put(cuda_backend)
    with cuda.current(second.context):
        elsewhere = spoilt().put(second)
    primary = cuda.current_context()
    for first, other in ((cuda_backend, second), (second, cuda_backend)):
        plan = bf.PagedKvAppendPlan.select(first.stream, here.descriptor, GUARDED)
        for backend in (first, other):
            plan.check(backend.stream)
            args = make_args(operands if backend is cuda_backend else elsewhere)
            plan.run(backend.stream, bf.Workspace.NONE, args)
            with pytest.raises(bf.CorruptPageTable):
                plan.check(backend.stream)
            plan.reset(backend.stream)
            plan.check(backend.stream)
            assert cuda.current_context() == primary


def test_a_context_that_was_destroyed_takes_its_records_along(cuda_backend: Any) -> None:
    """New plans in a context that may have the old one's address get memory that is there."""
    from support.devices import cuda

    problem = spoilt()
    for _ in range(3):
        context = cuda.create_context(cuda_backend.device)
        stream = cuda.create_stream()
        inner = type(cuda_backend)(cuda_backend.device, stream)
        operands = problem.put(inner)
        plan = select_guarded(inner, problem)
        plan.run(stream, bf.Workspace.NONE, make_args(operands))
        with pytest.raises(bf.CorruptPageTable):
            plan.check(stream)
        cuda_backend.device.make_current()
        cuda.check(cuda.driver.cuCtxDestroy(context))
        del plan
    gc.collect()


def record_addresses(backend: Any, count: int, *, launch: bool) -> list[int]:
    problem = make_problem()
    args = make_args(problem.put(backend)) if launch else None
    found = []
    for _ in range(count):
        plan = select_guarded(backend, problem)
        assert plan.error_record is not None
        found.append(plan.error_record.address)
        if args is not None:
            plan.run(backend.stream, bf.Workspace.NONE, args)
    return found


def test_records_are_used_again_only_if_nothing_was_launched_with_them(cuda_backend: Any) -> None:
    never = record_addresses(cuda_backend, 20_000, launch=False)
    assert len(set(never)) < 10
    launched = record_addresses(cuda_backend, 300, launch=True)
    assert len(set(launched)) == 300
    after = record_addresses(cuda_backend, 5_000, launch=False)
    assert not set(after) & set(launched)


def test_the_guard_holds_where_flashinfers_kernel_would_not_launch(cuda_backend: Any) -> None:
    """More heads than a block has threads, and rows of many blocks."""
    for case in (
        Case(F16, "NHD", "AFTER_APPEND", 4, 4, 2000, 64),
        Case(F16, "HND", "AFTER_APPEND", 4, 4, 3, 32768),
    ):
        problem = make_problem(case, indices=(3, 1, PAGES, 0))
        operands = problem.put(cuda_backend)
        plan = select_guarded(cuda_backend, problem)
        plan.run(cuda_backend.stream, bf.Workspace.NONE, make_args(operands))
        problem.check(cuda_backend, operands)


def test_no_record_in_c(cuda_backend: Any) -> None:
    """A corrupt request is skipped all the same."""
    from support.devices import cuda

    problem = spoilt()
    memories = {name: cuda_backend.new(array) for name, array in problem.arrays.items()}
    op = abi.make_append(CASE, problem.arrays, backend=abi.BESPOKE)
    op.flags = abi.GUARDED
    op.stream = int(cuda_backend.stream)
    for name, memory in memories.items():
        setattr(op, name, memory.ptr)
    assert abi.run(op) == abi.OK
    cuda.synchronize()
    for name in CACHES:
        assert_same_bits(memories[name].read(), problem.expected[name], name)


@pytest.mark.multigpu
def test_a_plan_on_another_device(cuda_backend: Any) -> None:
    """Its own record is reached from every device; one in device memory is not, and that is said."""
    from support.devices import cuda
    from support.devices.cuda_backend import CudaBackend

    problem = spoilt()
    here = cuda_backend.put(UNCLAIMED)
    plan = select_guarded(cuda_backend, problem)
    tied = select_guarded(cuda_backend, problem, here)
    device = cuda.Device(1)
    other = CudaBackend(device, cuda.create_stream())
    try:
        operands = problem.put(other)
        args = make_args(operands)
        with pytest.raises(
            bf.InvalidProblem, match=r"error_record is on CUDA device 0; it should be on device 1"
        ):
            tied.run(other.stream, bf.Workspace.NONE, args)
        plan.run(other.stream, bf.Workspace.NONE, args)
        with pytest.raises(bf.CorruptPageTable):
            plan.check(other.stream)
        problem.check(other, operands)
    finally:
        other.close()
        cuda_backend.device.make_current()
