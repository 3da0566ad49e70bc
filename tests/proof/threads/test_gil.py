"""Other Python threads run while a launch is under way, however long it takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from proof.modes import MODES
from proof.shims import build_shim

from support.processes.python import run_python


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's LD_PRELOAD")
def test_a_host_append_lets_other_threads_run(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs, for the append to make a thread")
    gate = build_shim("thread_gate", tmp_path)
    done = run_python("-m", "proof.children.launch_that_waits", LD_PRELOAD=str(gate))
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
def test_a_launch_into_a_full_queue_lets_other_threads_run(mode: str) -> None:
    done = run_python("-m", "proof.children.cuda.launch_into_a_full_queue", mode, timeout=90)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
