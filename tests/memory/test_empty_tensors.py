"""Tensors without elements: their strides mean nothing, and their memory may be anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi.tensors import as_view
from support.calls.exporters import LegacyExporter, VersionedExporter
from support.calls.operands import make_args
from support.problems.cases import Case
from support.problems.elements import F16
from support.problems.problem import Problem, assert_unchanged

CASE = Case(F16, "HND", "AFTER_APPEND", page_size=4, batch_size=3, num_heads=2, head_dim=64)

# NumPy gives fresh empty arrays strides of 0, and slices those of what they were cut from.
MAKERS: dict[str, Callable[[], Any]] = {
    "zeros": lambda: np.zeros(0, np.int32),
    "array": lambda: np.array([], np.int32),
    "concatenate": lambda: np.concatenate([np.zeros(0, np.int32)]),
    "slice": lambda: np.arange(4, dtype=np.int32)[:0],
    "a slice with a step": lambda: np.arange(4, dtype=np.int32)[4::2],
    "read-only": lambda: np.broadcast_to(np.int32(1), (0,)),
}
KINDS: dict[str, Callable[[Any], Any]] = {
    "NumPy": lambda array: array,
    "TensorView": as_view,
    "DLPack 0": LegacyExporter,
    "DLPack 1": VersionedExporter,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("maker", MAKERS)
def test_no_indices_however_they_were_made(maker: str, kind: str) -> None:
    problem = Problem(CASE)
    before = problem.snapshot()
    indptr = np.zeros(CASE.batch_size + 1, np.int32)
    operands = problem.arrays | {"indices": KINDS[kind](MAKERS[maker]()), "indptr": indptr}
    plan = bf.PagedKvAppendPlan.select(
        None, CASE.descriptor(problem.num_pages), bf.PlanPreference(guarded=True)
    )
    args = make_args(operands)
    plan.can_implement(args)
    plan.run(None, bf.Workspace.NONE, args)
    plan.bind(None, args)()
    plan.check(None)
    assert_unchanged(problem.arrays, before)
