"""Copies of pages: to pages, to a buffer and back, on the GPU and by the host backend."""

from __future__ import annotations

import time

from ...absent import Absent
from ...peers import page_copies
from ...report.results import MEASURED, SuiteResult
from ...report.targets import at_most
from . import device, host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...report.results import Case, Target
    from ...settings import Settings


def run(settings: Settings) -> SuiteResult:
    started = time.perf_counter()
    notes = {"page": "16 tokens, 8 heads of 128, f16: 32 KiB of K and as many of V"}
    cases: list[Case] = []
    try:
        cases += device.cases(settings)
    except Absent as error:
        notes["device"] = f"not measured: {error}"
    cases += host.cases(settings)
    return SuiteResult(
        "pages",
        MEASURED,
        time.perf_counter() - started,
        "",
        page_copies.ONE_COPY,
        cases,
        _targets(cases),
        notes,
    )


def _targets(cases: list[Case]) -> list[Target]:
    targets = []
    for movement, ours in device.NAMES.items():
        measured = [case for case in cases if case.parameters["movement"] == movement]
        on_device = [case for case in measured if case.parameters["memory"] == device.DEVICE]
        in_host = [case for case in measured if case.parameters["memory"] == host.HOST]
        targets += [
            at_most(
                f"{ours} / one device copy, 1 MiB up",
                on_device,
                ours,
                page_copies.ONE_COPY,
                1.1,
                _is_large,
            ),
            at_most(
                f"{ours} / cudaMemcpyAsync a page, 4 pages up",
                on_device,
                ours,
                page_copies.EACH,
                1.0,
                lambda p: int(p["pages"]) >= 4,
            ),
            at_most(
                f"{ours} / memcpy on one thread, 16 MiB up",
                in_host,
                ours,
                page_copies.ONE_COPY,
                1.3,
                lambda p: int(p["pages"]) >= 256,
            ),
            at_most(f"{ours} / NumPy indexing, 1 MiB up", in_host, ours, page_copies.NUMPY, 1.0, _is_large),
        ]
    return targets


def _is_large(parameters: dict[str, str | int]) -> bool:
    return int(parameters["pages"]) >= 16


__all__ = ["run"]
