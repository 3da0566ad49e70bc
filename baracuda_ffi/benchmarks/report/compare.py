"""Two runs side by side: what changed by more than the spread of either."""

from __future__ import annotations

from dataclasses import dataclass

from .targets import label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.console import Console

    from .results import Report
    from .statistics import Summary

_MACHINE_KEYS = ("gpus", "driver", "cpu", "cores", "python", "packages", "library")


@dataclass(frozen=True)
class Change:
    """``before`` and ``after`` are of one path in one case of both runs."""

    suite: str
    where: str
    path: str
    before: Summary
    after: Summary

    @property
    def ratio(self) -> float:
        return self.after.median / self.before.median

    @property
    def is_beyond_spread(self) -> bool:
        """The two spreads, 10th to 90th percentile, have no value in common."""
        return not self.before.overlaps(self.after)


@dataclass(frozen=True)
class Comparison:
    """``changes`` has every path that both runs measured; the others are only counted."""

    changes: list[Change]
    only_before: int
    only_after: int
    machine: list[str]


def compare(before: Report, after: Report) -> Comparison:
    one, two = _summaries(before), _summaries(after)
    changes = [Change(*key, one[key], two[key]) for key in one if key in two]
    machine = [
        f"{key}: {before.machine.get(key)} and {after.machine.get(key)}"
        for key in _MACHINE_KEYS
        if before.machine.get(key) != after.machine.get(key)
    ]
    if before.settings != after.settings:
        machine.append(f"settings: {before.settings} and {after.settings}")
    return Comparison(changes, len(one.keys() - two.keys()), len(two.keys() - one.keys()), machine)


def _summaries(report: Report) -> dict[tuple[str, str, str], Summary]:
    return {
        (suite.name, label(case.parameters), row.path): row.summary
        for suite in report.suites
        for case in suite.cases
        for row in case.rows
        if row.summary
    }


def print_comparison(console: Console, comparison: Comparison) -> None:
    from rich.markup import escape
    from rich.table import Table

    from .tables import number

    if comparison.machine:
        console.print("The runs differ in more than time; read ratios inside a run instead:", style="yellow")
        for difference in comparison.machine:
            console.print(f"  {escape(difference)}")
    beyond = [change for change in comparison.changes if change.is_beyond_spread]
    if beyond:
        table = Table(title="changed beyond the spread", title_justify="left")
        for name in ("suite", "case", "path", "before", "after", "after / before"):
            table.add_column(name, justify="right" if name in ("before", "after") else "left")
        for change in sorted(beyond, key=lambda change: change.ratio):
            table.add_row(
                change.suite,
                escape(change.where),
                escape(change.path),
                number(change.before.median),
                number(change.after.median),
                f"{change.ratio:.2f}x, {'faster' if change.ratio < 1 else 'slower'}",
                style="green" if change.ratio < 1 else "red",
            )
        console.print(table)
    within = len(comparison.changes) - len(beyond)
    console.print(
        f"{len(beyond)} changed beyond the spread, {within} did not; {comparison.only_before} only in the "
        f"first, {comparison.only_after} only in the second"
    )
