"""A launch goes to the stream's context, whatever is current, and leaves what is current as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import baracuda_ffi as bf
from support.devices.gpu_problem import GpuProblem

pytestmark = pytest.mark.gpu


@pytest.fixture
def second(cuda_backend: Any) -> Iterator[Any]:
    """A backend whose stream and memory are in a second context on the same device; the first is current."""
    from support.devices import cuda
    from support.devices.cuda_backend import CudaBackend

    context = cuda.create_context(cuda_backend.device)
    backend = CudaBackend(cuda_backend.device, cuda.create_stream())
    backend.context = context
    cuda_backend.device.make_current()
    yield backend
    cuda_backend.device.make_current()
    cuda.check(cuda.driver.cuCtxDestroy(context))


def make_problem(backend: Any) -> GpuProblem:
    """A problem in the second context's memory; what is current stays."""
    from support.devices import cuda

    with cuda.current(backend.context):
        return GpuProblem(backend)


def check_appended(backend: Any, problem: GpuProblem) -> None:
    from support.devices import cuda

    with cuda.current(backend.context):
        problem.check_appended()


def test_a_stream_of_a_context_that_is_not_current(cuda_backend: Any, second: Any) -> None:
    from support.devices import cuda

    problem = make_problem(second)
    primary = cuda.current_context()
    assert primary == int(cuda_backend.device.context) != int(second.context)
    plan = bf.PagedKvAppendPlan.select(second.stream, problem.descriptor, bf.PlanPreference())
    assert cuda.current_context() == primary
    assert plan.can_implement(problem.args) is None
    assert cuda.current_context() == primary
    plan.run(second.stream, bf.Workspace.NONE, problem.args)
    assert cuda.current_context() == primary
    launch = plan.bind(second.stream, problem.args)
    launch()
    assert cuda.current_context() == primary
    check_appended(second, problem)


def test_no_current_context_at_all(second: Any) -> None:
    from support.devices import cuda

    problem = make_problem(second)
    with cuda.current(None):
        plan = bf.PagedKvAppendPlan.select(second.stream, problem.descriptor, bf.PlanPreference())
        assert cuda.current_context() == 0
        plan.run(second.stream, bf.Workspace.NONE, problem.args)
        assert cuda.current_context() == 0
    check_appended(second, problem)


def test_a_thread_that_never_touched_cuda(cuda_backend: Any) -> None:
    """Its own stream or the default one, where the device is k_data's."""
    from support.devices import cuda

    for stream in (cuda_backend.stream, 0, 2):
        problem = GpuProblem(cuda_backend)
        plan = bf.PagedKvAppendPlan.select(stream, problem.descriptor, bf.PlanPreference())
        found: list[object] = []

        def work(stream: Any = stream, plan: Any = plan, problem: Any = problem, found: Any = found) -> None:
            try:
                found.append(cuda.current_context())
                plan.run(stream, bf.Workspace.NONE, problem.args)
                found.append(cuda.current_context())
            except BaseException as error:
                found.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found == [0, 0]
        problem.check_appended()


def test_the_stack_of_contexts_keeps_its_depth(cuda_backend: Any, second: Any) -> None:
    from support.devices import cuda

    problem = make_problem(second)
    plan = bf.PagedKvAppendPlan.select(second.stream, problem.descriptor, bf.PlanPreference())
    cuda.check(cuda.driver.cuCtxPushCurrent(cuda_backend.device.context))
    for _ in range(3):
        plan.run(second.stream, bf.Workspace.NONE, problem.args)
        with pytest.raises(bf.BaracudaError):  # and after a refusal
            plan.run(
                second.stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**(problem.operands | {"key": None}))
            )
    assert int(cuda.check(cuda.driver.cuCtxPopCurrent())) == int(cuda_backend.device.context)
    assert cuda.current_context() == int(cuda_backend.device.context)
    check_appended(second, problem)


def test_a_context_that_is_current_already_is_left_so(second: Any) -> None:
    from support.devices import cuda

    problem = make_problem(second)
    with cuda.current(second.context):
        plan = bf.PagedKvAppendPlan.select(second.stream, problem.descriptor, bf.PlanPreference())
        plan.run(second.stream, bf.Workspace.NONE, problem.args)
        assert cuda.current_context() == int(second.context)
    check_appended(second, problem)


def test_the_default_stream_of_a_context_that_is_current(second: Any) -> None:
    from support.devices import cuda

    problem = make_problem(second)
    with cuda.current(second.context):
        plan = bf.PagedKvAppendPlan.select(0, problem.descriptor, bf.PlanPreference())
        plan.run(0, bf.Workspace.NONE, problem.args)
        assert cuda.current_context() == int(second.context)
    check_appended(second, problem)


def test_a_graph_of_a_context_that_is_not_current(second: Any) -> None:
    from support.devices import cuda

    problem = make_problem(second)
    plan = bf.PagedKvAppendPlan.select(second.stream, problem.descriptor, bf.PlanPreference())
    with cuda.capture(second.stream) as graph:
        plan.run(second.stream, bf.Workspace.NONE, problem.args)
    assert len(graph.kernel_names()) == 1
    with cuda.current(second.context):
        graph.replay()
    check_appended(second, problem)
