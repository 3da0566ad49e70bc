"""Errors that compute-sanitizer must catch, by FlashInfer's kernel, which checks nothing: WHICH.

`page`: a page id beyond the cache. `uninitialised`: a key that nobody wrote.
"""

from __future__ import annotations

import sys

import baracuda_ffi as bf
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.devices.gpu_problem import GpuProblem


def main(which: str) -> None:
    backend = CudaBackend(cuda.Device(0), cuda.create_stream())
    problem = GpuProblem(backend)
    operands = dict(problem.operands)
    if which == "page":
        table = problem.before["indices"]
        table[-1] = 50_000_000
        problem.memory["indices"].write(table)
    else:
        address = int(cuda.check(cuda.driver.cuMemAlloc(problem.before["key"].nbytes)))
        operands["key"] = bf.TensorView(
            ptr=address, shape=problem.case.row_shape, element=problem.case.kind, device=0
        )
    plan = bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor)
    plan.run(backend.stream, bf.Workspace.NONE, bf.PagedKvAppendArgs(**operands))
    print("the stream says", cuda.driver.cuStreamSynchronize(backend.stream))


if __name__ == "__main__":
    main(sys.argv[1])
