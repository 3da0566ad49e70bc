"""append_paged_kv's own refusals: what it infers from the operands must fit together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.operands import NAMES
from support.problem import Problem, assert_appended, assert_unchanged


def append(arrays: dict[str, Any], **options: Any) -> None:
    bf.append_paged_kv(*(arrays[name] for name in NAMES), **({"stream": None} | options))


def test_the_defaults_are_hnd_and_before_append() -> None:
    problem = Problem()
    before = problem.snapshot()
    append(problem.arrays)
    assert_appended(problem, before)


def test_operands_by_name() -> None:
    problem = Problem()
    before = problem.snapshot()
    bf.append_paged_kv(**problem.arrays, stream=None)
    assert_appended(problem, before)


def test_the_stream_must_be_said() -> None:
    problem = Problem()
    with pytest.raises(TypeError, match="stream"):
        bf.append_paged_kv(*problem.arrays.values())  # type: ignore[call-arg]


@pytest.mark.parametrize("stream", [True, False, "0", 1.5, object()])
def test_what_is_no_stream(stream: Any) -> None:
    problem = Problem()
    with pytest.raises(bf.InvalidProblem, match="stream"):
        append(problem.arrays, stream=stream)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("layout", "HND"),
        ("layout", 1),
        ("layout", None),
        ("length_convention", 1),
        ("length_convention", "AFTER"),
    ],
)
def test_options_of_the_wrong_kind(name: str, wrong: Any) -> None:
    problem = Problem()
    with pytest.raises(bf.InvalidProblem, match=name):
        append(problem.arrays, **{name: wrong})


def test_the_layout_decides_what_fits() -> None:
    """HND caches of 2 heads and 4 slots read as NHD have 4 heads: that contradicts key."""
    problem = Problem()
    before = problem.snapshot()
    with pytest.raises(bf.InvalidProblem, match="shape"):
        append(problem.arrays, layout=bf.KvLayout.NHD)
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("name", NAMES)
def test_an_operand_that_does_not_fit_the_others(name: str) -> None:
    problem = Problem()
    array = problem.arrays[name]
    for wrong in (array[None], array[:0], array.astype(np.float64), object()):
        with pytest.raises(bf.BaracudaError):
            append(problem.arrays | {name: wrong})


def test_elements_that_differ() -> None:
    problem = Problem()
    wrong = np.zeros(problem.arrays["value"].shape, np.float32)
    with pytest.raises(bf.Unsupported, match=r"value.*f32.*f16"):
        append(problem.arrays | {"value": wrong})


def test_a_head_dim_that_is_not_there() -> None:
    pages = np.zeros((4, 2, 4, 96), np.float16)
    table = {"indices": [0], "indptr": [0, 1], "last_page_len": [0]}
    arrays: dict[str, Any] = {name: np.array(values, np.int32) for name, values in table.items()}
    row = np.zeros((1, 2, 96), np.float16)
    with pytest.raises(bf.Unsupported, match="head_dim is 96"):
        append(arrays | {"key": row, "value": row, "k_data": pages, "v_data": pages.copy()})


def test_a_page_table_of_64_bits_is_refused_and_not_reinterpreted() -> None:
    problem = Problem()
    before = problem.snapshot()
    for name in ("indices", "indptr", "last_page_len"):
        wide = problem.arrays[name].astype(np.int64)
        with pytest.raises(bf.Unsupported, match=f"{name}.*int64.*int32"):
            append(problem.arrays | {name: wide})
    assert_unchanged(problem.arrays, before)
