"""Many processes at once: over one cache in shared memory, and on one GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from proof.modes import MODES
from proof.processes.shares import CASE, NUM_PAGES, Share, first_caches, last_caches

from support.devices.bits import assert_same_bits
from support.processes.python import TESTS

PROCESSES = 8


def run_together(module: str, arguments: list[list[str]]) -> None:
    """The same program several times over; each says `ready`, is let go with the others, and says `done`."""
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen(
            [sys.executable, "-m", f"proof.children.{module}", *its_own],
            cwd=TESTS,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )
        for its_own in arguments
    ]
    try:
        for child in children:
            assert child.stdout is not None
            if child.stdout.readline() != "ready\n":
                raise AssertionError(child.communicate(timeout=60)[1])
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            said, errors = child.communicate(timeout=120)
            assert (child.returncode, said) == (0, "done\n"), errors
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()


@pytest.mark.parametrize("mode", MODES)
def test_processes_that_share_a_cache(tmp_path: Path, mode: str) -> None:
    for name, array in first_caches().items():
        array.tofile(tmp_path / name)
    run_together("append_share", [[str(tmp_path), str(number), mode] for number in range(PROCESSES)])
    expected = last_caches([Share(number) for number in range(PROCESSES)])
    for name, array in expected.items():
        left = np.fromfile(tmp_path / name, CASE.element.dtype).reshape(CASE.cache_shape(NUM_PAGES))
        assert_same_bits(left, array, name)


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
def test_processes_that_share_a_gpu(mode: str) -> None:
    run_together("cuda.append_on_gpu", [[str(number), mode] for number in range(PROCESSES)])
