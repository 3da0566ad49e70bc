"""The suite of copies of pages, as far as it goes without a GPU."""

from __future__ import annotations

from typing import Any

import pytest
from fake_gpu import FakeReplay, FakeTorch

from baracuda_ffi.benchmarks.absent import Absent
from baracuda_ffi.benchmarks.operands import pages
from baracuda_ffi.benchmarks.operands.pages import MOVEMENTS, PageProblem, numpy_operands, torch_operands
from baracuda_ffi.benchmarks.ours import pages as ours
from baracuda_ffi.benchmarks.peers import page_copies
from baracuda_ffi.benchmarks.report.results import MEASURED
from baracuda_ffi.benchmarks.running import replay
from baracuda_ffi.benchmarks.running.paths import Call
from baracuda_ffi.benchmarks.settings import Settings
from baracuda_ffi.benchmarks.suites import run_suite
from baracuda_ffi.benchmarks.suites.pages import device, host


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pages,):
        monkeypatch.setattr(module, "PAGE", (2, 4, 8))
        monkeypatch.setattr(module, "PAGE_BYTES", 2 * 4 * 8 * 2)


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_every_way_copies_what_it_should(movement: str) -> None:
    operands = numpy_operands(PageProblem(movement, 5))
    for build in (lambda o: ours.call(o, None), page_copies.by_index):
        operands.check(build(operands))
    with pytest.raises(RuntimeError, match="page 0 is not what it should be"):
        operands.check(Call("pass", {}))
    assert page_copies.one_numpy_copy(operands.problem).names["source"].nbytes == operands.problem.bytes


@pytest.mark.parametrize("movement", MOVEMENTS)
def test_every_way_through_torch(movement: str) -> None:
    torch = pytest.importorskip("torch")
    sets = torch_operands(torch, PageProblem(movement, 3), "cpu", 4, pinned=False)
    assert sorted([*sets[0].lists[0], *sets[0].lists[1]]) == list(range(2 * 3))
    caches = {cache.data_ptr() for operands in sets for cache in (operands.k_data, operands.v_data)}
    assert (len(caches), len({operands.source.data_ptr() for operands in sets})) == (2 * 4, 1)
    for operands in (sets[0], sets[-1]):
        for build in (lambda o: ours.call(o, None), page_copies.by_index, page_copies.each_page):
            operands.check(build(operands))
    copied = page_copies.one_copy(torch, sets[0].problem, "cpu", pinned=False)
    copied.once()
    assert bool((copied.names["source"] == copied.names["target"]).all())
    assert copied.names["target"].nbytes == sets[0].problem.bytes
    many = PageProblem(movement, 1000)
    with pytest.raises(Absent, match="2000 copies a call"):
        page_copies.each_page(torch_operands(torch, many, "cpu", 1, pinned=False)[0])


def test_the_suite_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_gpu() -> Any:
        raise Absent("there is no GPU in this test")

    monkeypatch.setattr(device, "torch_with_gpu", no_gpu)
    result = run_suite("pages", Settings(quick=True))
    assert result.status == MEASURED, result.why
    assert result.notes["device"] == "not measured: there is no GPU in this test"
    assert {case.parameters["memory"] for case in result.cases} == {host.HOST}
    assert {case.swept for case in result.cases} == {"pages"}
    assert [row for case in result.cases for row in case.rows if row.status != MEASURED] == []


def test_the_suite_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """All paths are made and checked; the times are the host's and mean nothing."""
    torch = pytest.importorskip("torch")
    fake = FakeTorch(torch)
    one_copy = page_copies.one_copy
    monkeypatch.setattr(device, "torch_with_gpu", lambda: fake)
    monkeypatch.setattr(
        device,
        "torch_operands",
        lambda _, problem, __, count, pinned: torch_operands(
            torch, problem, "cpu", min(count, 3), pinned=False
        ),
    )
    monkeypatch.setattr(
        page_copies, "one_copy", lambda _, problem, __, pinned: one_copy(torch, problem, "cpu", pinned=False)
    )
    monkeypatch.setattr(replay, "Replay", FakeReplay)
    result = run_suite("pages", Settings(quick=True))
    assert result.status == MEASURED, result.why
    found = {(case.parameters["movement"], case.parameters["memory"]) for case in result.cases}
    assert found == {(m, k) for m in MOVEMENTS for k in (device.DEVICE, host.HOST)} | {
        (m, device.PINNED) for m in ("gather", "scatter")
    }
    for case in result.cases:
        if case.parameters["memory"] == device.DEVICE:
            measured = {row.path for row in case.rows if row.status == MEASURED}
            name = ours.NAME[str(case.parameters["movement"])]
            assert measured >= {page_copies.ONE_COPY, name, page_copies.EACH, page_copies.TORCH}
    assert [target.name for target in result.targets if target.met is None] == []
