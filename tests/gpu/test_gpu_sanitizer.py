"""Appends under compute-sanitizer: no access out of bounds, nothing uninitialised read."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from support.processes.python import TESTS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("compute-sanitizer") is None, reason="needs compute-sanitizer, there is none"
    ),
]

PROGRAM = """
from support.devices import cuda
from support.problems.cases import Case
from support.devices.cuda_backend import CudaBackend
from support.problems.elements import ELEMENTS
from support.devices.gpu_problem import GpuProblem
import baracuda_ffi as bf

backend = CudaBackend(cuda.Device(0), cuda.create_stream())
for element in ELEMENTS:
    for layout in ("HND", "NHD"):
        for convention in ("BEFORE_APPEND", "AFTER_APPEND"):
            for head_dim, heads in ((64, 3), (128, 8), (256, element.max_heads(256))):
                problem = GpuProblem(backend, Case(element, layout, convention, 3, 5, heads, head_dim))
                plan = bf.PagedKvAppendPlan.select(backend.stream, problem.descriptor, bf.PlanPreference())
                plan.run(backend.stream, bf.Workspace.NONE, problem.args)
                problem.check_appended()
backend.close()
"""


@pytest.mark.parametrize("tool", ["memcheck", "initcheck"])
def test_nothing_to_report(tool: str) -> None:
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "99", sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR SUMMARY: 0 errors" in done.stdout or "RACECHECK SUMMARY: 0 hazards" in done.stdout, (
        done.stdout
    )
