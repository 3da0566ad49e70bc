"""Launches that fail: told once, by CUDA's name, nothing written; the next good call works if CUDA allows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from proof.modes import MODES, preference

import baracuda_ffi as bf
from support.devices.gpu_problem import GpuProblem
from support.processes.python import run_python

pytestmark = pytest.mark.gpu

BUILD = Path(__file__).parent / "build_unchecked.sh"


def run_child(name: str, *arguments: str, **environment: str) -> None:
    done = run_python("-m", f"proof.children.cuda.{name}", *arguments, **environment)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_a_launch_that_cuda_refuses_is_told_once(cuda_backend: Any, mode: str) -> None:
    """A launch on the legacy stream, while a stream is captured that it would have to wait for."""
    from support.devices import cuda

    driver = cuda.driver
    problem = GpuProblem(cuda_backend)
    plan = bf.PagedKvAppendPlan.select(1, problem.descriptor, preference(mode))
    blocking = cuda.check(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_DEFAULT))
    thread_local = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    cuda.check(driver.cuStreamBeginCapture(blocking, thread_local))
    with pytest.raises(bf.CudaError) as caught:
        plan.run(1, bf.Workspace.NONE, problem.args)
    assert caught.value.name == "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"
    assert "launching the kernel failed" in str(caught.value)
    driver.cuStreamEndCapture(blocking)  # which says that the capture is invalid
    cuda.check(driver.cuStreamDestroy(blocking))
    problem.check_untouched()
    plan.run(1, bf.Workspace.NONE, problem.args)
    problem.check_appended()


def test_too_many_heads_past_the_checks(tmp_path: Path) -> None:
    """With a library that can launch unchecked: BARACUDA_UNCHECKED_LIBRARY, or built here if there are nvcc
    and FLASHINFER_INCLUDE_DIR."""
    library = os.environ.get("BARACUDA_UNCHECKED_LIBRARY")
    if library is None:
        if shutil.which("nvcc") is None or "FLASHINFER_INCLUDE_DIR" not in os.environ:
            pytest.skip("needs BARACUDA_UNCHECKED_LIBRARY, or nvcc and FLASHINFER_INCLUDE_DIR to build it")
        from support.devices.cuda import Device

        library = str(tmp_path / "libunchecked.so")
        subprocess.run([str(BUILD), library, str(Device(0).capability)], check=True)
    run_child("too_many_heads", BARACUDA_FFI_LIBRARY=library)


@pytest.mark.parametrize("mode", MODES)
def test_an_unbacked_pointer_costs_the_context_and_no_more(mode: str) -> None:
    run_child("unbacked_pointer", mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_destroyed_stream(mode: str) -> None:
    """Not to be used, says CUDA: it may end the process, but we neither hang nor fail afterwards."""
    done = run_python("-m", "proof.children.cuda.destroyed_stream", mode)
    if done.returncode in (-signal.SIGSEGV, -signal.SIGABRT):
        assert done.stdout == "destroyed\n", done.stderr  # by that launch, and not before it
    else:
        assert (done.returncode, done.stdout) == (0, "destroyed\ndone\n"), done.stderr
