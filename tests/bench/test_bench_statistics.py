"""Medians, spreads, and what is taken in alternation."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from baracuda_ffi.benchmarks.absent import Absent
from baracuda_ffi.benchmarks.report.results import ABSENT, FAILED, MEASURED, OURS, PEER, Case, Row
from baracuda_ffi.benchmarks.report.statistics import Summary, paired_ratio, quantile, summarise
from baracuda_ffi.benchmarks.running.paths import Candidate, Path, build_all
from baracuda_ffi.benchmarks.running.sampling import in_order, interleave


@pytest.mark.parametrize("count", [1, 2, 3, 10, 31])
def test_quantiles_are_numpys(count: int) -> None:
    samples = sorted(np.random.default_rng(count).random(count).tolist())
    for fraction in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert quantile(samples, fraction) == pytest.approx(np.quantile(samples, fraction))


def test_a_summary_does_not_depend_on_the_order_of_samples() -> None:
    assert summarise([3.0, 1.0, 2.0]) == summarise([1.0, 2.0, 3.0]) == Summary(2.0, 1.2, 2.8, 3)


def test_no_samples_have_no_summary() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarise([])


def test_a_ratio_is_of_samples_that_were_taken_together() -> None:
    """On a machine that doubles its speed in mid-run: twice as long, whatever the medians are."""
    speeds = [1.0, 1.0, 0.5, 0.5, 0.5, 1.0]
    below = [10.0 * speed for speed in speeds]
    assert paired_ratio([2 * sample for sample in below], below) == 2.0
    taken: list[str] = []
    fast, slow = _counting("fast", taken), _counting("slow", taken)
    rows = interleave([fast, slow], rounds=5, warmups=0)
    case = Case({"batch": 1}, "us", rows)
    pairs = zip(slow.samples, fast.samples, strict=True)
    assert case.ratio("slow", "fast") == pytest.approx(np.median([a / b for a, b in pairs]))
    assert case.ratio("slow", "nobody") is None
    medians_only = [Row(row.path, row.role, MEASURED, row.summary) for row in rows]
    assert rows[0].summary
    assert rows[1].summary
    expected = rows[1].summary.median / rows[0].summary.median
    assert Case({"batch": 1}, "us", medians_only).ratio("slow", "fast") == expected


@pytest.mark.parametrize(
    ("low", "high", "overlaps"), [(3.1, 4.0, False), (2.9, 4.0, True), (0.0, 0.9, False), (0.0, 9.0, True)]
)
def test_spreads_overlap(low: float, high: float, overlaps: bool) -> None:
    one, two = Summary(2.0, 1.0, 3.0, 9), Summary((low + high) / 2, low, high, 9)
    assert one.overlaps(two) is two.overlaps(one) is overlaps


def _counting(name: str, taken: list[str]) -> Path:
    def sample() -> float:
        taken.append(name)
        return float(len(taken))

    return Path(name, PEER, sample)


def test_each_round_takes_every_path_and_none_always_after_the_same_other() -> None:
    taken: list[str] = []
    rows = interleave([_counting(name, taken) for name in "abc"], rounds=30, warmups=0)
    rounds = [taken[at : at + 3] for at in range(0, 90, 3)]
    assert all(sorted(each) == list("abc") for each in rounds)
    assert {pair for each in rounds for pair in pairwise(each)} == set(permutations("abc", 2))
    assert [row.path for row in rows] == list("abc")
    assert all(row.summary and row.summary.samples == 30 for row in rows)


def test_the_orders_of_two_runs_are_the_same() -> None:
    runs: list[list[str]] = [[], []]
    for taken in runs:
        interleave([_counting(name, taken) for name in "abcd"], rounds=10, warmups=0)
    assert runs[0] == runs[1]


def test_warmups_are_taken_and_not_counted() -> None:
    taken: list[str] = []
    (row,) = interleave([_counting("a", taken)], rounds=4, warmups=2)
    assert len(taken) == 6
    assert row.summary == summarise([3.0, 4.0, 5.0, 6.0])


def test_a_budget_ends_the_rounds_but_not_before_the_least() -> None:
    taken: list[str] = []
    (row,) = interleave([_counting("a", taken)], rounds=1000, warmups=0, budget=0.0, least=5)
    assert row.summary
    assert row.summary.samples == 5


def test_a_path_that_raises_stops_no_other() -> None:
    def fail() -> float:
        raise RuntimeError("no\nway")

    good, bad = interleave([_counting("a", []), Path("b", PEER, fail)], rounds=3)
    assert good.status == MEASURED
    assert (bad.status, bad.summary, bad.why) == (FAILED, None, "RuntimeError: no way")


def test_candidates_that_do_not_work_become_rows_that_say_why() -> None:
    def absent() -> object:
        raise Absent("it is not installed")

    def broken() -> object:
        raise KeyError("x")

    candidates = [
        Candidate("a", PEER, absent),
        Candidate("b", OURS, lambda: 1.5),
        Candidate("c", PEER, broken),
    ]
    paths, rows = build_all(candidates, lambda c, value: Path(c.name, c.role, lambda: value))
    assert [path.name for path in paths] == ["b"]
    assert [(row.path, row.status, row.why) for row in rows] == [
        ("a", ABSENT, "it is not installed"),
        ("c", FAILED, "KeyError: 'x'"),
    ]
    measured = interleave(paths, rounds=2)
    assert [row.path for row in in_order(["a", "b", "c"], rows + measured)] == ["a", "b", "c"]
