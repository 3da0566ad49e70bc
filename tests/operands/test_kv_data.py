"""Both caches in one operand, `[pages, 2, ...]`: what it is to the package, and what it may not be."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from support.c_abi.tensors import as_view
from support.calls.exporters import LegacyExporter, VersionedExporter
from support.calls.operands import CACHES, INPUTS
from support.devices.bits import Array, assert_same_bits
from support.problems.cases import CONVENTIONS, LAYOUTS, Case
from support.problems.elements import BF16, ELEMENTS, F16, Element
from support.problems.problem import Problem

KINDS: dict[str, Callable[[Array], Any]] = {
    "NumPy": lambda array: array,
    "TensorView": as_view,
    "DLPack 0": LegacyExporter,
    "DLPack 1": VersionedExporter,
}


class Paired:
    """A problem whose caches lie page by page in one array."""

    def __init__(self, case: Case, seed: int = 0) -> None:
        self.problem = Problem(case, seed=seed)
        self.inputs = {name: self.problem.arrays[name] for name in INPUTS}
        self.whole = np.stack([self.problem.arrays[name] for name in CACHES], axis=1)
        expected = self.problem.expected()
        self.expected = np.stack([expected[name] for name in CACHES], axis=1)
        self.before = self.whole.copy()

    def check(self) -> None:
        """Every byte; then they are as before."""
        assert_same_bits(self.whole, self.expected, "kv_data")
        self.whole[...] = self.before

    def plan(self) -> bf.PagedKvAppendPlan:
        return bf.PagedKvAppendPlan.select(
            None, self.problem.case.descriptor(len(self.whole)), bf.PlanPreference(guarded=True)
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_every_way_in(kind: str, element: Element) -> None:
    for layout in LAYOUTS:
        for convention in CONVENTIONS:
            pair = Paired(Case(element, layout, convention, 4, 3, 2, 40))
            how: dict[str, Any] = {"layout": layout, "length_convention": convention, "stream": None}
            kv_data = KINDS[kind](pair.whole)
            bf.append_paged_kv(**pair.inputs, kv_data=kv_data, **how)
            pair.check()
            args = bf.PagedKvAppendArgs(**pair.inputs, kv_data=kv_data)
            plan = pair.plan()
            plan.can_implement(args)
            plan.run(None, bf.Workspace.NONE, args)
            pair.check()
            other = Paired(pair.problem.case, seed=1)
            launch = plan.bind(None, bf.PagedKvAppendArgs(**other.inputs, kv_data=other.whole))
            launch()
            other.check()
            launch.rebind(**pair.inputs, kv_data=kv_data)
            launch()
            pair.check()


def test_the_arguments_name_it() -> None:
    pair = Paired(Case(F16, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    args = bf.PagedKvAppendArgs(**pair.inputs, kv_data=pair.whole)
    assert args.kv_data is pair.whole
    assert args.k_data is None
    assert args.v_data is None
    assert copy.copy(args).kv_data is pair.whole
    again = pickle.loads(pickle.dumps(args))
    assert_same_bits(again.kv_data, pair.whole, "kv_data")


def test_a_plan_with_baracuda_kernels_checks_takes_no_pair() -> None:
    """Each half has a page stride of two pages."""
    pair = Paired(Case(F16, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    plan = bf.PagedKvAppendPlan.select(None, pair.problem.case.descriptor(len(pair.whole)))
    with pytest.raises(bf.Unsupported, match=r"k_data of shape .* has strides .*: a guarded plan takes it"):
        plan.run(None, bf.Workspace.NONE, bf.PagedKvAppendArgs(**pair.inputs, kv_data=pair.whole))


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((), r"0 dimensions"),
        ((2, 2, 4), r"3 dimensions"),
        ((8, 1, 2, 4, 64), r"shape \(8, 1, 2, 4, 64\)"),
        ((2, 8, 2, 4, 64), r"shape \(2, 8, 2, 4, 64\)"),
        ((8, 2, 2, 2, 4, 64), r"6 dimensions"),
    ],
)
def test_what_is_no_pair(shape: tuple[int, ...], says: str) -> None:
    pair = Paired(Case(F16, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    wrong = np.zeros(shape, np.float16)
    for kind in KINDS.values():
        with pytest.raises(bf.InvalidProblem, match=rf"^kv_data, .*, has {says}; .*\[pages, 2, \.\.\.\]"):
            bf.append_paged_kv(**pair.inputs, kv_data=kind(wrong), stream=None)


def test_a_pair_that_is_read_only_or_describes_nothing() -> None:
    pair = Paired(Case(BF16, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    with pytest.raises(bf.InvalidProblem, match=r"^kv_data is 5; it should be"):
        bf.append_paged_kv(**pair.inputs, kv_data=5, stream=None)  # type: ignore[arg-type]
    pair.whole.flags.writeable = False
    with pytest.raises(bf.InvalidProblem, match=r"^kv_data, .*, is read-only"):
        bf.append_paged_kv(**pair.inputs, kv_data=pair.whole, stream=None)


@pytest.mark.parametrize("beside", ["k_data", "v_data", "no value"])
def test_what_does_not_go_with_a_pair(beside: str) -> None:
    pair = Paired(Case(F16, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    operands: dict[str, Any] = pair.inputs | {"kv_data": pair.whole}
    if beside == "no value":
        operands["value"] = None
    else:
        operands[beside] = pair.problem.arrays[beside]
    for call in (
        lambda: bf.PagedKvAppendArgs(**operands),
        lambda: bf.append_paged_kv(**operands, stream=None),
    ):
        with pytest.raises(bf.InvalidProblem, match=r"^kv_data is given and .*stands for k_data and v_data"):
            call()
    launch = pair.plan().bind(None, bf.PagedKvAppendArgs(**pair.inputs, kv_data=pair.whole))
    if beside != "no value":
        with pytest.raises(bf.InvalidProblem, match=r"^kv_data is given"):
            launch.rebind(kv_data=pair.whole, **{beside: operands[beside]})
    launch()
    pair.check()
