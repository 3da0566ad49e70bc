"""The CUDA half of the C ABI where there is no CUDA device: a status with a message, every time, and no
output.
"""

from __future__ import annotations

import ctypes

import pytest

import baracuda_ffi as bf
from support.c_abi import abi
from support.devices.bits import assert_same_bits
from support.devices.device import device_count
from support.pages.copy_problem import OTHERS, can_implement, make_arrays, make_copy, preload
from support.pages.copy_problem import run as copy_pages
from support.problems.problem import Problem, assert_unchanged
from support.processes.python import run_python

pytestmark = pytest.mark.skipif(
    device_count() > 0, reason="needs a machine without a CUDA device, this one has one"
)


def expected_status(status: int) -> bool:
    built = bf.build_info().cuda is not None
    return status > abi.CUDA_ERROR_BASE if built else status == abi.UNSUPPORTED


@pytest.mark.parametrize("stream", [None, 1, 2])
def test_run_and_preload(stream: int | None) -> None:
    problem = Problem()
    before = problem.snapshot()
    op = abi.make_append(problem.case, problem.arrays, backend=abi.FLASHINFER)
    op.stream = stream
    assert abi.can_implement(op) == abi.OK, abi.message()  # the problem is right; a device is not asked for
    for _ in range(3):
        assert expected_status(abi.run(op))
        assert abi.message()
        assert expected_status(abi.library().baracuda_paged_kv_append_preload(ctypes.addressof(op), None))
        assert abi.message()
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("movement", OTHERS)
def test_copies_of_pages(movement: str) -> None:
    arrays = make_arrays()
    before = {name: array.copy() for name, array in arrays.items()}
    op = make_copy(arrays, movement, backend=abi.BESPOKE, flags=abi.GUARDED)
    assert can_implement(op) == abi.OK, abi.message()
    assert expected_status(copy_pages(op))
    assert expected_status(preload(op))
    for name, array in arrays.items():
        assert_same_bits(array, before[name], name)


def test_the_status_has_cudas_name() -> None:
    problem = Problem()
    status = abi.run(abi.make_append(problem.case, problem.arrays, backend=abi.FLASHINFER))
    name = abi.library().baracuda_status_name(status).decode()
    if bf.build_info().cuda:
        assert name in ("cudaErrorInsufficientDriver", "CUDA_ERROR_NO_DEVICE", "CUDA_ERROR_STUB_LIBRARY")
        assert "driver" in abi.message()
    else:
        assert name == "BARACUDA_UNSUPPORTED"
        for part in ("built without CUDA", "BARACUDA_FFI_CUDA"):
            assert part in abi.message()


def test_the_host_backend_works_after_a_refusal_of_cuda() -> None:
    problem = Problem()
    abi.run(abi.make_append(problem.case, problem.arrays, backend=abi.FLASHINFER))
    assert abi.run(abi.make_append(problem.case, problem.arrays)) == abi.OK, abi.message()


def test_nothing_is_printed() -> None:
    """No function prints, whatever fails: FlashInfer's headers would, if they were left to."""
    program = (
        "import baracuda_ffi as bf\n"
        "cache = bf.PagedKvCacheDescriptor(page_size=4, num_total_pages=4, num_kv_heads=1, head_dim=64,\n"
        "                                  element=bf.ElementKind.F16)\n"
        "desc = bf.PagedKvAppendDescriptor(batch_size=1, paged_kv=cache)\n"
        "for stream in (0, 1, 2):\n"
        "    try:\n"
        "        bf.PagedKvAppendPlan.select(stream, desc, bf.PlanPreference())\n"
        "    except (bf.CudaError, bf.Unsupported):\n"
        "        continue\n"
        "    raise SystemExit('no error')\n"
    )
    done = run_python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
