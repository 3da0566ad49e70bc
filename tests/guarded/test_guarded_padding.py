"""Batches that are padding, in whole or in part, as engines pad what a CUDA graph was captured for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.operands import CACHES, make_args
from support.damaged.guarded import INT32, GuardedProblem, run_and_check, select_guarded
from support.devices.backends import Backend
from support.devices.bits import assert_same_bits
from support.problems.cases import Case
from support.problems.elements import F16

CASE = Case(F16, "HND", "AFTER_APPEND", page_size=4, batch_size=5, num_heads=2, head_dim=40)
NOTHING = np.zeros(0, np.int32)


def int32(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(values, np.int32)


@pytest.mark.parametrize("everywhere", [0, 3, -4, INT32.max, INT32.min])
@pytest.mark.parametrize("indices", [NOTHING, int32(2, 1, 0)], ids=["no-indices", "indices"])
def test_a_batch_that_is_all_padding(
    backend: Backend, everywhere: int, indices: np.ndarray[tuple[int], np.dtype[np.int32]]
) -> None:
    """Lengths do not matter, nor what indptr says, as long as it says the same everywhere."""
    lengths = int32(0, 4, 99, INT32.min, INT32.max)
    problem = GuardedProblem(CASE, 3, indices, np.full(6, everywhere, np.int32), lengths)
    assert problem.corrupt == []
    run_and_check(backend, problem)


@pytest.mark.parametrize("indices", [NOTHING, int32(2, 1, 0)], ids=["no-indices", "indices"])
@pytest.mark.parametrize("first", [0, 7, -1])
def test_a_batch_of_nothing(
    backend: Backend, first: int, indices: np.ndarray[tuple[int], np.dtype[np.int32]]
) -> None:
    """Whatever the one entry of indptr says."""
    problem = GuardedProblem(dataclasses.replace(CASE, batch_size=0), 3, indices, int32(first), NOTHING)
    assert problem.corrupt == []
    run_and_check(backend, problem)


def test_no_indices_at_all(backend: Backend) -> None:
    """total_used_pages 0 and a NULL pointer, which is how some frameworks describe an empty array."""
    problem = GuardedProblem(CASE, 3, NOTHING, np.zeros(6, np.int32), np.ones(5, np.int32))
    operands = problem.put(backend)
    null = bf.TensorView(ptr=0, shape=(0,), element="i32", device=None if backend.name == "host" else 0)
    plan = select_guarded(backend, problem)
    plan.run(backend.stream, bf.Workspace.NONE, make_args(operands | {"indices": null}))
    plan.check(backend.stream)
    for name in CACHES:
        assert_same_bits(backend.get(operands[name]), problem.arrays[name], name)
    backend.check_guards()


def test_no_indices_and_a_table_that_says_otherwise(backend: Backend) -> None:
    problem = GuardedProblem(CASE, 3, NOTHING, int32(0, 0, 1, 1, 1, 1), np.ones(5, np.int32))
    assert [request for request, _, _ in problem.corrupt] == [1]
    run_and_check(backend, problem)


def test_padding_between_requests_that_are_served(backend: Backend) -> None:
    problem = GuardedProblem(CASE, 4, int32(3, 0, -1, 2), int32(0, 1, 1, 2, 3, 4), int32(1, 0, 4, 77, 2))
    assert problem.corrupt == []
    run_and_check(backend, problem)
