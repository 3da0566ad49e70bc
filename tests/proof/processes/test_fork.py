"""Host plans across fork: used before it, after it, on both sides, and while other threads append."""

from __future__ import annotations

import os

import pytest
from proof.modes import MODES

from support.processes.python import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def run_child(name: str, *arguments: str) -> None:
    done = run_python("-m", f"proof.children.{name}", *arguments)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_fork_while_threads_append(mode: str) -> None:
    run_child("fork_and_append", mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_forked_pool_inherits_a_plan(mode: str) -> None:
    run_child("pool_of_workers", mode)


@pytest.mark.gpu
def test_the_child_of_a_process_that_used_cuda_can_use_the_host_backend() -> None:
    run_child("cuda.fork_after_cuda")
