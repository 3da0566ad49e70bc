"""Refusals and failed launches on a GPU: nothing written, no CUDA error left, the next append works."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi import abi
from support.calls.operands import NAMES, make_args, select
from support.devices.gpu_problem import GpuProblem
from support.refusals.refusal import FLASHINFER, Refusal
from support.refusals.refusals import name_of, refusals_of

pytestmark = pytest.mark.gpu


def on_the_gpu(backend: Any, problem: GpuProblem) -> abi.Append:
    op = abi.make_append(problem.case, problem.before, backend=abi.FLASHINFER)
    for name in NAMES:
        setattr(op, name, problem.memory[name].ptr)
    op.stream = int(backend.stream)
    return op


def check_no_error_is_pending(backend: Any) -> None:
    """The driver finds nothing wrong, and the library's own runtime has nothing to say at the next launch."""
    from support.devices import cuda

    cuda.check(cuda.driver.cuStreamSynchronize(backend.stream))
    cuda.synchronize()
    fresh = GpuProblem(backend)
    assert abi.run(on_the_gpu(backend, fresh)) == abi.OK, abi.message()
    fresh.check_appended()


@pytest.mark.parametrize("refusal", refusals_of(FLASHINFER), ids=name_of)
def test_every_refusal(cuda_backend: Any, refusal: Refusal) -> None:
    problem = GpuProblem(cuda_backend)
    op = on_the_gpu(cuda_backend, problem)
    refusal.spoil(op)
    for call in (abi.can_implement, abi.run):
        assert call(op) == refusal.status, abi.message()
        for part in refusal.says:
            assert part in abi.message()
    problem.check_untouched()
    check_no_error_is_pending(cuda_backend)


def test_every_head_count_beyond_the_limit_is_refused_and_the_limit_launches(cuda_backend: Any) -> None:
    """What CUDA would refuse at launch is refused before: one more head than the block holds."""
    from support.problems.cases import Case
    from support.problems.elements import ELEMENTS, HEAD_DIMS

    for element in ELEMENTS:
        for head_dim in HEAD_DIMS:
            most = element.max_heads(head_dim)
            problem = GpuProblem(cuda_backend, Case(element, "HND", "BEFORE_APPEND", 2, 2, most, head_dim))
            assert abi.run(on_the_gpu(cuda_backend, problem)) == abi.OK, abi.message()
            problem.check_appended()
            op = on_the_gpu(cuda_backend, problem)
            op.num_heads = most + 1
            assert abi.run(op) == abi.UNSUPPORTED
    check_no_error_is_pending(cuda_backend)


def test_a_launch_that_fails(cuda_backend: Any) -> None:
    """Into a capture that was invalidated: CUDA's error, by name, once, and nothing pending after."""
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    plan = select(cuda_backend, problem.descriptor)
    mode = cuda.driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL
    cuda.check(cuda.driver.cuStreamBeginCapture(cuda_backend.stream, mode))
    # Not allowed during a capture, and so the end of it.
    cuda.driver.cuStreamSynchronize(cuda_backend.stream)
    try:
        for _ in range(2):
            with pytest.raises(bf.CudaError) as caught:
                plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
            assert caught.value.name == "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
            assert caught.value.code == 1901
            assert "failed: operation failed due to a previous error during capture" in str(caught.value)
    finally:
        cuda.driver.cuStreamEndCapture(cuda_backend.stream)  # says that it was invalidated
    check_no_error_is_pending(cuda_backend)
    problem.check_untouched()
    plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
    problem.check_appended()


def test_refusals_of_operands_leave_nothing_behind(cuda_backend: Any) -> None:
    """Through Python: shapes, types, alignment, overlap, memory of the wrong kind."""
    problem = GpuProblem(cuda_backend)
    plan = select(cuda_backend, problem.descriptor)
    key = problem.operands["key"]

    def changed(**fields: Any) -> bf.TensorView:
        same = {"ptr": key.ptr, "shape": key.shape, "strides": None, "element": key.element, "device": 0}
        return bf.TensorView(**(same | fields))

    wrong = {
        bf.InvalidProblem: [
            changed(shape=(1, 2, 64)),
            problem.operands["k_data"],
            np.zeros(key.shape, np.float16),
        ],
        bf.Unsupported: [changed(strides=(1, 3, 6)), changed(element=bf.ElementKind.F32)],
        bf.MisalignedOperand: [changed(ptr=key.ptr + 8)],
    }
    for kind, operands in wrong.items():
        for operand in operands:
            with pytest.raises(kind, match="key"):
                plan.run(
                    cuda_backend.stream, bf.Workspace.NONE, make_args(problem.operands | {"key": operand})
                )
    overlapping = changed(ptr=problem.operands["k_data"].ptr + 64)
    with pytest.raises(bf.InvalidProblem, match="overlap"):
        plan.run(cuda_backend.stream, bf.Workspace.NONE, make_args(problem.operands | {"key": overlapping}))
    problem.check_untouched()
    check_no_error_is_pending(cuda_backend)


def test_page_tables_of_64_bits(cuda_backend: Any) -> None:
    problem = GpuProblem(cuda_backend)
    plan = select(cuda_backend, problem.descriptor)
    for name in ("indices", "indptr", "last_page_len"):
        wide = cuda_backend.new(problem.before[name].astype(np.int64))
        with pytest.raises(bf.Unsupported, match=f"{name}.*int64.*int32"):
            plan.can_implement(make_args(problem.operands | {name: wide}))


def test_preload(cuda_backend: Any) -> None:
    """What C callers call before a capture: with a stream, with k_data alone, and with neither."""
    problem = GpuProblem(cuda_backend)
    arch = ctypes.c_int32()
    preload = abi.library().baracuda_paged_kv_append_preload
    for stream, with_data in ((int(cuda_backend.stream), False), (None, True), (None, False)):
        op = on_the_gpu(cuda_backend, problem)
        op.stream = stream
        if not with_data:
            for name in NAMES:
                setattr(op, name, None)
        arch.value = -1
        assert preload(ctypes.addressof(op), ctypes.addressof(arch)) == abi.OK, abi.message()
        assert 50 <= arch.value <= cuda_backend.device.capability
    problem.check_untouched()


def test_nothing_is_allocated_by_an_append(cuda_backend: Any) -> None:
    from support.devices import cuda

    problem = GpuProblem(cuda_backend)
    plan = select(cuda_backend, problem.descriptor)
    plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
    launch = plan.bind(cuda_backend.stream, problem.args)

    def taken_by_appends() -> int:
        cuda.synchronize()
        free = int(cuda.check(cuda.driver.cuMemGetInfo())[0])
        for _ in range(200):
            plan.run(cuda_backend.stream, bf.Workspace.NONE, problem.args)
            launch()
        cuda.synchronize()
        return free - int(cuda.check(cuda.driver.cuMemGetInfo())[0])

    # The figure is the device's, and other processes take memory too, but not all the time.
    assert min(taken_by_appends() for _ in range(20)) <= 0
    problem.check_appended()
