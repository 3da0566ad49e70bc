"""The suites' quantising appends write what the reference says, and one that does not is found out."""

from __future__ import annotations

from typing import Any

import fake_gpu
import numpy as np
import pytest
from bench_reports import measured

from baracuda_ffi._model.enums import ElementKind, Transform
from baracuda_ffi._reference import formats
from baracuda_ffi.benchmarks.operands import torch_operands, torch_quantised
from baracuda_ffi.benchmarks.operands.numpy_operands import check_quantised, host_operands, quantised
from baracuda_ffi.benchmarks.operands.problem import Problem
from baracuda_ffi.benchmarks.peers import flashinfer_python, indexing, vllm
from baracuda_ffi.benchmarks.report.results import MEASURED, OURS, Case
from baracuda_ffi.benchmarks.running.paths import Call
from baracuda_ffi.benchmarks.settings import ELEMENTS, Settings
from baracuda_ffi.benchmarks.suites import host, kernel
from baracuda_ffi.benchmarks.suites.host import paths
from baracuda_ffi.benchmarks.suites.host import quantised as of_transforms
from baracuda_ffi.benchmarks.suites.kernel import quantised as kernel_quantised


@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("element", ["f16", "f32"])
def test_every_path_writes_what_the_reference_says(layout: str, element: str) -> None:
    """Each is checked where it is built."""
    pytest.importorskip("ml_dtypes")
    operands = host_operands(Problem(5, element=element, layout=layout), seed=2)
    for candidate in of_transforms.candidates(operands):
        candidate.build()


@pytest.mark.parametrize("transform", [Transform.FP8, Transform.PER_TOKEN_HEAD])
def test_a_path_that_writes_less_is_found_out(transform: Transform) -> None:
    operands = quantised(host_operands(Problem(3), seed=1), transform)
    with pytest.raises(RuntimeError, match="key rows"):
        check_quantised(operands, Call("pass", {}))


def test_numpys_path_saturates() -> None:
    pytest.importorskip("ml_dtypes")
    operands = quantised(host_operands(Problem(3), seed=1), Transform.FP8)
    operands.arrays["key"][0, 0, :2] = 60000, -60000
    call = indexing.to_fp8_by_index("HND", operands.arrays, operands.pages, operands.slots)
    check_quantised(operands, call)
    written = operands.arrays["k_data"][operands.pages[0], 0, operands.slots[0], :2]
    assert np.array_equal(written, [0x7E, 0xFE])


def test_the_case_and_its_targets() -> None:
    pytest.importorskip("ml_dtypes")
    operands = host_operands(Problem(8192, heads=1, head_dim=64), seed=0)
    parameters: dict[str, str | int] = {"batch": 8192, "layout": "HND"}
    case = host.case_of(parameters, of_transforms.candidates(operands), Settings(quick=True))
    assert [row.path for row in case.rows] == [
        paths.GUARDED,
        of_transforms.FP8,
        of_transforms.PER_TOKEN_HEAD,
        of_transforms.CALL_FP8,
        of_transforms.CALL_PER_TOKEN_HEAD,
        indexing.NUMPY_FP8,
    ]
    assert {row.status for row in case.rows} == {MEASURED}
    assert all(target.value is not None for target in of_transforms.targets([case]))


def _on_the_host(torch: Any, problem: Problem) -> Any:
    return torch_operands.operand_sets(torch, problem, "cpu", 1, "decode")


@pytest.mark.parametrize("way", kernel_quantised.WAYS)
@pytest.mark.parametrize("layout", ["HND", "NHD"])
@pytest.mark.parametrize("element", ["f16", "f32"])
def test_the_kernel_suites_paths_write_what_the_reference_says(way: str, layout: str, element: str) -> None:
    """Each is checked where it is built."""
    torch = pytest.importorskip("torch")
    sets = _on_the_host(torch, Problem(70, heads=2, element=element, layout=layout))
    ours: Any = [
        candidate
        for candidate in kernel_quantised.candidates(sets, None, False, way, 3)  # type: ignore[arg-type]
        if candidate.role == OURS
    ]
    assert len(ours) == 1 + len(torch_quantised.FORMATS)
    for candidate in ours:
        candidate.build()


@pytest.mark.parametrize("form", torch_quantised.FORMATS, ids=lambda form: form.name.replace(" ", "-"))
def test_a_path_that_writes_less_on_a_gpu_is_found_out(form: torch_quantised.Format) -> None:
    torch = pytest.importorskip("torch")
    placed = torch_operands.elsewhere(_on_the_host(torch, Problem(70, heads=2)), "slots", 3)
    (operands,) = torch_quantised.in_format(placed, form)
    with pytest.raises(RuntimeError, match="k_data"):
        torch_quantised.check_writes(operands, Call("pass", {}))
    written = [operands.k_data, operands.v_data, operands.scales.get("v_scales")]

    def spoil(last: Any) -> None:
        (right,) = kernel_quantised._launches(None, placed, form)  # type: ignore[arg-type]
        right.names["launch"].rebind(
            **{name: array for name, array in operands.seven().items() if array is not None}
        )
        right.once()
        last.view(torch.uint8)[operands.pages[-1]] = 0

    for last in written:
        if last is not None:
            with pytest.raises(RuntimeError, match="_"):
                torch_quantised.check_writes(operands, Call("spoil(last)", {"spoil": spoil, "last": last}))


