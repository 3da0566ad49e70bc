"""Suites, one after the other, into a report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from .report.loading import suite_from_json
from .report.machine import describe_machine, now
from .report.results import FAILED, Report, SuiteResult
from .running.isolated import PACKAGE_PARENT, environment, python

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .settings import Settings

# A suite that hangs is given up after this, seconds.
_TIMEOUT = 480.0


def run_suites(
    names: Sequence[str], settings: Settings, finished: Callable[[Report, SuiteResult], None]
) -> Report:
    """Run each suite in a process of its own. ``finished`` gets the report so far after each."""
    report = Report(now(), describe_machine(), settings.to_json(), [])
    for name in names:
        result = run_alone(name, settings)
        report.suites.append(result)
        finished(report, result)
    return report


def run_alone(name: str, settings: Settings) -> SuiteResult:
    """Its progress goes to this process's stderr. A process that dies is a result that says so."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="baracuda-ffi-bench-") as folder:
        file = Path(folder) / "result.json"
        command = python(
            "-m", "baracuda_ffi.benchmarks.child", name, json.dumps(settings.to_json()), str(file)
        )
        try:
            why = f"its process ended with {_wait_for(command)}"
        except subprocess.TimeoutExpired:
            why = f"it did not finish in {_TIMEOUT:g} s"
        if file.is_file():
            return suite_from_json(json.loads(file.read_text(encoding="utf-8")))
    return SuiteResult(name, FAILED, seconds=time.perf_counter() - started, why=why)


def _wait_for(command: list[str]) -> int:
    """Its exit code. Whatever ends the wait ends the process too and all that it started, without a word: in
    a session of its own it hears no Ctrl-C by itself."""
    # An interrupt while it is made would leave it alone: it is heard once there is something to end.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    with subprocess.Popen(
        command, cwd=PACKAGE_PARENT, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return process.wait(_TIMEOUT)
        except BaseException:
            with suppress(ProcessLookupError):  # it may have come to its end by itself
                os.killpg(process.pid, signal.SIGKILL)
            raise
