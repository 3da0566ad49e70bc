"""How many threads a host append makes, counted where the process makes them: a preloaded pthread_create."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from proof.shims import build_shim

from support.processes.python import run_python

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's CPU affinity")

needs_two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shim("thread_gate", tmp_path_factory.mktemp("shims"))


def threads_of(gate: Path, *arguments: object) -> dict[str, int]:
    words = [str(argument) for argument in arguments]
    done = run_python("-m", "proof.children.large_append", *words, LD_PRELOAD=str(gate))
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


def test_a_process_of_one_cpu_makes_no_thread(gate: Path) -> None:
    """Whatever the setting asks for."""
    for limit in (0, 16):
        assert threads_of(gate, 1, limit, "PASS") == {"asked": 0, "made": 0}


@needs_two_cpus
def test_two_cpus_make_one_thread_besides_the_caller(gate: Path) -> None:
    assert threads_of(gate, 2, 0, "PASS") == {"asked": 1, "made": 1}
    assert threads_of(gate, 2, 16, "PASS") == {"asked": 1, "made": 1}


@needs_two_cpus
def test_the_setting_bounds_the_threads(gate: Path) -> None:
    assert threads_of(gate, 64, 1, "PASS") == {"asked": 0, "made": 0}
    assert threads_of(gate, 64, 2, "PASS") == {"asked": 1, "made": 1}


def test_a_small_append_makes_no_thread(gate: Path) -> None:
    assert threads_of(gate, 64, 0, "PASS", 1) == {"asked": 0, "made": 0}


@needs_two_cpus
def test_threads_that_cannot_be_had_are_done_without(gate: Path) -> None:
    """A process at its limit of threads: the caller does the work alone, and all of it."""
    counts = threads_of(gate, 64, 0, "REFUSE")
    assert counts["made"] == 0
    assert counts["asked"] >= 1


@needs_two_cpus
def test_a_thread_that_has_not_begun_is_not_waited_for(gate: Path) -> None:
    """As where every CPU is busy: the caller does all of the work, and has the thread for its next call."""
    counts = threads_of(gate, 64, 0, "LATE")
    assert counts["made"] >= 1