def test_a_path_that_is_nearly_right_is_taken_for_one_only_where_that_is_said() -> None:
    torch = pytest.importorskip("torch")
    placed = torch_operands.elsewhere(_on_the_host(torch, Problem(70, heads=2)), "slots", 3)
    (operands,) = torch_quantised.in_format(placed, torch_quantised.INT8_BY_ROW)
    (right,) = kernel_quantised._launches(None, placed, torch_quantised.INT8_BY_ROW)  # type: ignore[arg-type]
    right.names["launch"].rebind(**operands.seven())

    def off_by(steps: int) -> Call:
        def append() -> None:
            right.once()
            cache = operands.k_data
            cache[cache < 100] += steps

        return Call("append()", {"append": append})

    torch_quantised.check_writes(operands, off_by(1), exact=False)
    for call, exact in ((off_by(1), True), (off_by(2), False)):
        with pytest.raises(RuntimeError, match="k_data"):
            torch_quantised.check_writes(operands, call, exact=exact)


def test_rows_of_fp8_ds_mla_may_be_by_another_scale_where_that_is_said() -> None:
    """Such as vLLM 0.26's, which is no power of two."""
    torch = pytest.importorskip("torch")
    placed = torch_operands.elsewhere(_on_the_host(torch, Problem(70, heads=2)), "slots", 3)
    (operands,) = torch_quantised.in_format(placed, torch_quantised.DS_MLA)
    tiles = operands.key.float().reshape(-1, formats.RANK // formats.TILE, formats.TILE)
    scales = tiles.abs().amax(-1) / 448
    codes = formats.to_fp8((tiles / scales[..., None]).numpy(), ElementKind.FP8_E4M3).reshape(len(tiles), -1)

    def append(scale: float) -> None:
        held = (scales * scale).numpy().view(np.uint8).reshape(len(tiles), -1)
        rows = np.concatenate([codes, held, operands.value.view(torch.uint8).numpy()], axis=-1)
        operands.k_data[operands.pages, operands.slots] = torch.from_numpy(rows)

    call = Call("append(scale)", {"append": append, "scale": 1.0})
    torch_quantised.check_writes(operands, call, exact=False)
    for wrong, exact in ((call, True), (Call("append(scale)", {"append": append, "scale": 2.0}), False)):
        with pytest.raises(RuntimeError, match="k_data"):
            torch_quantised.check_writes(operands, wrong, exact=exact)


@pytest.mark.parametrize("element", ELEMENTS)
def test_the_kernel_suite_measures_every_format(element: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu.install(monkeypatch)
    monkeypatch.setattr(kernel, "_BATCHES", (3,))
    result = kernel.run(Settings(quick=True, element=element))
    assert {case.parameters["element"] for case in result.cases} == {element}
    (case,) = [case for case in result.cases if case.parameters.get("operands") == "quantised"]
    assert case.parameters["places"] == "slots"
    rows = {row.path: row.status for row in case.rows}
    assert all(rows[form.name] == MEASURED for form in torch_quantised.FORMATS)
    assert {vllm.FP8, vllm.E4M3_BY_ROW, vllm.DS_MLA, flashinfer_python.NVFP4} < set(rows)


@pytest.mark.parametrize(("value", "met"), [(1.1, True), (4.0, False)])
def test_the_targets_of_formats(value: float, met: bool) -> None:
    """At 16384 rows a copy takes twice as long as at the others."""
    names = [form.name for form in torch_quantised.FORMATS]
    peers = {vllm.FP8: 2.0, vllm.E4M3_BY_ROW: 2.0, vllm.INT8_BY_ROW: 2.0}
    peers |= {vllm.DS_MLA: 1.2, flashinfer_python.NVFP4: 1.2}
    cases = []
    for batch in (64, 1024, 4096, 16384):
        times = {
            kernel_quantised.COPY: 2.0 if batch == 16384 else 1.0,
            **peers,
            **dict.fromkeys(names, value),
        }
        times[torch_quantised.FP8.name] = value if value < 2 else 2.5
        rows = [measured(name, OURS, time) for name, time in times.items()]
        cases.append(Case({"batch": batch, "head_dim": 128, "layout": "HND"}, "us", rows))
    judged = kernel_quantised.targets(cases)
    assert len(judged) == 13
    assert all(target.met is met for target in judged), [target for target in judged if target.met is not met]
