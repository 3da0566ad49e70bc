"""Slices, interleaved caches and the kinds of operands: that they are what they are called, and measured."""

from __future__ import annotations

import sys
from typing import Any

import fake_gpu
import pytest
from bench_reports import measured

from baracuda_ffi.benchmarks.absent import Absent
from baracuda_ffi.benchmarks.operands import kinds, numpy_operands, torch_operands
from baracuda_ffi.benchmarks.operands.addresses import address_of
from baracuda_ffi.benchmarks.operands.forms import FORMS, INTERLEAVED, PACKED, SLICES, SLICES_INTERLEAVED
from baracuda_ffi.benchmarks.operands.problem import Problem
from baracuda_ffi.benchmarks.ours import statements as ours
from baracuda_ffi.benchmarks.peers import flashinfer_python
from baracuda_ffi.benchmarks.report.results import MEASURED, OURS, Case
from baracuda_ffi.benchmarks.settings import Settings
from baracuda_ffi.benchmarks.suites import host, kernel, launch
from baracuda_ffi.benchmarks.suites.host import paths as host_paths
from baracuda_ffi.benchmarks.suites.kernel import paths as kernel_paths
from baracuda_ffi.benchmarks.suites.kernel import targets as kernel_targets

_BATCH, _HEADS, _HEAD_DIM, _PAGE_SIZE = 5, 2, 64, 16


def _problem(layout: str = "HND") -> Problem:
    return Problem(_BATCH, heads=_HEADS, head_dim=_HEAD_DIM, layout=layout)


@pytest.mark.parametrize("layout", ["HND", "NHD"])
def test_forms_have_the_strides_of_what_they_are_called(layout: str) -> None:
    torch = pytest.importorskip("torch")
    problem = _problem(layout)
    host_forms = numpy_operands.in_forms(numpy_operands.host_operands(problem, seed=1))
    sets = torch_operands.operand_sets(torch, problem, "cpu", 1, "warm")
    gpu_forms = {form: of[0] for form, of in torch_operands.in_forms(sets).items()}
    page = _HEADS * _PAGE_SIZE * _HEAD_DIM
    for form in FORMS:
        arrays: dict[str, Any] = host_forms[form].seven()
        tensors: dict[str, Any] = gpu_forms[form].seven()
        for name in ("key", "value"):
            token = (6 if form.slices else 1) * _HEADS * _HEAD_DIM
            assert tensors[name].stride() == (token, _HEAD_DIM, 1)
            assert arrays[name].strides == (2 * token, 2 * _HEAD_DIM, 2)
        for name in ("k_data", "v_data"):
            assert tensors[name].stride()[0] == (2 if form.interleaved else 1) * page
            assert arrays[name].strides[0] == 2 * tensors[name].stride()[0]
        rows, width = tensors["value"], _HEADS * _HEAD_DIM * 2
        assert (rows.data_ptr() - tensors["key"].data_ptr() == width) is form.slices
        assert (address_of(arrays["v_data"]) - address_of(arrays["k_data"]) == 2 * page) is form.interleaved
        assert (rows.view(torch.uint8) == gpu_forms[PACKED].value.view(torch.uint8)).all()
        assert (arrays["key"] == host_forms[PACKED].arrays["key"]).all()


@pytest.mark.parametrize("l2", ["decode", "rotate"])
def test_what_sets_share_they_share_in_each_form(l2: str) -> None:
    torch = pytest.importorskip("torch")
    sets = torch_operands.operand_sets(torch, _problem(), "cpu", 3, l2)
    for form, of_form in torch_operands.in_forms(sets).items():
        for name in ("key", "k_data"):
            packed = len({getattr(operands, name).data_ptr() for operands in sets})
            assert len({getattr(operands, name).data_ptr() for operands in of_form}) == packed, (form, name)


@pytest.mark.parametrize("layout", ["HND", "NHD"])
def test_the_host_suites_paths_write_what_they_should(layout: str) -> None:
    operands = numpy_operands.host_operands(_problem(layout), seed=2)
    names = []
    for candidate in host_paths.strided(operands):
        assert candidate.build().seconds(1) > 0  # checked as it is built
        names.append(candidate.name)
    assert {form.of(host_paths.GUARDED) for form in FORMS} < set(names)


def test_a_path_over_slices_that_writes_elsewhere_is_found_out() -> None:
    operands = numpy_operands.in_forms(numpy_operands.host_operands(_problem(), seed=3))[SLICES_INTERLEAVED]
    elsewhere = {**operands.arrays, "value": operands.arrays["key"]}
    call = ours.call(ours.ONE_LINER, operands.problem, [operands], None, guarded=True)
    numpy_operands.check_writes(operands, call)
    call = kernel_paths.Call(call.statement, {**call.names, **elsewhere})
    with pytest.raises(RuntimeError, match="did not write the value rows"):
        numpy_operands.check_writes(operands, call)


@pytest.mark.parametrize("kind", kinds.ON_HOST)
@pytest.mark.parametrize("path", [ours.RUN, ours.ONE_LINER])
def test_each_kind_of_operand_is_the_same_memory(kind: str, path: str) -> None:
    torch = pytest.importorskip("torch")
    problem = _problem()
    caches = torch_operands.caches(torch, problem, "cpu")
    operands = torch_operands.operand_set(torch, problem, "cpu", *caches, seed=4)
    try:
        of_kind = kinds.of_kind(kind, operands)
    except Absent as error:
        pytest.skip(str(error))
    torch_operands.check_writes(operands, ours.call(path, problem, [of_kind], None))


