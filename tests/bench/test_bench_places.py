"""Rows that are said to go elsewhere, in every way: what is measured goes where it should."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import fake_gpu
import numpy as np
import pytest
from bench_reports import measured

from baracuda_ffi.benchmarks.operands import places, torch_operands
from baracuda_ffi.benchmarks.operands.numpy_operands import check_writes, elsewhere, host_operands
from baracuda_ffi.benchmarks.operands.places import DECODES, POSITIONS, PREFILLS, RAGGED, SLOTS, WAYS
from baracuda_ffi.benchmarks.operands.problem import Problem
from baracuda_ffi.benchmarks.ours import by_places
from baracuda_ffi.benchmarks.ours import statements as ours
from baracuda_ffi.benchmarks.peers import device_copy, flashinfer_python, indexing, vllm
from baracuda_ffi.benchmarks.report.results import MEASURED, OURS, Case
from baracuda_ffi.benchmarks.settings import Settings
from baracuda_ffi.benchmarks.suites import host, kernel, launch
from baracuda_ffi.benchmarks.suites.host import paths as host_paths
from baracuda_ffi.benchmarks.suites.kernel import places as kernel_places
from baracuda_ffi.benchmarks.suites.kernel import targets as kernel_targets
from baracuda_ffi.benchmarks.suites.launch import places as launch_places


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("rows", "requests"), [(1, 1), (7, 3), (64, 64), (130, 5), (100, 100)])
def test_no_two_rows_go_to_one_place(way: str, rows: int, requests: int) -> None:
    problem = Problem(rows)
    there = places.placed(problem, way, requests, seed=rows)
    slots = there.pages * problem.page_size + there.slots
    assert len(np.unique(slots)) == rows
    assert there.pages.min() >= 0
    assert there.pages.max() < problem.pages
    assert there.slots.max() < problem.page_size
    assert set(there.says) == set(places.set_of_way(way).names)
    again = places.placed(problem, DECODES[0] if way in DECODES else SLOTS, requests, seed=rows)
    assert np.array_equal(again.pages, there.pages)
    assert np.array_equal(again.slots, there.slots)


@pytest.mark.parametrize("path", [ours.BOUND, ours.RUN, ours.ONE_LINER])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_ours_writes_what_it_should(way: str, path: str) -> None:
    for layout in ("HND", "NHD"):
        problem = Problem(40, layout=layout)
        there = places.placed(problem, way, 3, seed=1)
        operands = elsewhere(host_operands(problem, seed=2), there)
        call = by_places.call(path, problem, way, there.requests, operands.seven(), None)
        check_writes(operands, call)
        moved = operands.slots
        operands.slots[:] = (moved + 1) % problem.page_size
        with pytest.raises(RuntimeError, match="did not write the key rows"):
            check_writes(operands, call)


@pytest.mark.parametrize("l2", ["decode", "rotate"])
def test_flashinfer_pythons_step_is_a_conversion_and_an_append(
    l2: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_gpu.install(monkeypatch)
    torch = pytest.importorskip("torch")
    flashinfer: Any = sys.modules["flashinfer"]
    sets = torch_operands.operand_sets(torch, Problem(40), "cpu", 3, l2)
    there = torch_operands.elsewhere(sets, RAGGED, 3)
    assert len({id(operands.indptr) for operands in there}) == len({id(operands.key) for operands in sets})
    for build, conversions in ((flashinfer_python.steps, 3), (flashinfer_python.appends, 0)):
        calls = build(there)
        flashinfer.conversions = 0
        for operands, call in zip(there, calls, strict=True):
            torch_operands.check_writes(operands, call)
        assert flashinfer.conversions == conversions


def test_the_kernel_suite_measures_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu.install(monkeypatch)
    monkeypatch.setattr(kernel, "_BATCHES", (1, 64))
    monkeypatch.setattr(kernel, "_REQUESTS", (1, 3, 100))
    result = kernel.run(Settings())
    assert result.status == MEASURED
    cases = [case for case in result.cases if case.parameters.get("operands") == "places"]
    assert [case.parameters["requests"] for case in cases] == [1, 1, 3] * 2  # one head and 8
    for case in cases:
        rows = {row.path: row.status for row in case.rows}
        for name in (*WAYS, flashinfer_python.NAME, flashinfer_python.STEP):
            assert rows[name] == MEASURED, name
        assert rows[kernel_places.FLASHINFERS_POSITIONS] != MEASURED  # it has no GPU
    judged = {target.name for target in result.targets if target.met is not None}
    assert f"{RAGGED} / flashinfer-python, 64 rows up" in judged


def test_the_launch_suite_measures_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu.install(monkeypatch)
    monkeypatch.setattr(launch, "_LAUNCHES", 5)
    result = launch.run(Settings(quick=True))
    cases = [case for case in result.cases if case.parameters.get("operands") == "places"]
    assert [case.parameters["device"] for case in cases] == ["cuda", "host"]
    for case in cases:
        rows = {row.path: row for row in case.rows}
        for path in (ours.RUN, ours.ONE_LINER):
            for way in WAYS:
                assert rows[ours.over(path, way)].status == MEASURED, rows[ours.over(path, way)]


def test_the_host_suite_prefills(monkeypatch: pytest.MonkeyPatch) -> None:
    operands = host_operands(Problem(40, layout="NHD"), seed=1)
    names = [candidate.name for candidate in host_paths.prefill(operands, 3)]
    for candidate in host_paths.prefill(operands, 3):
        if candidate.name == indexing.TORCH:
            pytest.importorskip("torch")
        candidate.build()  # which checks what it writes
    assert {host_paths.COPY, indexing.NUMPY, indexing.TORCH, host_paths.ONE_THREAD} < set(names)
    monkeypatch.setattr(host, "_BATCHES", (40,))
    cases = [case for case in host.run(Settings()).cases if case.parameters.get("operands") == "places"]
    assert [case.parameters["layout"] for case in cases] == ["NHD"]


def _case(rows: dict[str, float], **parameters: str | int) -> Case:
    base: dict[str, str | int] = {"element": "f16", "heads": 8, "head_dim": 128}
    return Case(base | parameters, "us", [measured(name, OURS, value) for name, value in rows.items()])


Judge = Callable[[float], list[Any]]


def _kernel(value: float) -> list[Any]:
    rows = {
        places.DECODE: 1.0,
        device_copy.NAME: 1.0,
        flashinfer_python.NAME: 1.0,
        flashinfer_python.STEP: 2.0,
    }
    rows |= {vllm.NAME: 1.4, places.DECODE_DENSE: value, SLOTS: value, RAGGED: value, POSITIONS: value}
    return kernel_targets.targets([_case(rows, batch=batch) for batch in (64, 512, 4096)])


def _launch(value: float) -> list[Any]:
    rows = {ours.over(path, way): value for path in (ours.RUN, ours.ONE_LINER) for way in WAYS[1:]}
    rows |= {ours.over(path, WAYS[0]): 1.0 for path in (ours.RUN, ours.ONE_LINER)}
    return launch_places.targets([_case(rows | {flashinfer_python.STEP: 10.0})])


def _host(value: float) -> list[Any]:
    rows = {ours.over(ours.BOUND, way): value for way in PREFILLS}
    rows |= {host_paths.COPY: 1.0, indexing.NUMPY: 1.0, indexing.TORCH: 1.0}
    return host._prefill_targets([_case(rows, batch=4096)])


@pytest.mark.parametrize(
    ("judge", "met", "missed"), [(_kernel, 0.8, 1.2), (_launch, 1.0, 1.2), (_host, 0.7, 1.1)]
)
def test_the_targets(judge: Judge, met: float, missed: float) -> None:
    judged = [target for target in judge(met) if target.met is not None]
    assert len(judged) >= 9
    assert all(target.met for target in judged)
    assert not any(target.met for target in judge(missed) if target.met is not None)
