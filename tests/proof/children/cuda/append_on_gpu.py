"""Appends on a GPU that other processes use too, each into memory of its own: SEED MODE."""

from __future__ import annotations

import sys

from proof.modes import preference

import baracuda_ffi as bf
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.devices.gpu_problem import GpuProblem


def main(seed: str, mode: str) -> None:
    device = cuda.Device(0)
    backend = CudaBackend(device, cuda.create_stream())
    problems = [GpuProblem(backend, seed=100 * int(seed) + i) for i in range(20)]
    plan = bf.PagedKvAppendPlan.select(backend.stream, problems[0].descriptor, preference(mode))
    print("ready", flush=True)
    sys.stdin.readline()
    for problem in problems:
        for _ in range(20):
            plan.run(backend.stream, bf.Workspace.NONE, problem.args)
    for problem in problems:
        problem.check_appended()
    backend.check_guards()
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
