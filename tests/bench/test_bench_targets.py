"""How targets are judged."""

from __future__ import annotations

import pytest
from bench_reports import measured

from baracuda_ffi.benchmarks.report.results import ABSENT, OURS, PEER, Case, Row
from baracuda_ffi.benchmarks.report.statistics import Summary
from baracuda_ffi.benchmarks.report.targets import at_least, at_most, at_most_above, same


def _case(batch: int, ours: float, peer: float) -> Case:
    parameters: dict[str, str | int] = {"batch": batch, "sets": 3}
    return Case(parameters, "us", [measured("ours", OURS, ours), measured("peer", PEER, peer)])


def test_the_worst_case_decides() -> None:
    cases = [_case(1, 1.0, 2.0), _case(64, 3.0, 2.0), _case(128, 1.0, 1.0)]
    target = at_most("t", cases, "ours", "peer", 1.25)
    assert (target.value, target.met, target.where) == (1.5, False, "batch 64")
    assert at_most("t", cases, "ours", "peer", 1.5).met
    assert at_most("t", cases, "ours", "peer", 1.0, lambda p: p["batch"] != 64).met


def test_at_least_is_judged_where_ours_is_slowest() -> None:
    cases = [_case(1, 1.0, 4.0), _case(64, 1.0, 1.6)]
    target = at_least("t", cases, "peer", "ours", 1.5)
    assert (target.value, target.met, target.where) == (1.6, True, "batch 64")
    assert at_least("t", cases, "peer", "ours", 1.7).met is False


def test_so_much_above_by_the_rounds() -> None:
    cases = [_case(1, 1.4, 1.0), _case(64, 5.2, 5.0)]
    target = at_most_above("t", cases, "ours", "peer", 0.5)
    assert target.value == pytest.approx(0.4)
    assert (target.met, target.where) == (True, "batch 1")
    assert at_most_above("t", cases, "ours", "peer", 0.3).met is False
    slow_and_fast = {"ours": [1.2, 9.0, 9.1], "peer": [1.0, 8.8, 8.9]}
    rows = [
        Row(name, OURS, "measured", Summary(samples[1], 0.1, 9.9, 3), by_round=samples)
        for name, samples in slow_and_fast.items()
    ]
    rounds = Case({"batch": 1}, "us", rows)
    assert at_most_above("t", [rounds], "ours", "peer", 0.3).value == pytest.approx(0.2)


def test_equal_within_noise_or_within_the_spread() -> None:
    assert same("t", [_case(1, 1.02, 1.0)], "ours", "peer", 0.03).met
    spread = same("t", [_case(1, 1.15, 1.0)], "ours", "peer", 0.03)  # 1.035 to 1.265, and 0.9 to 1.1
    assert spread.met
    assert spread.value == pytest.approx(1.15)
    # The case that is beyond its spread is told, also where another has the larger ratio.
    wide = Case({"batch": 2}, "us", [Row("ours", OURS, "measured", Summary(3.0, 0.1, 9.0, 5))])
    wide.rows.append(measured("peer", PEER, 1.0))
    missed = same("t", [wide, _case(1, 1.3, 1.0)], "ours", "peer", 0.03)
    assert (missed.met, missed.where) == (False, "batch 1")


def test_what_was_not_measured_is_not_judged_and_says_why() -> None:
    case = _case(1, 1.0, 1.0)
    case.rows[1] = Row("peer", PEER, ABSENT, why="it is not installed")
    for target in (
        at_most("t", [case], "ours", "peer", 1.0),
        at_most_above("t", [case], "ours", "peer", 1.0),
        at_least("t", [case], "peer", "ours", 1.0),
        same("t", [case], "ours", "peer", 0.1),
    ):
        assert target.met is None
        assert target.why == "peer: absent, it is not installed"
    assert at_most("t", [case], "ours", "nobody", 1.0).why == "nobody is not part of this run"
    other = at_most("t", [_case(1, 1.0, 1.0)], "ours", "peer", 1.0, lambda p: False)
    assert other.why == "no case of this run is one that it is about"
