"""Operands and streams of torch, CuPy, Numba, JAX and cuda.core on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.operands import CACHES, INPUTS, NAMES, make_args, select
from support.devices import frameworks
from support.devices.backends import HostBackend
from support.devices.frameworks import TYPES, WRITABLE, Framework
from support.devices.gpu_problem import GpuProblem
from support.problems.cases import Case
from support.problems.elements import ELEMENTS
from support.problems.problem import Problem, expected_caches

pytestmark = [
    pytest.mark.gpu,
    # Of the frameworks, at their import and after: none of our business.
    pytest.mark.filterwarnings("ignore"),
]

CASES = [
    Case(element, layout, convention, 4, 5, 2, 64)
    for element in ELEMENTS
    for layout, convention in (("HND", "BEFORE_APPEND"), ("NHD", "AFTER_APPEND"))
]


def check(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name in NAMES:
        assert found[name].tobytes() == expected[name].tobytes(), name


def check_on(stream: Any, backend: Any) -> None:
    """A plan of the stream appends."""
    problem = GpuProblem(backend)
    plan = bf.PagedKvAppendPlan.select(stream, problem.descriptor, bf.PlanPreference())
    plan.run(stream, bf.Workspace.NONE, problem.args)
    problem.check_appended()


def put_all(framework: Framework, problem: Problem) -> dict[str, Any]:
    from support.devices import cuda

    operands = {name: framework.put(array) for name, array in problem.arrays.items()}
    cuda.synchronize()
    return operands


def get_all(framework: Framework, operands: dict[str, Any]) -> dict[str, np.ndarray]:
    from support.devices import cuda

    cuda.synchronize()
    return {name: framework.get(operand) for name, operand in operands.items()}


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name in WRITABLE for case in CASES if case.element.symbol in TYPES[name]],
    ids=str,
)
def test_all_operands_and_the_stream(cuda_backend: Any, name: str, case: Case) -> None:
    framework = WRITABLE[name]()
    problem = Problem(case)
    operands = put_all(framework, problem)
    stream = framework.stream()
    plan = bf.PagedKvAppendPlan.select(stream, case.descriptor(problem.num_pages), bf.PlanPreference())
    plan.run(stream, bf.Workspace.NONE, make_args(operands))
    expected = problem.snapshot() | expected_caches(case, problem.arrays)
    check(get_all(framework, operands), expected)
    launch = plan.bind(stream, make_args(operands))
    launch()
    check(get_all(framework, operands), expected)
    bf.append_paged_kv(
        **operands, stream=stream, layout=case.kv_layout, length_convention=case.length_convention
    )
    check(get_all(framework, operands), expected)


@pytest.mark.parametrize("name", WRITABLE)
def test_the_work_goes_to_the_frameworks_stream(cuda_backend: Any, name: str) -> None:
    """Blocked by its raw handle, the stream object's work waits."""
    from support.devices import cuda

    framework = WRITABLE[name]()
    stream = framework.stream()
    problem = GpuProblem(cuda_backend)
    plan = bf.PagedKvAppendPlan.select(stream, problem.descriptor, bf.PlanPreference())
    with cuda.held(cuda.driver.CUstream(framework.handle(stream))):
        plan.run(stream, bf.Workspace.NONE, problem.args)
        problem.check_on(cuda_backend.stream, problem.before)
    problem.check_appended()


@pytest.mark.parametrize("operand", NAMES)
@pytest.mark.parametrize("name", WRITABLE)
def test_one_operand_of_the_framework_among_others(cuda_backend: Any, name: str, operand: str) -> None:
    from support.devices import cuda

    framework = WRITABLE[name]()
    problem = GpuProblem(cuda_backend)
    theirs = framework.put(problem.before[operand])
    cuda.synchronize()
    select(cuda_backend, problem.descriptor).run(
        cuda_backend.stream, bf.Workspace.NONE, make_args(problem.operands | {operand: theirs})
    )
    cuda.synchronize()
    expected = problem.after()
    found = {other: memory.read() for other, memory in problem.memory.items()}
    found[operand] = framework.get(theirs)
    check(found, expected)


@pytest.mark.parametrize("operand", NAMES)
@pytest.mark.parametrize("name", WRITABLE)
def test_a_device_array_given_to_a_host_plan(cuda_backend: Any, name: str, operand: str) -> None:
    framework = WRITABLE[name]()
    problem = Problem()
    before = problem.snapshot()
    plan = select(HostBackend(), problem.case.descriptor(problem.num_pages))
    theirs = framework.put(problem.arrays[operand])
    with pytest.raises(bf.InvalidProblem, match=rf"{operand}.*CUDA"):
        plan.run(None, bf.Workspace.NONE, make_args(problem.arrays | {operand: theirs}))
    check(problem.arrays, before)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_slice_of_a_larger_array(cuda_backend: Any, name: str) -> None:
    """One layer of a cache that holds all: contiguous, at an offset."""
    from support.devices import cuda

    framework = WRITABLE[name]()
    problem = GpuProblem(cuda_backend)
    layers = np.stack([problem.before["k_data"]] * 3)
    whole = framework.put(layers)
    cuda.synchronize()
    select(cuda_backend, problem.descriptor).run(
        cuda_backend.stream, bf.Workspace.NONE, make_args(problem.operands | {"k_data": whole[1]})
    )
    cuda.synchronize()
    layers[1] = problem.after()["k_data"]
    assert framework.get(whole).tobytes() == layers.tobytes()


