"""Which memory a CUDA plan takes: device, managed and pinned; and what it and a host plan refuse."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.operands import CACHES, INPUTS, NAMES, make_args, select
from support.devices.backends import HostBackend
from support.devices.gpu_problem import GpuProblem
from support.problems.problem import SMALL, Problem, assert_appended, assert_unchanged

pytestmark = pytest.mark.gpu


class OnlyInterface:
    """Nothing but `__cuda_array_interface__`."""

    def __init__(self, **interface: Any) -> None:
        self.__cuda_array_interface__ = {"version": 3} | interface


@pytest.fixture
def pinned(cuda_backend: Any) -> Iterator[dict[str, np.ndarray]]:
    """The operands of a small problem as NumPy arrays over pinned memory."""
    from support.devices import cuda

    arrays, bases = {}, []
    for name, array in Problem().arrays.items():
        flags = cuda.driver.CU_MEMHOSTALLOC_PORTABLE | cuda.driver.CU_MEMHOSTALLOC_DEVICEMAP
        base = cuda.check(cuda.driver.cuMemHostAlloc(array.nbytes, flags))
        bases.append(base)
        raw = (ctypes.c_uint8 * array.nbytes).from_address(int(base))
        arrays[name] = np.frombuffer(raw, array.dtype).reshape(array.shape)
        arrays[name][...] = array
    yield arrays
    cuda.synchronize()
    for base in bases:
        cuda.check(cuda.driver.cuMemFreeHost(base))


def run(backend: Any, operands: dict[str, Any], num_pages: int) -> None:
    from support.devices import cuda

    select(backend, SMALL.descriptor(num_pages)).run(backend.stream, bf.Workspace.NONE, make_args(operands))
    cuda.synchronize()


def test_pinned_memory(cuda_backend: Any, pinned: dict[str, np.ndarray]) -> None:
    """The GPU reaches it, so a CUDA plan takes it; NumPy does not know that it is pinned, the driver does."""
    problem = Problem()
    run(cuda_backend, pinned, problem.num_pages)
    before = problem.snapshot()
    problem.arrays = pinned
    assert_appended(problem, before)


@pytest.mark.parametrize("names", [INPUTS, CACHES, ("indices", "indptr", "last_page_len")], ids="+".join)
def test_some_operands_in_pinned_memory(
    cuda_backend: Any, pinned: dict[str, np.ndarray], names: tuple[str, ...]
) -> None:
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    run(cuda_backend, problem.operands | {name: pinned[name] for name in names}, problem.problem.num_pages)
    expected = problem.after()
    for name in NAMES:
        found = pinned[name] if name in names else problem.memory[name].read()
        assert found.tobytes() == expected[name].tobytes(), name
    cuda.synchronize()


def test_pinned_memory_is_host_memory_too(cuda_backend: Any, pinned: dict[str, np.ndarray]) -> None:
    problem = Problem()
    before = problem.snapshot()
    select(HostBackend(), SMALL.descriptor(problem.num_pages)).run(None, bf.Workspace.NONE, make_args(pinned))
    problem.arrays = pinned
    assert_appended(problem, before)


@pytest.mark.parametrize("how", ["TensorView", "interface"])
def test_managed_memory(cuda_backend: Any, how: str) -> None:
    """On the GPU, and then the same memory by the host backend."""
    from support.devices import cuda

    problem = Problem()
    managed = {name: cuda.DeviceArray(array, managed=True) for name, array in problem.arrays.items()}
    cuda_backend.own(managed.values())
    operands: dict[str, Any] = dict(managed)
    if how == "TensorView":
        operands = {name: cuda_backend.describe(memory) for name, memory in managed.items()}
    expected = problem.snapshot() | problem.expected()
    run(cuda_backend, operands, problem.num_pages)
    for name in NAMES:
        assert managed[name].read().tobytes() == expected[name].tobytes(), name

    for name in CACHES:
        managed[name].write(problem.arrays[name])
    cuda.synchronize()
    plan = select(HostBackend(), SMALL.descriptor(problem.num_pages))
    plan.run(None, bf.Workspace.NONE, make_args(operands))
    for name in NAMES:
        assert managed[name].read().tobytes() == expected[name].tobytes(), name


@pytest.mark.parametrize("name", NAMES)
def test_host_memory_given_to_a_cuda_plan(cuda_backend: Any, name: str) -> None:
    problem = GpuProblem(cuda_backend)
    host = problem.problem.arrays[name]
    plan = select(cuda_backend, problem.descriptor)
    view = bf.TensorView(ptr=host.ctypes.data, shape=host.shape, element=problem.operands[name].element)
    for operand in (host, view):
        args = make_args(problem.operands | {name: operand})
        for call in (
            lambda args=args: plan.can_implement(args),
            lambda args=args: plan.run(cuda_backend.stream, bf.Workspace.NONE, args),
            lambda args=args: plan.bind(cuda_backend.stream, args),
        ):
            with pytest.raises(bf.InvalidProblem, match=f"{name}.*host memory"):
                call()
    problem.check_untouched()


@pytest.mark.parametrize("name", NAMES)
def test_an_interface_that_lies(cuda_backend: Any, name: str) -> None:
    """Memory that no CUDA driver knows, said to be CUDA's: launched, it would poison the context."""
    problem = GpuProblem(cuda_backend)
    host = problem.problem.arrays[name]
    lie = OnlyInterface(shape=host.shape, typestr=host.dtype.str, data=(host.ctypes.data, False))
    plan = select(cuda_backend, problem.descriptor)
    with pytest.raises(bf.InvalidProblem, match=name):
        plan.can_implement(make_args(problem.operands | {name: lie}))
    problem.check_untouched()


