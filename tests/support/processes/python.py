"""Programs in a Python process of their own, which finds the installed package and not the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# With -c and -m the working directory is first on the path: this one does not hold our package's sources.
TESTS = Path(__file__).parents[2]


def run_python(
    *arguments: str, timeout: float = 120, cwd: Path = TESTS, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS`; variables given by name are added to the environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def run_pytest(*arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Tests once more, in one process, whatever options these were started with."""
    plain = ("-q", "-p", "no:xdist", "-p", "no:benchmark", "-p", "no:cacheprovider")
    return run_python("-m", "pytest", *plain, *arguments, timeout=timeout, **environment, PYTEST_ADDOPTS="")


def output_of(program: str, *arguments: str, **environment: str) -> str:
    """What the program printed; it must succeed."""
    done = run_python("-c", program, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
