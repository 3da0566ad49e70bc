"""Machines whose CUDA driver is missing, or too old for the library: the error says so, and the host backend
works.

The machine is made so in a child process, so that this holds on a machine with a GPU too.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from proof.shims import build_shim

import baracuda_ffi as bf
from support.processes.python import run_python

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's dynamic linker")

with_cuda = pytest.mark.skipif(bf.build_info().cuda is None, reason="the library was built without CUDA")


def raised_by_select(**environment: str) -> list[str]:
    """Class, CUDA's name and text of what `select` raised: the same every time."""
    done = run_python("-m", "proof.children.cuda.select_for_cuda", **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    raised = json.loads(done.stdout)
    assert len(raised) == 4
    assert all(again == raised[0] for again in raised)
    found: list[str] = raised[0]
    return found


@with_cuda
def test_no_driver(tmp_path: Path) -> None:
    shim = build_shim("hide_driver", tmp_path)
    kind, name, text = raised_by_select(LD_PRELOAD=str(shim))
    assert (kind, name) == ("CudaError", "cudaErrorInsufficientDriver")
    for part in ("no CUDA driver was found", "CUDA 12.0 or newer", "install", "host backend"):
        assert part in text


@with_cuda
def test_a_driver_that_is_too_old(tmp_path: Path) -> None:
    """Both versions, and what to do."""
    build_shim("old_driver", tmp_path, "libcuda.so.1")
    path = f"{tmp_path}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    kind, name, text = raised_by_select(LD_LIBRARY_PATH=path)
    assert (kind, name) == ("CudaError", "cudaErrorInsufficientDriver")
    for part in (
        "driver supports CUDA 11.8",
        "needs one that supports CUDA 12.0 or newer",
        "update the driver",
    ):
        assert part in text


@with_cuda
def test_a_driver_without_a_device() -> None:
    """No device to be seen: where there is a driver it says so, and elsewhere there is none."""
    kind, name, text = raised_by_select(CUDA_VISIBLE_DEVICES="")
    assert kind == "CudaError"
    if name == "CUDA_ERROR_NO_DEVICE":
        assert "starting the CUDA driver failed" in text
    else:
        assert name == "cudaErrorInsufficientDriver"
        assert "no CUDA driver was found" in text


@pytest.mark.skipif(bf.build_info().cuda is not None, reason="the library was built with CUDA")
def test_a_library_without_cuda() -> None:
    kind, _, text = raised_by_select()
    assert kind == "Unsupported"
    assert "built without CUDA" in text
