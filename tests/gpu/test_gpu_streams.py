"""The append goes to the stream that it was given and to no other, by every way to name a stream."""

from __future__ import annotations

import time
from typing import Any

import pytest

import baracuda_ffi as bf
from support.calls.streams import MAKERS
from support.devices.gpu_problem import GpuProblem

pytestmark = pytest.mark.gpu

# Handles of the default streams: the process's, the legacy one and the thread's.
DEFAULT_STREAMS = [0, 1, 2]


def select(stream: Any, problem: GpuProblem) -> bf.PagedKvAppendPlan:
    return bf.PagedKvAppendPlan.select(stream, problem.descriptor, bf.PlanPreference())


def run(stream: Any, plan: bf.PagedKvAppendPlan, problem: GpuProblem) -> None:
    plan.run(stream, bf.Workspace.NONE, problem.args)


def bind(stream: Any, plan: bf.PagedKvAppendPlan, problem: GpuProblem) -> None:
    plan.bind(stream, problem.args)()


def one_liner(stream: Any, plan: bf.PagedKvAppendPlan, problem: GpuProblem) -> None:
    bf.append_paged_kv(**problem.operands, stream=stream)


@pytest.mark.parametrize("append", [run, bind, one_liner])
def test_a_blocked_stream_holds_the_append_back(cuda_backend: Any, append: Any) -> None:
    """Nothing is written while the stream is blocked, whatever the other streams do; then all is."""
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    stream, other = cuda_backend.stream, cuda.create_stream()
    plan = select(stream, problem)
    with cuda.held(stream) as gate:
        append(stream, plan, problem)
        for default in DEFAULT_STREAMS:
            cuda.check(cuda.driver.cuStreamSynchronize(cuda.driver.CUstream(default)))
        time.sleep(0.05)
        problem.check_on(other, problem.before)
        gate.open()
        cuda.check(cuda.driver.cuStreamSynchronize(stream))
        problem.check_on(other, problem.after())
    cuda.check(cuda.driver.cuStreamDestroy(other))


def test_a_blocked_stream_holds_no_other_stream_back(cuda_backend: Any) -> None:
    """The append on its own stream finishes while another stream, and the default stream, are blocked."""
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    stream, blocked = cuda_backend.stream, cuda.create_stream()
    plan = select(stream, problem)
    with cuda.held(blocked), cuda.held(cuda.driver.CUstream(1)):
        run(stream, plan, problem)
        cuda.check(cuda.driver.cuStreamSynchronize(stream))
        problem.check_on(stream, problem.after())
    cuda.check(cuda.driver.cuStreamDestroy(blocked))


@pytest.mark.parametrize("handle", DEFAULT_STREAMS)
def test_a_default_stream(cuda_backend: Any, handle: int) -> None:
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    plan = select(handle, problem)
    assert plan.sku().backend is bf.BackendKind.FLASHINFER
    with cuda.held(cuda.driver.CUstream(handle)) as gate:
        run(handle, plan, problem)
        problem.check_on(cuda_backend.stream, problem.before)
        gate.open()
        cuda.check(cuda.driver.cuStreamSynchronize(cuda.driver.CUstream(handle)))
    problem.check_appended()


@pytest.mark.parametrize("kind", [*MAKERS, "CUstream", "cudaStream_t"])
def test_every_way_to_name_a_stream(cuda_backend: Any, kind: str) -> None:
    from cuda.bindings import driver, runtime

    from support.devices import cuda

    makers = MAKERS | {"CUstream": driver.CUstream, "cudaStream_t": runtime.cudaStream_t}
    stream = makers[kind](int(cuda_backend.stream))
    problem = GpuProblem(cuda_backend)
    plan = select(stream, problem)
    other = cuda.create_stream()
    with cuda.held(cuda_backend.stream):
        run(stream, plan, problem)
        problem.check_on(other, problem.before)
    problem.check_appended()
    cuda.check(cuda.driver.cuStreamDestroy(other))


def test_a_plan_runs_on_another_stream_than_it_was_selected_for(cuda_backend: Any) -> None:
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    plan = select(0, problem)
    other = cuda.create_stream()
    with cuda.held(cuda_backend.stream):
        run(cuda_backend.stream, plan, problem)
        problem.check_on(other, problem.before)
    problem.check_appended()
    cuda.check(cuda.driver.cuStreamDestroy(other))


def test_none_is_no_stream_of_a_cuda_plan(cuda_backend: Any) -> None:
    problem = GpuProblem(cuda_backend)
    plan = select(cuda_backend.stream, problem)
    for call in (
        lambda: plan.run(None, bf.Workspace.NONE, problem.args),
        lambda: plan.bind(None, problem.args),
    ):
        with pytest.raises(bf.InvalidProblem, match="stream is None"):
            call()
    problem.check_untouched()


@pytest.mark.parametrize("stream", [True, False, "0", object(), -1])
def test_what_is_no_stream(cuda_backend: Any, stream: Any) -> None:
    problem = GpuProblem(cuda_backend)
    plan = select(cuda_backend.stream, problem)
    with pytest.raises(bf.InvalidProblem, match="stream"):
        plan.run(stream, bf.Workspace.NONE, problem.args)
    problem.check_untouched()


def test_the_sku_names_the_architecture_that_runs(cuda_backend: Any) -> None:
    """Machine code of the device's major capability, or PTX compiled for the device: never of a newer one."""
    problem = GpuProblem(cuda_backend)
    sku = select(cuda_backend.stream, problem).sku()
    capability = cuda_backend.device.capability
    built = {int(arch.rstrip("af")) for arch in bf.build_info().archs}
    native = {arch for arch in built if arch // 10 == capability // 10 and arch <= capability}
    assert sku.backend is bf.BackendKind.FLASHINFER
    if native:
        assert int(sku.arch) == max(native)
    else:
        assert 0 < int(sku.arch) <= capability
