"""A run as pictures: time against batch or pages, and one line a path where there is only one case."""

from __future__ import annotations

from ..absent import optional
from .plot_labels import apart, spread
from .results import FLOOR, LIMIT, MEASURED, OURS, PART, PEER
from .tables import number
from .targets import label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path
    from typing import Any

    from .results import Case, Report, Row, SuiteResult

_FORMATS = ("png", "svg")
_OURS_COLOURS = ("#0b6e4f", "#2f9e44", "#74b816", "#1098ad")
_PEER_COLOURS = ("#c2410c", "#7048e8", "#b08900", "#1c7ed6", "#868e96")
_GREY = "#868e96"
_DASHES = {FLOOR: ":", LIMIT: "--", OURS: "-", PEER: "-"}
_CONNECTOR = {"arrowstyle": "-", "lw": 0.5, "alpha": 0.6, "relpos": (0, 0.5)}
# What a panel of a figure is of, the rest making figures of their own.
_PANELS = {
    "kernel": ("heads", "operands", "requests"),
    "host": ("element", "layout", "operands"),
    "pages": ("movement", "memory"),
}
_SWEPT = {"batch": "requests a batch", "pages": "pages a call"}


def save_plots(report: Report, folder: Path, left_out: Collection[str] = ()) -> list[Path]:
    """Write the plots of every suite that measured something; returns their paths. ``Absent`` without
    matplotlib.

    ``left_out`` are paths that no line is drawn for: it would lie on another's.
    """
    matplotlib = optional("matplotlib", "matplotlib")
    matplotlib.use("Agg")
    pyplot = optional("matplotlib.pyplot", "matplotlib")
    folder.mkdir(parents=True, exist_ok=True)
    style = {"svg.fonttype": "none", "svg.hashsalt": "baracuda-ffi", "font.size": 9}
    written: list[Path] = []
    with pyplot.rc_context(style):
        for suite in report.suites:
            if suite.status != MEASURED:
                continue
            for name, figure in _figures(pyplot, suite, _origin(report, suite), left_out):
                for kind in _FORMATS:
                    path = folder / f"{name}.{kind}"
                    metadata = {"Date": None} if kind == "svg" else {}
                    figure.savefig(path, dpi=150, bbox_inches="tight", metadata=metadata)
                    written.append(path)
                pyplot.close(figure)
    return written


def _figures(
    pyplot: Any, suite: SuiteResult, origin: str, left_out: Collection[str]
) -> list[tuple[str, Any]]:
    if suite.name in _PANELS:
        return _series_figures(pyplot, suite, origin, left_out)
    return [
        (_bars_name(suite, case), figure)
        for case in suite.cases
        if (figure := _bars(pyplot, suite, case, origin)) is not None
    ]


def _bars_name(suite: SuiteResult, case: Case) -> str:
    if len(suite.cases) == 1:
        return suite.name
    which = [str(case.parameters[key]) for key in ("device", "operands") if key in case.parameters]
    return "-".join([suite.name, *which])


def _series_figures(
    pyplot: Any, suite: SuiteResult, origin: str, left_out: Collection[str]
) -> list[tuple[str, Any]]:
    panel_keys = _PANELS[suite.name]
    figures: dict[str, dict[str, list[Case]]] = {}
    for case in suite.cases:
        shape = {name: value for name, value in case.parameters.items() if name != case.swept}
        panel = label({name: value for name, value in shape.items() if name in panel_keys})
        rest = label({name: value for name, value in shape.items() if name not in panel_keys})
        figures.setdefault(rest, {}).setdefault(panel, []).append(case)
    found = []
    for rest, panels in figures.items():
        words = [word for word in rest.replace(",", "").split() if word not in ("element", "layout")]
        name = "-".join([suite.name, *words]) if len(figures) > 1 else suite.name
        figure = _lines(pyplot, suite, rest, panels, origin, left_out)
        if figure is not None:
            found.append((name, figure))
    return found


