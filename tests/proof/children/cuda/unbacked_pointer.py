"""A key at a device address that nothing backs: CUDA takes the context away, and the library says so. MODE"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from proof.modes import preference

import baracuda_ffi as bf
from support.calls.operands import make_args
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.devices.gpu_problem import GpuProblem
from support.problems.problem import Problem, assert_appended

RESERVED_BYTES = 2 << 20


def main(mode: str) -> None:
    driver = cuda.driver
    backend = CudaBackend(cuda.Device(0), cuda.create_stream())
    problem = GpuProblem(backend)
    plan = bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor, preference(mode))
    address = int(cuda.check(driver.cuMemAddressReserve(RESERVED_BYTES, 0, 0, 0)))
    nowhere = bf.TensorView(ptr=address, shape=problem.case.row_shape, element=problem.case.kind, device=0)
    plan.run(backend.stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**(problem.operands | {"key": nowhere})))
    (status,) = driver.cuStreamSynchronize(backend.stream)
    assert status == driver.CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, status

    def refused(call: Callable[[], object]) -> None:
        with pytest.raises(bf.CudaError) as caught:
            call()
        assert caught.value.name == "CUDA_ERROR_ILLEGAL_ADDRESS", caught.value

    for _ in range(3):  # CUDA repeats it, and so do we: nothing hangs, crashes or claims to have worked
        refused(lambda: plan.run(backend.stream, bf.Workspace.NONE, problem.args))
    if mode == "guarded":
        refused(lambda: plan.check(backend.stream))

    on_host = Problem()
    before = on_host.snapshot()
    host = bf.PagedKvAppendPlan.select(None, on_host.case.descriptor(on_host.num_pages))
    host.run(None, bf.Workspace.NONE, make_args(on_host.arrays))
    assert_appended(on_host, before)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
