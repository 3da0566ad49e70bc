"""``baracuda-ffi bench``: what an append costs here, beside the peers that are installed."""

from __future__ import annotations

import sys
from pathlib import Path

from .settings import ELEMENTS, GRIDS, L2_MODES, SUITES, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from .report.results import Report, SuiteResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "suites",
        nargs="*",
        metavar="SUITE",
        help=f"which to run, of {', '.join(SUITES)}; all if none is named",
    )
    parser.add_argument("--quick", action="store_true", help="fewer samples and cases; under a minute")
    parser.add_argument("--grid", choices=GRIDS, default="small", help="the kernel suite's shapes")
    parser.add_argument(
        "--element",
        choices=ELEMENTS,
        default="f16",
        help="what the rows of the kernel suite's small grid are of",
    )
    parser.add_argument(
        "--l2",
        choices=L2_MODES,
        default="decode",
        help="what the kernel suite's launches find in the L2 cache: the rows and the page table (decode), "
        "nothing (rotate), or everything (warm)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the run, after each suite anew; to a device or a pipe at the end",
    )
    parser.add_argument("--plot", type=Path, metavar="DIR", help="write plots there, as PNG and SVG")
    parser.add_argument(
        "--load", type=Path, nargs="+", metavar="FILE", help="measure nothing: show runs that were written"
    )
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A", "B"), help="what changed from A to B beyond the spread"
    )


def run(arguments: argparse.Namespace) -> int:
    """1 if a file cannot be read or written, or a suite failed; a target that is missed is not an error."""
    from rich.console import Console

    from .report.loading import NotAReport

    # Wide enough for the tables where nobody sets a width.
    console = Console() if sys.stdout.isatty() else Console(width=190)
    unknown = [name for name in arguments.suites if name not in SUITES]
    if unknown:
        print(
            f"baracuda-ffi bench: there is no suite {unknown[0]!r}; there are {', '.join(SUITES)}",
            file=sys.stderr,
        )
        return 2
    try:
        if arguments.compare:
            return _compare(console, *arguments.compare)
        return _run_or_load(console, arguments)
    except NotAReport as error:
        print(f"baracuda-ffi bench: {error}", file=sys.stderr)
        return 1


def _compare(console: Console, before: Path, after: Path) -> int:
    from .report.compare import compare, print_comparison
    from .report.loading import load

    print_comparison(console, compare(load(before), load(after)))
    return 0


def _run_or_load(console: Console, arguments: argparse.Namespace) -> int:
    from .report.loading import load
    from .report.machine import one_line
    from .report.results import FAILED
    from .report.saving import is_stream
    from .report.tables import print_report, print_suite

    if arguments.load:
        report = _joined([load(path) for path in arguments.load])
        console.print(f"{report.date}; {one_line(report.machine)}", highlight=False)
        print_report(console, report)
        if arguments.json:
            report.save(arguments.json)
    else:
        from .runner import run_suites

        def finished(so_far: Report, suite: SuiteResult) -> None:
            # First: whoever reads what is printed may leave.
            if arguments.json and not is_stream(arguments.json):
                so_far.save(arguments.json)
            if len(so_far.suites) == 1:
                console.print(f"{so_far.date}; {one_line(so_far.machine)}", highlight=False)
            print_suite(console, suite, so_far.machine)

        settings = Settings(
            quick=arguments.quick, grid=arguments.grid, l2=arguments.l2, element=arguments.element
        )
        report = run_suites(arguments.suites or SUITES, settings, finished)
        if arguments.json and is_stream(arguments.json):  # once, at the end
            report.save(arguments.json)
    if arguments.plot and not _plot(report, arguments.plot):
        return 1
    return 1 if any(suite.status == FAILED for suite in report.suites) else 0


def _joined(reports: list[Report]) -> Report:
    """The suites of several runs of one machine, in one report with the first's date and settings."""
    from .report.loading import NotAReport
    from .report.results import Report

    first = reports[0]
    for report in reports[1:]:
        if {**report.machine, "load": 0} != {**first.machine, "load": 0}:
            raise NotAReport("the runs to load are of different machines or packages; load one at a time")
    return Report(
        first.date, first.machine, first.settings, [suite for report in reports for suite in report.suites]
    )


def _plot(report: Report, folder: Path) -> bool:
    from .absent import Absent
    from .ours.c_loop import THROUGH_CTYPES
    from .report.plots import save_plots

    try:
        for path in save_plots(report, folder, left_out=(THROUGH_CTYPES,)):
            print(path)
    except Absent as error:
        print(f"baracuda-ffi bench: no plots: {error}; pip install 'baracuda-ffi[bench]'", file=sys.stderr)
        return False
    return True
