"""The JSON of a run, two runs compared, and what a run looks like."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bench_reports import report
from rich.console import Console

from baracuda_ffi.benchmarks import absent
from baracuda_ffi.benchmarks.report.compare import compare, print_comparison
from baracuda_ffi.benchmarks.report.loading import NotAReport, load
from baracuda_ffi.benchmarks.report.machine import one_line
from baracuda_ffi.benchmarks.report.plot_labels import apart, spread
from baracuda_ffi.benchmarks.report.plots import save_plots
from baracuda_ffi.benchmarks.report.results import SCHEMA_VERSION
from baracuda_ffi.benchmarks.report.tables import number, print_report


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = report()
    file = tmp_path / "new" / "run.json"
    written.save(file)
    again = load(file)
    assert again.date == written.date
    assert again.machine == json.loads(json.dumps(written.machine))
    for one, two in zip(written.suites, again.suites, strict=True):
        assert (one.name, one.status, one.why, one.notes) == (two.name, two.status, two.why, two.notes)
        assert one.targets == two.targets
        for before, after in zip(one.cases, two.cases, strict=True):
            assert before.parameters == after.parameters
            for row, row_again in zip(before.rows, after.rows, strict=True):
                assert (row.path, row.role, row.status, row.why) == (
                    row_again.path,
                    row_again.role,
                    row_again.status,
                    row_again.why,
                )
                if row.summary:
                    assert row_again.summary
                    assert row_again.summary.median == pytest.approx(row.summary.median, rel=1e-5)
                assert row_again.by_round == pytest.approx(row.by_round, rel=1e-5)
    assert list(file.parent.iterdir()) == [file]


def test_the_json_says_what_it_is_and_where_it_was_made(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    report().save(file)
    data = json.loads(file.read_text())
    assert data["schema"] == "baracuda-ffi bench"
    assert data["schema_version"] == SCHEMA_VERSION
    assert {"gpus", "driver", "driver_cuda", "cpu", "cores", "load", "python", "packages", "library"} <= set(
        data["machine"]
    )
    assert "numpy" in data["machine"]["packages"]


def test_samples_take_one_line_of_the_json_and_may_be_missing(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    report().save(file)
    assert '"by_round": [ 4.4, 3.6, 4 ]' in file.read_text().replace("4.0 ]", "4 ]")
    data = json.loads(file.read_text())
    for suite in data["suites"]:
        for case in suite["cases"]:
            for row in case["rows"]:
                del row["by_round"]
    file.write_text(json.dumps(data))
    (case,) = load(file).suites[0].cases
    assert case.ratio("bound launch", "C loop") == 1.25


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": "something else"}, "not the JSON of a baracuda-ffi bench run"),
        ({"schema_version": SCHEMA_VERSION + 1}, f"has schema version {SCHEMA_VERSION + 1}"),
        ({"suites": [{"name": "host"}]}, r"is damaged: the run\.suites\[0\] has no status"),
        ({"suites": None}, r"is damaged: the run\.suites is None; it should be of type list"),
        ({"machine": {}}, r"is damaged: machine\.gpus is None"),
    ],
)
def test_what_is_not_a_report_is_refused(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    file = tmp_path / "run.json"
    report().save(file)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(NotAReport, match=complaint):
        load(file)


def nodes(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a JSON; of a list to its first alone."""
    yield path
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:1] if isinstance(value, list) else [])
    )
    for name, item in inner:
        yield from nodes(item, (*path, name))


@pytest.mark.parametrize("wrong", [None, 3, "x", [], {}, [1], {"a": 1}, True])
def test_whatever_is_wrong_in_it_is_refused_or_shown(tmp_path: Path, wrong: object) -> None:
    file, whole = tmp_path / "run.json", tmp_path / "whole.json"
    report().save(whole)
    right = json.loads(whole.read_text())
    for path in list(nodes(right))[1:]:
        data = copy.deepcopy(right)
        *above, last = path
        inner = data
        for name in above:
            inner = inner[name]
        inner[last] = wrong
        file.write_text(json.dumps(data))
        try:
            read = load(file)
        except NotAReport:
            continue
        print_report(Console(quiet=True), read)
        one_line(read.machine)
        compare(read, load(whole))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "1" * 5000, "\ufeff{}"])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(NotAReport, match="is not JSON"):
        load(tmp_path / "run.json")


