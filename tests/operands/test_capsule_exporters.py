"""Arrays of frameworks that describe themselves by capsules alone, by stand-ins named as they are: what is
asked of them, and what becomes of the capsule."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

import baracuda_ffi as bf
from support.calls.exporters import LegacyExporter
from support.calls.operands import make_args
from support.problems.problem import SMALL, Problem, assert_appended

ASKED: list[dict[str, Any]] = []


def stand_in(module: str, name: str) -> type:
    """A type of objects that export memory as LegacyExporter does, and tell what they were asked."""

    class Array(LegacyExporter):
        def __dlpack__(self, **asked: Any) -> object:
            ASKED.append(asked)
            return self._capsule()

    Array.__module__, Array.__name__ = module, name
    return Array


def of_cupy(monkeypatch: pytest.MonkeyPatch) -> type:
    cupy = ModuleType("cupy")
    cupy.ndarray = kind = stand_in("cupy", "ndarray")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return kind


def of_jaxlib(monkeypatch: pytest.MonkeyPatch) -> type:
    jaxlib = ModuleType("jaxlib._jax")
    kind = stand_in("jaxlib._jax", "ArrayImpl")

    def buffer_to_dlpack_managed_tensor(buffer: Any, stream: int | None = None) -> object:
        return buffer.__dlpack__(jaxlib_was_asked=True, stream=stream)

    jaxlib.buffer_to_dlpack_managed_tensor = buffer_to_dlpack_managed_tensor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jaxlib._jax", jaxlib)
    return kind


# What a call asks of each operand once its type is known.
ASKED_OF = {of_cupy: {"stream": -1}, of_jaxlib: {"jaxlib_was_asked": True, "stream": None}}


@pytest.fixture(params=ASKED_OF, ids=lambda make: make.__name__)
def framework(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    return request.param, request.param(monkeypatch)


def test_a_call_asks_each_operand_once_and_not_to_synchronise(framework: Any) -> None:
    make, kind = framework
    problem = Problem()
    operands = {name: kind(array) for name, array in problem.arrays.items()}
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    bf.append_paged_kv(**operands, stream=None)
    before = problem.snapshot()
    for call in (
        lambda: bf.append_paged_kv(**operands, stream=None),
        lambda: plan.run(None, bf.Workspace.NONE, make_args(operands)),
    ):
        ASKED.clear()
        call()
        assert [ASKED_OF[make]] * len(operands) == ASKED
        assert_appended(problem, before)


def test_a_launch_holds_what_the_object_alone_does_not_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX reuses the memory of an array that it deletes, or that is donated, unless a capsule holds it."""
    kind = of_jaxlib(monkeypatch)
    problem = Problem()
    operands = {name: kind(array) for name, array in problem.arrays.items()}
    bf.append_paged_kv(**operands, stream=None)
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    before = [operand.alive for operand in operands.values()]
    launch = plan.bind(None, make_args(operands))
    assert [operand.alive - was for operand, was in zip(operands.values(), before, strict=True)] == [1] * 7
    del launch
    assert [operand.alive for operand in operands.values()] == before
