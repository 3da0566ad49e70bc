"""CUDA graphs: an append is captured once, as one node, and replayed over page tables that changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.operands import (
    INPUTS,
    check_caches,
    check_inputs_unchanged,
    make_args,
    put_caches,
    put_step,
)
from support.devices.gpu_problem import GpuProblem
from support.problems.cases import Case
from support.problems.conversation import Conversation
from support.problems.elements import BF16, F16, F32, FP8_E4M3, FP8_E5M2
from support.processes.python import output_of

pytestmark = pytest.mark.gpu

CASES = [
    Case(F16, "HND", "BEFORE_APPEND", 3, 5, 8, 128),
    Case(BF16, "NHD", "AFTER_APPEND", 4, 64, 3, 64),
    Case(F32, "HND", "AFTER_APPEND", 1, 7, 2, 256),
    Case(FP8_E4M3, "NHD", "BEFORE_APPEND", 2, 33, 1, 128),
    Case(FP8_E5M2, "HND", "BEFORE_APPEND", 16, 2, 8, 64),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_graph_for_a_conversation(cuda_backend: Any, case: Case) -> None:
    """Captured before the first step, replayed at each: the page table changed between, pages added."""
    from support.devices import cuda

    talk = Conversation(case, rounds=6)
    operands = put_caches(cuda_backend, talk)
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, talk.descriptor, bf.PlanPreference())
    graph = None
    for step in talk.steps():
        room = np.zeros(talk.num_pages - len(step.indices), np.int32)
        step.indices = np.concatenate([step.indices, room])
        if graph is None:
            operands |= put_step(cuda_backend, step)
            launch = plan.bind(cuda_backend.stream, make_args(operands))
            with cuda.capture(cuda_backend.stream) as graph:
                launch()
        for name in INPUTS:
            cuda_backend.overwrite(operands[name], getattr(step, name))
        graph.replay()
        check_caches(cuda_backend, operands, talk)
        check_inputs_unchanged(cuda_backend, operands, step)
    cuda_backend.check_guards()


@pytest.mark.parametrize("convention", ["BEFORE_APPEND", "AFTER_APPEND"])
def test_a_capture_holds_one_node_of_flashinfers_kernel(cuda_backend: Any, convention: str) -> None:
    """Proof of both: that the work went to the stream that was captured, and whose kernel does it."""
    from support.devices import cuda

    problem = GpuProblem(cuda_backend, Case(F16, "HND", convention, 4, 3, 2, 64))
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, problem.descriptor, bf.PlanPreference())
    with cuda.capture(cuda_backend.stream) as graph:
        plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
    (name,) = graph.kernel_names()
    assert "AppendPagedKVCacheDecodeKernel" in name
    problem.check_untouched()  # a capture runs nothing
    graph.replay()
    problem.check_appended()


def test_a_step_of_many_layers_in_one_graph(cuda_backend: Any) -> None:
    """rebind inside a capture: one launch for each layer's cache."""
    from support.devices import cuda

    layers = [GpuProblem(cuda_backend, seed=seed) for seed in range(8)]
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, layers[0].descriptor, bf.PlanPreference())
    launch = plan.bind(cuda_backend.stream, layers[0].args)
    with cuda.capture(cuda_backend.stream) as graph:
        for layer in layers:
            launch.rebind(**layer.operands)
            launch()
    assert len(graph.kernel_names()) == len(layers)
    graph.replay()
    for layer in layers:
        layer.check_appended()


def test_a_refusal_inside_a_capture_leaves_the_capture_whole(cuda_backend: Any) -> None:
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    plan = bf.PagedKvAppendPlan.select(cuda_backend.stream, problem.descriptor, bf.PlanPreference())
    wrong = make_args(problem.operands | {"key": problem.operands["k_data"]})
    with cuda.capture(cuda_backend.stream) as graph:
        with pytest.raises(bf.InvalidProblem, match="key"):
            plan.run(cuda_backend.stream, bf.Workspace.NONE, wrong)
        plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
    assert len(graph.kernel_names()) == 1
    graph.replay()
    problem.check_appended()


# In a process of its own: nothing has been launched or loaded there when the capture begins.
FIRST = """
import sys
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.problems.cases import Case
from support.problems.elements import ELEMENTS
from support.devices.gpu_problem import GpuProblem
import baracuda_ffi as bf

backend = CudaBackend(cuda.Device(0), cuda.create_stream())
element = ELEMENTS[int(sys.argv[1])]
for convention in ("BEFORE_APPEND", "AFTER_APPEND"):
    problem = GpuProblem(backend, Case(element, "HND", convention, 4, 3, 2, 128))
    plan = bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor, bf.PlanPreference())
    with cuda.capture(backend.stream) as graph:
        plan.run(backend.stream, bf.Workspace.NONE, problem.args)
    graph.replay()
    problem.check_appended()
print("right")
"""


@pytest.mark.parametrize("element", range(5))
def test_the_first_append_of_a_process_inside_a_capture(element: int) -> None:
    """`select` has loaded the kernel, so that the capture need not."""
    assert output_of(FIRST, str(element)).strip() == "right"
