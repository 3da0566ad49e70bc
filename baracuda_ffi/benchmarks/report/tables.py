"""A run as tables in the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .results import MEASURED, OURS, PART
from .targets import SET_ON, bind_here, label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from rich.console import Console

    from .results import Case, Report, Row, SuiteResult, Target


_VERDICTS = {
    True: Text("met", style="green"),
    False: Text("missed", style="red"),
    None: Text("not judged", style="dim"),
}
_COMPARISONS = {True: Text("within"), False: Text("beyond"), None: Text("not judged", style="dim")}


def print_report(console: Console, report: Report) -> None:
    for suite in report.suites:
        print_suite(console, suite, report.machine)


def print_suite(console: Console, suite: SuiteResult, machine: Mapping[str, Any]) -> None:
    """``machine`` is the one that the suite ran on."""
    console.rule(f"[bold]{suite.name}[/], {suite.seconds:.0f} s" if suite.seconds else f"[bold]{suite.name}")
    if suite.status != MEASURED:
        console.print(f"not measured ({suite.status}): {escape(suite.why)}")
        return
    for name, note in suite.notes.items():
        console.print(f"[dim]{name}: {escape(note)}[/]")
    series = _series(suite.cases)
    if series:
        for title, cases in series.items():
            console.print(_matrix(title, cases, suite.reference))
        _print_missing(console, suite.cases)
    else:
        for case in suite.cases:
            console.print(_column(case, suite.reference))
    if suite.targets and machine["gpus"]:  # whoever has none has nothing of what they are about
        console.print(_targets(suite.targets, bind_here(machine)))


def _series(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Cases that differ in what is swept alone, by what they have in common; empty where there is no such
    series."""
    series: dict[str, list[Case]] = {}
    for case in cases:
        common = {name: value for name, value in case.parameters.items() if name != case.swept}
        series.setdefault(label(common), []).append(case)
    return series if any(len(members) > 1 for members in series.values()) else {}


def _matrix(title: str, cases: Sequence[Case], reference: str) -> Table:
    table = Table(title=f"{title}: {cases[0].unit}, and the ratio to {reference}", title_justify="left")
    table.add_column(cases[0].swept, justify="right")
    names = list(dict.fromkeys(row.path for case in cases for row in case.rows if row.summary))
    for name in names:
        table.add_column(name, justify="right", overflow="fold")  # no path loses its name
    for case in cases:
        cells = [_cell(case.row(name), case.ratio(name, reference)) for name in names]
        table.add_row(str(case.parameters[case.swept]), *cells)
    return table


def _cell(row: Row | None, ratio: float | None) -> Text:
    if row is None or row.summary is None:
        return Text(row.status if row else "", style="dim")
    return Text(f"{number(row.summary.median)} {_times(ratio):>6}".rstrip(), style=_style(row))


def _column(case: Case, reference: str) -> Table:
    table = Table(title=label(case.parameters), title_justify="left")
    table.add_column("path")
    table.add_column(case.unit, justify="right")
    table.add_column("p10 to p90", justify="right")
    if reference:
        table.add_column(f"of {reference}", justify="right")
    for row in case.rows:
        if row.summary:
            spread = f"{number(row.summary.p10)} to {number(row.summary.p90)}"
            cells = [row.path, number(row.summary.median), spread, _times(case.ratio(row.path, reference))]
        else:
            cells = [row.path, row.status, row.why, ""]
        table.add_row(*[escape(cell) for cell in cells[: 4 if reference else 3]], style=_style(row))
    return table


def _print_missing(console: Console, cases: Iterable[Case]) -> None:
    """Once each, whatever the number of cases."""
    reasons = dict.fromkeys(
        f"{row.path}: {row.status}, {row.why}" for case in cases for row in case.rows if row.summary is None
    )
    for reason in reasons:
        console.print(f"[dim]{escape(reason)}[/]")


def _targets(targets: Iterable[Target], bind: bool) -> Table:
    title, verdicts = "targets, by the worst case", _VERDICTS
    if not bind:
        title = f"for information, by the worst case: targets that were set on {' and '.join(SET_ON)}"
        verdicts = _COMPARISONS
    table = Table(title=title, title_justify="left")
    for name in ("target", "limit", "found", "", "where"):
        table.add_column(name)
    for target in targets:
        found = "" if target.value is None else f"{target.value:.3g}"
        table.add_row(
            escape(target.name),
            target.limit,
            found,
            verdicts[target.met],
            escape(target.where or target.why),
        )
    return table


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _times(ratio: float | None) -> str:
    return f"{ratio:.2f}x" if ratio is not None and ratio >= 0.01 else ""


def _style(row: Row) -> str:
    if row.role == OURS:
        return "bold"
    return "dim" if row.role == PART or row.summary is None else ""
