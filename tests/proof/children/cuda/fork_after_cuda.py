"""A process that appends on a GPU, then forks: the child may not use CUDA, but may use the host backend."""

from __future__ import annotations

import os
import signal

import baracuda_ffi as bf
from support.calls.operands import make_args
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.devices.gpu_problem import GpuProblem
from support.problems.problem import Problem, assert_appended


def main() -> None:
    backend = CudaBackend(cuda.Device(0), cuda.create_stream())
    on_gpu = GpuProblem(backend)
    plan = bf.PagedKvAppendPlan.select(backend.stream, on_gpu.descriptor)
    plan.run(backend.stream, bf.Workspace.NONE, on_gpu.args)
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        problem = Problem()
        before = problem.snapshot()
        host = bf.PagedKvAppendPlan.select(None, problem.case.descriptor(problem.num_pages))
        host.run(None, bf.Workspace.NONE, make_args(problem.arrays))
        assert_appended(problem, before)
        os._exit(42)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 42, status
    on_gpu.check_appended()
    again = GpuProblem(backend, seed=1)
    plan.run(backend.stream, bf.Workspace.NONE, again.args)
    again.check_appended()
    print("done")


if __name__ == "__main__":
    main()