def _lines(
    pyplot: Any,
    suite: SuiteResult,
    title: str,
    panels: dict[str, list[Case]],
    origin: str,
    left_out: Collection[str],
) -> Any | None:
    medians = [
        row.summary.median for cases in panels.values() for c in cases for row in c.rows if row.summary
    ]
    if not medians:
        return None
    low, high = min(medians) / 1.4, max(medians) * 1.4
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(7.2 * columns, 4.6 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (panel, cases) in zip(axes.flat, panels.items(), strict=False):
        _panel(axis, cases, low, high, left_out)
        axis.set_title(panel, loc="left", fontweight="bold")
        axis.set_xlabel(_SWEPT[cases[0].swept])
        axis.set_ylabel(f"microseconds {cases[0].unit.partition(' ')[2]}")
    figure.suptitle(f"{suite.name}: {title}\n{origin}", x=0.01, ha="left", fontsize=9)
    return figure


def _panel(axis: Any, cases: Sequence[Case], low: float, high: float, left_out: Collection[str]) -> None:
    cases = sorted(cases, key=lambda case: int(case.parameters[case.swept]))
    shown = (row for case in cases for row in case.rows if row.summary and row.path not in left_out)
    paths = list(dict.fromkeys(row.path for row in shown))
    first_row = {path: next(row for case in cases if (row := case.row(path))) for path in paths}
    colours = _colours([first_row[path] for path in paths])
    ends = []
    for path in paths:
        points = [
            (int(case.parameters[case.swept]), row.summary)
            for case in cases
            if (row := case.row(path)) and row.summary
        ]
        batches = [batch for batch, _ in points]
        role = first_row[path].role
        axis.plot(
            batches,
            [summary.median for _, summary in points],
            _DASHES[role],
            color=colours[path],
            linewidth=2.2 if role == OURS else 1.3,
            marker="o" if role in (OURS, PEER) else None,
            markersize=3,
        )
        axis.fill_between(
            batches,
            [s.p10 for _, s in points],
            [s.p90 for _, s in points],
            color=colours[path],
            alpha=0.12,
            lw=0,
        )
        ends.append((path, batches[-1], points[-1][1].median))
    axis.set(xscale="log", yscale="log", ylim=(low, high))
    batches = [int(case.parameters[case.swept]) for case in cases]
    axis.set_xticks(batches, apart(batches, 3))
    axis.yaxis.set_major_formatter(_plain)
    axis.minorticks_off()
    axis.grid(True, color="#e9ecef", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    heights = spread([end for _, _, end in ends], low, high, gap=0.052)
    for (path, batch, end), height in zip(ends, heights, strict=True):
        axis.annotate(
            path,
            xy=(batch, end),
            xytext=(1.03, height),
            textcoords=axis.get_yaxis_transform(),
            va="center",
            color=colours[path],
            fontsize=8,
            annotation_clip=False,
            arrowprops={**_CONNECTOR, "color": colours[path]},
        )


def _bars(pyplot: Any, suite: SuiteResult, case: Case, origin: str) -> Any | None:
    rows = [row for row in case.rows if row.summary and row.role != PART]
    if not rows:
        return None
    colours = _colours(rows)
    figure, axis = pyplot.subplots(figsize=(8, 0.8 + 0.34 * len(rows)), layout="constrained")
    for height, row in enumerate(reversed(rows)):
        summary = row.summary
        if summary is None:
            continue
        axis.plot(
            [summary.p10, summary.p90], [height, height], color=colours[row.path], linewidth=3, alpha=0.35
        )
        axis.plot([summary.median], [height], "o", color=colours[row.path], markersize=6)
        ratio = case.ratio(row.path, suite.reference)
        times = "" if ratio is None else f", {ratio:.2f}x {suite.reference}"
        axis.annotate(
            f"{number(summary.median)}{times}",
            (max(summary.median, summary.p90), height),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=colours[row.path],
        )
    axis.set_yticks(range(len(rows)), [row.path for row in reversed(rows)])
    # Room on the right for the numbers.
    spreads = [row.summary for row in rows if row.summary]
    largest, smallest = max(s.p90 for s in spreads), min(s.p10 for s in spreads)
    if largest > 30 * smallest:
        axis.set_xscale("log")
        axis.set_xlim(smallest / 1.5, largest * (largest / smallest) ** 0.6)
        axis.xaxis.set_major_formatter(_plain)
    else:
        axis.set_xlim(0, largest * 1.6)
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_xlabel({"us": "microseconds", "s": "seconds"}[case.unit.split()[0]] + case.unit[2:])
    axis.grid(True, axis="x", color="#e9ecef", linewidth=0.6)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.set_title(f"{suite.name}: {label(case.parameters)}\n{origin}", loc="left", fontsize=9, x=0)
    return figure


def _plain(value: float, _position: int) -> str:
    return f"{value:g}"


def _origin(report: Report, suite: SuiteResult) -> str:
    gpus, cpu = report.machine["gpus"], f"{report.machine['cpu']}, {report.machine['cores']} cores"
    device = cpu if suite.name == "host" or not gpus else gpus[0]
    return f"{device}; {report.date}; medians, and 10th to 90th percentile"


def _colours(rows: Sequence[Row]) -> dict[str, str]:
    """Greens for ours, other colours for peers, grey for floors and limits."""
    ours = [row.path for row in rows if row.role == OURS]
    peers = [row.path for row in rows if row.role == PEER]
    colours = {row.path: _GREY for row in rows}
    colours.update((path, _OURS_COLOURS[i % len(_OURS_COLOURS)]) for i, path in enumerate(ours))
    colours.update((path, _PEER_COLOURS[i % len(_PEER_COLOURS)]) for i, path in enumerate(peers))
    return colours
