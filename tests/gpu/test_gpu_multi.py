"""Two GPUs: an operand elsewhere is refused, and a launch goes to the device of the stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import baracuda_ffi as bf
from support.calls.operands import NAMES, make_args
from support.devices.gpu_problem import GpuProblem

pytestmark = pytest.mark.multigpu


@pytest.fixture
def other(cuda_backend: Any) -> Iterator[Any]:
    """The same on device 1; device 0 is current."""
    from support.devices import cuda
    from support.devices.cuda_backend import CudaBackend

    device = cuda.Device(1)
    backend = CudaBackend(device, cuda.create_stream())
    cuda_backend.device.make_current()
    yield backend
    backend.close()
    cuda_backend.device.make_current()


def make_problem(backend: Any, **options: Any) -> GpuProblem:
    from support.devices import cuda

    with cuda.current(backend.device.context):
        return GpuProblem(backend, **options)


def check_appended(backend: Any, problem: GpuProblem) -> None:
    from support.devices import cuda

    with cuda.current(backend.device.context):
        problem.check_appended()


@pytest.mark.parametrize("by_interface", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_an_operand_on_another_device(cuda_backend: Any, other: Any, name: str, by_interface: bool) -> None:
    here, there = GpuProblem(cuda_backend), make_problem(other)
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, here.descriptor, bf.PlanPreference())
    operand = there.memory[name] if by_interface else there.operands[name]
    args = make_args(here.operands | {name: operand})
    for call in (
        lambda: plan.can_implement(args),
        lambda: plan.run(cuda_backend.stream, bf.Workspace.NONE, args),
        lambda: plan.bind(cuda_backend.stream, args),
    ):
        with pytest.raises(bf.InvalidProblem, match=rf"{name}.*device 1.*device 0"):
            call()
    here.check_untouched()


def test_a_stream_of_the_device_that_is_not_current(cuda_backend: Any, other: Any) -> None:
    from support.devices import cuda

    problem = make_problem(other)
    current = cuda.current_context()
    assert current == int(cuda_backend.device.context)
    plan = bf.PagedKvAppendPlan.select(other.stream, problem.descriptor, bf.PlanPreference())
    plan.run(other.stream, bf.Workspace.NONE, problem.args)
    plan.bind(other.stream, problem.args)()
    assert cuda.current_context() == current
    check_appended(other, problem)


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_the_default_stream_is_of_the_device_of_k_data(cuda_backend: Any, other: Any, stream: int) -> None:
    from support.devices import cuda

    problem = make_problem(other)
    current = cuda.current_context()
    bf.append_paged_kv(**problem.operands, stream=stream)
    assert cuda.current_context() == current
    check_appended(other, problem)


@pytest.mark.parametrize("with_torch", [False, True])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "k_data"])
def test_what_stays_when_k_data_takes_the_default_stream_elsewhere(
    cuda_backend: Any, other: Any, name: str, with_torch: bool
) -> None:
    here, there = GpuProblem(cuda_backend), make_problem(other)
    from_here, from_there = here.operands, there.operands
    if with_torch:
        torch = pytest.importorskip("torch")
        from_here = {each: torch.as_tensor(here.memory[each], device="cuda:0") for each in NAMES}
        from_there = {each: torch.as_tensor(there.memory[each], device="cuda:1") for each in NAMES}
    plan = bf.PagedKvAppendPlan.select(0, here.descriptor, bf.PlanPreference())
    launch = plan.bind(0, make_args(from_there))
    with pytest.raises(bf.InvalidProblem, match=rf"{name}.*device 1.*device 0"):
        launch.rebind(
            **{each: operand for each, operand in from_here.items() if each in NAMES and each != name}
        )
    launch()  # as it was bound
    check_appended(other, there)
    here.check_untouched()


def test_one_plan_for_two_devices(cuda_backend: Any, other: Any) -> None:
    """A plan is for a kind of stream: on like devices it serves both."""
    here, there = GpuProblem(cuda_backend), make_problem(other)
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, here.descriptor, bf.PlanPreference())
    for _ in range(2):
        plan.run(cuda_backend.stream, bf.Workspace.NONE, here.args)
        plan.run(other.stream, bf.Workspace.NONE, there.args)
    here.check_appended()
    check_appended(other, there)


def test_a_device_that_the_process_does_not_use_gets_no_context(cuda_backend: Any) -> None:
    """An append on device 0 makes no context on device 1: that would cost its memory."""
    from support.processes.python import output_of

    program = """
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.devices.gpu_problem import GpuProblem
import baracuda_ffi as bf

backend = CudaBackend(cuda.Device(0), cuda.create_stream())
problem = GpuProblem(backend)
for stream in (backend.stream, 0):
    plan = bf.PagedKvAppendPlan.select(stream, problem.descriptor, bf.PlanPreference())
    plan.run(stream, bf.Workspace.NONE, problem.args)
problem.check_appended()
handle = cuda.check(cuda.driver.cuDeviceGet(1))
_, active = cuda.check(cuda.driver.cuDevicePrimaryCtxGetState(handle))
print("active" if active else "inactive")
"""
    assert output_of(program).strip() == "inactive"