@pytest.mark.parametrize("name", WRITABLE)
def test_an_array_that_is_not_contiguous(cuda_backend: Any, name: str) -> None:
    framework = WRITABLE[name]()
    problem = GpuProblem(cuda_backend)
    wide = framework.put(np.repeat(problem.before["key"], 2, axis=0))
    with pytest.raises(bf.Unsupported, match=r"key.*contiguous"):
        select(cuda_backend, problem.descriptor).can_implement(
            make_args(problem.operands | {"key": wide[::2]})
        )


def test_the_current_and_the_default_stream_of_torch(cuda_backend: Any) -> None:
    torch = pytest.importorskip("torch")
    own = torch.cuda.Stream()
    with torch.cuda.stream(own):
        for stream in (torch.cuda.current_stream(), torch.cuda.default_stream()):
            check_on(stream, cuda_backend)


def test_the_default_streams_of_cupy_and_numba(cuda_backend: Any) -> None:
    cupy = pytest.importorskip("cupy")
    cuda = pytest.importorskip("numba.cuda")
    for stream in (cupy.cuda.Stream.null, cupy.cuda.Stream.ptds, cuda.default_stream()):
        check_on(stream, cuda_backend)


def test_a_stream_of_cuda_core(cuda_backend: Any) -> None:
    core = pytest.importorskip("cuda.core")
    device = core.Device(0)
    device.set_current()
    check_on(device.create_stream(), cuda_backend)


@pytest.mark.parametrize("symbol", ["f16", "bf16", "f32"])
def test_inputs_of_jax(cuda_backend: Any, symbol: str) -> None:
    """Rows and page table from JAX, caches of ours."""
    from support.devices import cuda

    framework = frameworks.jax()
    case = next(case for case in CASES if case.element.symbol == symbol)
    problem = GpuProblem(cuda_backend, case)
    theirs = {name: framework.put(problem.before[name]) for name in INPUTS}
    cuda.synchronize()
    plan = select(cuda_backend, problem.descriptor)
    plan.run(cuda_backend.stream, bf.Workspace.NONE, make_args(problem.operands | theirs))
    cuda.synchronize()
    expected = problem.after()
    for name in CACHES:
        assert problem.memory[name].read().tobytes() == expected[name].tobytes(), name
    for name in INPUTS:
        assert framework.get(theirs[name]).tobytes() == expected[name].tobytes(), name


def test_torch_tensors_captured_in_torchs_own_graph(cuda_backend: Any) -> None:
    """torch.cuda.graph captures our append as it does its own operations."""
    torch = pytest.importorskip("torch")
    framework = frameworks.torch()
    problem = Problem()
    operands = put_all(framework, problem)
    plan = bf.PagedKvAppendPlan.select(
        torch.cuda.current_stream(), problem.case.descriptor(problem.num_pages), bf.PlanPreference()
    )
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        plan.run(torch.cuda.current_stream(), bf.Workspace.NONE, make_args(operands))
    check(get_all(framework, operands), problem.snapshot())
    graph.replay()
    check(get_all(framework, operands), problem.snapshot() | problem.expected())
    # The table moves on, on the device and in the host's copy; the graph is the same.
    problem.arrays |= problem.expected()
    problem.arrays["last_page_len"][:] = (problem.arrays["last_page_len"] + 1) % problem.case.page_size
    operands["last_page_len"].copy_(torch.from_numpy(problem.arrays["last_page_len"].copy()))
    graph.replay()
    check(get_all(framework, operands), problem.snapshot() | problem.expected())


def test_pinned_tensors_of_torch(cuda_backend: Any) -> None:
    """Host memory that the GPU reaches: what torch calls a CPU tensor, a CUDA plan may take."""
    torch = pytest.importorskip("torch")
    problem = GpuProblem(cuda_backend)
    key = torch.from_numpy(problem.before["key"].copy()).pin_memory()
    plan = select(cuda_backend, problem.descriptor)
    plan.run(cuda_backend.stream, bf.Workspace.NONE, make_args(problem.operands | {"key": key}))
    problem.check_appended()
    with pytest.raises(bf.InvalidProblem, match=r"key.*host memory"):
        plan.can_implement(
            make_args(problem.operands | {"key": torch.from_numpy(problem.before["key"].copy())})
        )
