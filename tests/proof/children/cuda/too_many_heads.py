"""More heads than one CUDA block holds, past the checks: the launch fails, once, and the next one works.

Needs the library of build_unchecked.sh.
"""

from __future__ import annotations

import ctypes

import baracuda_ffi as bf
from support.c_abi import abi
from support.calls.operands import NAMES
from support.devices import cuda
from support.devices.cuda_backend import CudaBackend
from support.devices.gpu_problem import GpuProblem

INVALID_VALUE = 1


def main() -> None:
    backend = CudaBackend(cuda.Device(0), cuda.create_stream())
    problem = GpuProblem(backend)
    plan = bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor)
    library = abi.library()
    op = abi.make_append(problem.case, problem.before, backend=abi.FLASHINFER)
    for name in NAMES:
        setattr(op, name, problem.memory[name].ptr)
    op.stream = int(backend.stream)
    op.num_heads = 129
    assert abi.run(op) == abi.UNSUPPORTED  # what a caller gets

    status = library.baracuda_proof_launch_unchecked(ctypes.byref(op))
    assert status == abi.CUDA_ERROR_BASE + INVALID_VALUE, status
    assert "launching the kernel failed" in abi.message(), abi.message()
    problem.check_untouched()
    for _ in range(2):  # the error was told, and is gone
        plan.run(backend.stream, bf.Workspace.NONE, problem.args)
    problem.check_appended()
    backend.check_guards()
    print("done")


if __name__ == "__main__":
    main()
