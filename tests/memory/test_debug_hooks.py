"""This folder once more in CPython's development mode, where the allocators fill what is freed and look for
what was written beside, and every warning and unraisable error of the package fails the test that it came
from."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.processes.python import TESTS, run_pytest

MODULES = sorted(path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))


@pytest.mark.slow
def test_the_folder_under_debug_hooks() -> None:
    found = [str(path.relative_to(TESTS)) for path in MODULES]
    done = run_pytest("-x", *found, timeout=280, PYTHONDEVMODE="1", PYTHONMALLOC="debug")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
