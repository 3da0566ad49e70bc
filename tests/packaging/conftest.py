"""The installed package, for the tests of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.processes.installed import Installed


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    command = [sys.executable, "-m", "baracuda_ffi", "config"]
    done = subprocess.run(
        command, cwd=tmp_path_factory.mktemp("elsewhere"), capture_output=True, text=True, check=False
    )
    if done.returncode == 1 and "not an installed package" in done.stderr:
        pytest.skip("baracuda_ffi is used from its source folder here, and nothing is installed")
    assert done.returncode == 0, done.stderr
    values = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    return Installed(
        Path(values["cmakedir"]),
        Path(values["includedir"]),
        Path(values["libdir"]),
        values["cflags"],
        values["libs"],
    )
