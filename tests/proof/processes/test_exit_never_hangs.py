"""A process ends while threads append: at once, with its own status, in every way that a process can end."""

from __future__ import annotations

import pytest

from support.processes.python import run_python

# A process that hangs is killed after this many seconds, and the test fails.
PATIENCE = 60


@pytest.mark.parametrize("way", ["return", "sys.exit", "os._exit", "exit"])
def test_a_process_ends_while_threads_append(way: str) -> None:
    for _ in range(2):
        done = run_python("-m", "proof.children.exit_while_appending", way, timeout=PATIENCE)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