def test_a_measured_row_without_numbers_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    report().save(file)
    data = json.loads(file.read_text())
    data["suites"][0]["cases"][0]["rows"][0]["summary"] = None
    file.write_text(json.dumps(data))
    with pytest.raises(NotAReport, match="row 'C loop' is measured and has summary None"):
        load(file)


def test_a_run_compared_with_itself_has_no_change() -> None:
    comparison = compare(report(), report())
    assert not [change for change in comparison.changes if change.is_beyond_spread]
    assert (comparison.only_before, comparison.only_after, comparison.machine) == (0, 0, [])


@pytest.mark.parametrize(("scale", "changed"), [(1.15, 0), (1.5, 7), (0.5, 7)])
def test_a_change_counts_when_it_is_beyond_the_spread(scale: float, changed: int) -> None:
    comparison = compare(report(), report(scale))
    beyond = [change for change in comparison.changes if change.is_beyond_spread]
    assert {change.path for change in beyond} == ({"bound launch"} if changed else set())
    assert len(beyond) == changed
    assert all(change.ratio == pytest.approx(scale) for change in beyond)


def test_what_only_one_run_has_is_counted_and_another_machine_is_named() -> None:
    one, two = report(), report()
    del two.suites[0]
    two.machine["cpu"] = "another"
    comparison = compare(one, two)
    assert (comparison.only_before, comparison.only_after) == (2, 0)
    assert len(comparison.machine) == 1
    console = Console(record=True, width=160)
    print_comparison(console, compare(one, report(2.0)))
    text = console.export_text()
    assert "2.00x, slower" in text
    assert "7 changed beyond the spread, 19 did not" in text


def test_the_tables_hold_ratios_absent_peers_and_verdicts() -> None:
    console = Console(record=True, width=160)
    print_report(console, report(1.5))
    text = console.export_text()
    for wanted in (
        "1.88x",  # bound launch over the C loop
        "not measured (absent): there is no GPU",
        "other peer: absent, it is not installed",
        "missed",
        "element f16, layout NHD, heads 8, head_dim 128",
    ):
        assert wanted in text
    assert text.count("other peer: absent") == 1


def shown(gpu: str) -> str:
    console = Console(record=True, width=160)
    print_report(console, report(1.5, gpu))
    return console.export_text()


def test_targets_of_another_gpu_are_information() -> None:
    text = shown("NVIDIA GeForce RTX 4090")
    assert "for information" in text
    assert "beyond" in text
    assert "missed" not in text
    assert "met" not in text.split()


def test_without_a_gpu_no_targets_are_shown() -> None:
    text = shown("")
    assert "C loop" in text
    assert not {"target", "missed", "met", "beyond", "within"} & set(text.split())


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (12345.6, "12346")]
)
def test_numbers_have_no_exponent(value: float, text: str) -> None:
    assert number(value) == text


def test_plots_are_made_in_both_formats(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the bench extra is not installed")
    written = save_plots(report(), tmp_path / "plots")
    assert sorted(path.name for path in written) == ["host.png", "host.svg", "launch.png", "launch.svg"]
    for path in written:
        content = path.read_bytes()
        assert len(content) > 5000
        assert content.startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml")
    text = (tmp_path / "plots" / "host.svg").read_text()
    for label in ("nothing", "copy", "bound launch", "peer", "layout NHD"):
        assert f">{label}<" in text or label in text
    assert "other peer" not in text


def test_plots_without_matplotlib_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absent, "find_spec", lambda name: None)
    with pytest.raises(absent.Absent, match="matplotlib is not installed"):
        save_plots(report(), tmp_path)


def test_points_of_an_axis_have_names_that_lie_apart() -> None:
    assert apart([1, 4, 256, 512, 1024], 3) == ["1", "4", "256", "", "1024"]
    assert apart([512, 1024, 2048], 3) == ["512", "", "2048"]
    assert apart([], 3) == []


def test_labels_keep_apart_in_order_and_inside() -> None:
    low, high, gap = 0.1, 1000.0, 0.05
    values = [950.0, 990.0, 999.0, 500.0, 0.11, 0.12, 5.0]
    heights = spread(values, low, high, gap)
    places = sorted(math.log(height / low) / math.log(high / low) for height in heights)
    assert all(below + gap <= above + 1e-9 for below, above in pairwise(places))
    assert places[0] >= -1e-9
    assert places[-1] <= 1 + 1e-9
    assert sorted(range(7), key=lambda i: values[i]) == sorted(range(7), key=lambda i: heights[i])
    assert heights[6] == pytest.approx(5.0)