def test_numpy_operands_are_of_every_kind_that_is_here() -> None:
    operands = numpy_operands.host_operands(_problem(), seed=5)
    for kind in (kinds.NUMPY, kinds.TENSOR_VIEW):
        call = ours.call(ours.RUN, operands.problem, [kinds.of_kind(kind, operands)], None)
        numpy_operands.check_writes(operands, call)


def test_the_kernel_suite_measures_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu.install(monkeypatch)
    monkeypatch.setattr(kernel, "_BATCHES", (1, 5))
    result = kernel.run(Settings())
    assert result.status == MEASURED
    kinds = [case.parameters.get("operands") for case in result.cases]
    # Heads, batches; each packed, strided, of one request's prefill, and quantised by four ways.
    assert sorted(map(str, kinds)) == sorted(2 * 2 * ["None", "strided", "places", *4 * ["quantised"]])
    strided = [case for case in result.cases if case.parameters.get("operands") == "strided"]
    assert len(strided) == 4
    names = {form.of(path) for form in FORMS for path in (kernel_paths.GUARDED, flashinfer_python.NAME)}
    for case in strided:
        assert names < {row.path for row in case.rows}
        assert [row for row in case.rows if row.status != MEASURED] == []
    for case in result.cases:
        if "operands" not in case.parameters:
            measured_here = {row.path for row in case.rows if row.status == MEASURED}
            assert {kernel_paths.FLASHINFER, kernel_paths.GUARDED, flashinfer_python.NAME} <= measured_here
    judged = [target for target in result.targets if target.met is not None]
    assert {target.name for target in judged} >= {
        "slices of a fused QKV / packed",
        "interleaved caches / separate",
        "slices, interleaved / flashinfer-python",
        "slices, interleaved / flashinfer-python, batch 1 to 64",
    }
    assert "flashinfer-python" in result.notes


def test_sets_that_share_a_page_table_share_its_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu.install(monkeypatch)
    torch = pytest.importorskip("torch")
    flashinfer: Any = sys.modules["flashinfer"]
    for l2, conversions in (("decode", 1), ("rotate", 3)):
        sets = torch_operands.operand_sets(torch, _problem(), "cpu", 3, l2)
        flashinfer.conversions = 0
        for operands, call in zip(sets, flashinfer_python.appends(sets), strict=True):
            torch_operands.check_writes(operands, call)
        assert flashinfer.conversions == conversions


def test_beside_a_gpu_the_launch_suite_measures_kinds_on_both(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu.install(monkeypatch)
    monkeypatch.setattr(launch, "_LAUNCHES", 5)
    result = launch.run(Settings(quick=True))
    on_gpu, on_host = (case for case in result.cases if "operands" not in case.parameters)
    for case, here in ((on_gpu, kinds.ON_GPU), (on_host, kinds.ON_HOST)):
        rows = {row.path: row for row in case.rows}
        for path in (ours.RUN, ours.ONE_LINER):
            for kind in here:
                row = rows[ours.over(path, kind)]
                assert row.role == OURS
                if kind in (kinds.NUMPY, kinds.TENSOR_VIEW, kinds.TORCH):
                    assert row.status == MEASURED, row
    assert [case.parameters["device"] for case in (on_gpu, on_host)] == ["cuda", "host"]
    judged = {target.name for target in result.targets if target.met is not None}
    assert "append_paged_kv over TensorView / over NumPy arrays" in judged


def _case(batch: int, slices: float, theirs: float) -> Case:
    guarded, peer = kernel_paths.GUARDED, flashinfer_python.NAME
    return Case(
        {"element": "f16", "batch": batch, "heads": 8, "head_dim": 128, "operands": "strided"},
        "us a launch",
        [
            measured(guarded, OURS, 1.0),
            measured(SLICES.of(guarded), OURS, slices),
            measured(INTERLEAVED.of(guarded), OURS, slices),
            measured(SLICES_INTERLEAVED.of(guarded), OURS, slices),
            measured(SLICES_INTERLEAVED.of(peer), OURS, theirs),
        ],
    )


def test_the_targets_of_strided_operands() -> None:
    targets = {
        target.name: target.met
        for target in kernel_targets.targets([_case(64, 1.04, 1.2), _case(4096, 1.06, 1.04)])
    }
    assert targets["slices of a fused QKV / packed"] is False
    assert targets["interleaved caches / separate"] is False
    assert targets["slices, interleaved / flashinfer-python"] is True
    assert targets["slices, interleaved / flashinfer-python, batch 1 to 64"] is True
    slower = {target.name: target.met for target in kernel_targets.targets([_case(64, 1.0, 1.05)])}
    assert slower["slices, interleaved / flashinfer-python, batch 1 to 64"] is False


def test_slices_on_the_host_are_judged_where_they_fit_the_cache() -> None:
    guarded = host_paths.GUARDED
    cases = [
        Case(
            {"element": "f16", "layout": "HND", "batch": batch, "heads": 8, "head_dim": 128},
            "us a call",
            [measured(guarded, OURS, 1.0), measured(SLICES.of(guarded), OURS, ratio)],
        )
        for batch, ratio in ((64, 1.2), (65, 2.0))
    ]
    fits = 2 * Problem(64).bytes
    for l2, met in ((fits, True), (2 * fits, False)):
        (target,) = (t for t in host._targets(cases, l2) if t.name.startswith(f"{guarded}, slices"))
        assert target.met is met
