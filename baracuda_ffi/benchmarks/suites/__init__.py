"""The suites: each module has ``run(settings)``, which returns a ``SuiteResult`` or raises ``Absent``."""

from __future__ import annotations

import time
from importlib import import_module

from ..absent import Absent
from ..report.results import ABSENT, FAILED, SuiteResult
from ..running.paths import reason_of
from ..settings import SUITES, Settings


def run_suite(name: str, settings: Settings) -> SuiteResult:
    """Never raises for what goes wrong in the suite: the result says it."""
    if name not in SUITES:
        raise ValueError(f"there is no suite {name!r}; there are {', '.join(SUITES)}")
    started = time.perf_counter()
    try:
        result: SuiteResult = import_module(f".{name}", __package__).run(settings)
    except Absent as error:
        return SuiteResult(name, ABSENT, why=str(error))
    except Exception as error:
        return SuiteResult(name, FAILED, seconds=time.perf_counter() - started, why=reason_of(error))
    return result


__all__ = ["run_suite"]
