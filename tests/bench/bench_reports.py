"""A report made by hand: a batch series, a single case, a suite that did not run."""

from __future__ import annotations

from baracuda_ffi.benchmarks.report.machine import describe_machine, now
from baracuda_ffi.benchmarks.report.results import (
    ABSENT,
    FLOOR,
    LIMIT,
    MEASURED,
    OURS,
    PEER,
    Case,
    Report,
    Row,
    SuiteResult,
    Target,
)
from baracuda_ffi.benchmarks.report.statistics import Summary
from baracuda_ffi.benchmarks.settings import Settings


def measured(path: str, role: str, median: float) -> Row:
    return Row(
        path,
        role,
        MEASURED,
        Summary(median, 0.9 * median, 1.1 * median, 3),
        statement=f"{path}()",
        by_round=[1.1 * median, 0.9 * median, median],
    )


def report(scale: float = 1.0, gpu: str = "NVIDIA H100 80GB HBM3") -> Report:
    """``scale`` multiplies what ours took; ``gpu`` is the machine's, "" for none."""
    cases = [
        Case(
            {"element": "f16", "layout": layout, "batch": batch, "heads": 8, "head_dim": 128},
            "us a call",
            [
                measured("nothing", FLOOR, 0.2),
                measured("copy", LIMIT, 0.1 * batch),
                measured("bound launch", OURS, scale * (0.5 + 0.11 * batch)),
                measured("peer", PEER, 3 + 0.3 * batch),
                Row("other peer", PEER, ABSENT, why="it is not installed"),
            ],
        )
        for layout in ("HND", "NHD")
        for batch in (1, 64, 4096)
    ]
    launch = Case(
        {"device": "host", "batch": 1},
        "us a call",
        [measured("C loop", FLOOR, 4.0), measured("bound launch", OURS, 5.0 * scale)],
    )
    target = Target(
        "bound launch / C loop", "≤ 1.25", 1.25 * scale, scale <= 1.0, where="device host, batch 1"
    )
    return Report(
        now(),
        {**describe_machine(), "gpus": [gpu] if gpu else []},
        Settings().to_json(),
        [
            SuiteResult("launch", MEASURED, 1.5, "", "C loop", [launch], [target], {"samples": "few"}),
            SuiteResult("kernel", ABSENT, why="there is no GPU"),
            SuiteResult("host", MEASURED, 2.5, "", "copy", cases, [], {"threads": "2"}),
        ],
    )
