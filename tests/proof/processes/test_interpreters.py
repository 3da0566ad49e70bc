"""Several interpreters in one process."""

from __future__ import annotations

import pytest
from proof.processes.interpreters import KINDS, interpreters

from support.processes.python import run_python


@pytest.mark.skipif(interpreters is None, reason="this interpreter has no module of interpreters")
@pytest.mark.parametrize("kind", KINDS)
def test_each_appends(kind: str) -> None:
    done = run_python("-m", "proof.children.append_in_interpreters", kind)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
