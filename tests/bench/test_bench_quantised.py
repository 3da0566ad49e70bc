"""The host suite's quantising appends write what the reference says, and one that does not is found out."""

from __future__ import annotations

import numpy as np
import pytest

from baracuda_ffi._model.enums import Transform
from baracuda_ffi.benchmarks.operands.numpy_operands import check_quantised, host_operands, quantised
from baracuda_ffi.benchmarks.operands.problem import Problem
from baracuda_ffi.benchmarks.peers import indexing
from baracuda_ffi.benchmarks.report.results import MEASURED
from baracuda_ffi.benchmarks.running.paths import Call
from baracuda_ffi.benchmarks.settings import Settings
from baracuda_ffi.benchmarks.suites import host
from baracuda_ffi.benchmarks.suites.host import paths
from baracuda_ffi.benchmarks.suites.host import quantised as of_transforms


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
        indexing.NUMPY_FP8,
    ]
    assert {row.status for row in case.rows} == {MEASURED}
    assert all(target.value is not None for target in of_transforms.targets([case]))
