"""A launch on a stream that was destroyed: MODE. CUDA leaves it undefined; if the process lives, the next
good call works.
"""

from __future__ import annotations

import contextlib
import sys

from proof.modes import preference

import baracuda_ffi as bf
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.devices.gpu_problem import GpuProblem


def main(mode: str) -> None:
    backend = CudaBackend(cuda.Device(0), cuda.create_stream())
    problem, other = GpuProblem(backend), GpuProblem(backend, seed=1)
    doomed = cuda.create_stream()
    plan = bf.PagedKvAppendPlan.select(doomed, problem.descriptor, preference(mode))
    plan.run(doomed, bf.Workspace.NONE, problem.args)
    cuda.check(cuda.driver.cuStreamSynchronize(doomed))
    cuda.check(cuda.driver.cuStreamDestroy(doomed))
    print("destroyed", flush=True)
    with contextlib.suppress(bf.CudaError):
        plan.run(doomed, bf.Workspace.NONE, problem.args)
    cuda.synchronize()
    problem.check_appended()  # written once or twice, with the same rows
    plan.run(backend.stream, bf.Workspace.NONE, other.args)
    other.check_appended()
    print("done")


if __name__ == "__main__":
    main(sys.argv[1])