@pytest.mark.parametrize("name", NAMES)
def test_device_memory_given_to_a_host_plan(cuda_backend: Any, name: str) -> None:
    problem = GpuProblem(cuda_backend)
    host = Problem()
    before = host.snapshot()
    plan = select(HostBackend(), SMALL.descriptor(host.num_pages))
    for operand in (problem.operands[name], problem.memory[name]):
        with pytest.raises(bf.InvalidProblem, match=f"{name}.*CUDA"):
            plan.run(None, bf.Workspace.NONE, make_args(host.arrays | {name: operand}))
    assert_unchanged(host.arrays, before)
    problem.check_untouched()


@pytest.mark.parametrize("name", NAMES)
def test_a_view_that_says_another_device(cuda_backend: Any, name: str) -> None:
    problem = GpuProblem(cuda_backend)
    view = problem.operands[name]
    plan = select(cuda_backend, problem.descriptor)
    elsewhere = bf.TensorView(ptr=view.ptr, shape=view.shape, element=view.element, device=7)
    with pytest.raises(bf.InvalidProblem, match=rf"{name}.*7.*0"):
        plan.can_implement(make_args(problem.operands | {name: elsewhere}))


def test_all_operands_by_the_cuda_array_interface(cuda_backend: Any) -> None:
    problem = GpuProblem(cuda_backend)
    run(cuda_backend, problem.memory, problem.problem.num_pages)
    problem.check_appended()


@pytest.mark.parametrize("name", CACHES)
def test_a_read_only_interface(cuda_backend: Any, name: str) -> None:
    problem = GpuProblem(cuda_backend)
    memory = problem.memory[name]
    read_only = OnlyInterface(shape=memory.shape, typestr=memory.dtype.str, data=(memory.ptr, True))
    plan = select(cuda_backend, problem.descriptor)
    with pytest.raises(bf.InvalidProblem, match=f"{name}.*read-only"):
        plan.can_implement(make_args(problem.operands | {name: read_only}))


def test_a_stream_in_an_interface_is_not_waited_on(cuda_backend: Any) -> None:
    """Ordering is the caller's: with the exporter's stream blocked, ours goes ahead."""
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    exporter = cuda.create_stream()
    plan = select(cuda_backend, problem.descriptor)
    operands = {
        name: OnlyInterface(
            shape=memory.shape, typestr=memory.dtype.str, data=(memory.ptr, False), stream=int(exporter)
        )
        for name, memory in problem.memory.items()
    }
    with cuda.held(exporter):
        plan.run(cuda_backend.stream, bf.Workspace.NONE, make_args(operands))
        cuda.check(cuda.driver.cuStreamSynchronize(cuda_backend.stream))
        problem.check_on(cuda_backend.stream, problem.after())
    cuda.check(cuda.driver.cuStreamDestroy(exporter))
