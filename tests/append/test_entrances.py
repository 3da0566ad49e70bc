"""The ways in to one append: `run`, `bind` and `rebind`, the one-liner. All give what the oracle gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import baracuda_ffi as bf
from support.calls.operands import (
    CACHES,
    INPUTS,
    NAMES,
    TABLE,
    check_caches,
    check_inputs_unchanged,
    make_args,
    put_caches,
    put_step,
    select,
)
from support.devices.backends import Backend
from support.devices.bits import assert_same_bits
from support.problems.cases import Case
from support.problems.conversation import Conversation
from support.problems.elements import BF16, F16, F32, FP8_E4M3
from support.problems.problem import Problem, expected_caches
from support.views.real_append import ENTRANCES, GUARDED, UNGUARDED, RealCase, append_and_check, make

CASES = [
    Case(F16, "HND", "BEFORE_APPEND", 3, 5, 2, 128),
    Case(BF16, "NHD", "BEFORE_APPEND", 7, 4, 3, 64),
    Case(F32, "HND", "AFTER_APPEND", 1, 4, 1, 256),
    Case(FP8_E4M3, "NHD", "AFTER_APPEND", 3, 7, 2, 128),
]

# Rows and caches at odd strides, and what baracuda-kernels' checks let pass.
ODD = RealCase(
    rows="odd-tokens",
    caches="side-by-side",
    element=BF16,
    widths=(80, 48),
    heads=3,
    page_size=5,
    layout="NHD",
    convention="AFTER_APPEND",
    wide=("indptr",),
    table="padded",
    entrance="",
)
PLAIN = replace(ODD, rows="packed", caches="packed", widths=(64, 64), wide=(), table="right")


@pytest.mark.parametrize("form", ["array", "pointer"])
@pytest.mark.parametrize(
    ("case", "entrance"),
    [
        *((ODD, entrance) for entrance in (*UNGUARDED, *GUARDED)),
        *((PLAIN, entrance) for entrance in ENTRANCES),
    ],
    ids=lambda value: value if isinstance(value, str) else value.rows,
)
def test_every_entrance_to_one_problem(backend: Backend, case: RealCase, entrance: str, form: str) -> None:
    """One seed, and so the same bytes: the oracle's."""
    append_and_check(backend, make(replace(case, entrance=entrance, form=form), seed=7))


@pytest.mark.parametrize("rows", ["odd-tokens", "packed"])
def test_an_entrance_that_is_not_guarded_says_what_takes_the_tensors(backend: Backend, rows: str) -> None:
    """A plan held to baracuda-kernels' checks refuses views, and names the choices that take them."""
    case = replace(PLAIN, rows=rows, caches="interleaved", entrance="unguarded run")
    what = "k_data" if rows == "packed" else "key"
    with pytest.raises(bf.Unsupported, match=rf"{what} .*a guarded plan takes it .*append_paged_kv"):
        append_and_check(backend, make(case, seed=7))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_liner(backend: Backend, case: Case) -> None:
    talk = Conversation(case, rounds=4)
    caches = put_caches(backend, talk)
    for step in talk.steps():
        operands = put_step(backend, step) | caches
        bf.append_paged_kv(
            *(operands[name] for name in NAMES),
            stream=backend.stream,
            layout=case.kv_layout,
            length_convention=case.length_convention,
        )
        check_caches(backend, operands, talk)
        check_inputs_unchanged(backend, operands, step)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rebind_everything_but_the_caches(backend: Backend, case: Case) -> None:
    talk = Conversation(case, rounds=4)
    caches = put_caches(backend, talk)
    plan = select(backend, talk.descriptor)
    launch = None
    for step in talk.steps():
        inputs = put_step(backend, step)
        if launch is None:
            launch = plan.bind(backend.stream, make_args(inputs | caches))
        else:
            launch.rebind(**inputs)
        launch()
        check_caches(backend, inputs | caches, talk)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_bound_launch_over_operands_that_change(backend: Backend, case: Case) -> None:
    """The decode loop: the operands stay where they are, their content is new each round."""
    talk = Conversation(case, rounds=4)
    operands = put_caches(backend, talk)
    plan = select(backend, talk.descriptor)
    launch = None
    for step in talk.steps():
        # Room for every page id that any round needs, so that the page table need not move.
        step.indices = np.concatenate([step.indices, np.zeros(talk.num_pages - len(step.indices), np.int32)])
        if launch is None:
            operands |= put_step(backend, step)
            launch = plan.bind(backend.stream, make_args(operands))
        for name in INPUTS:
            backend.overwrite(operands[name], getattr(step, name))
        launch()
        check_caches(backend, operands, talk)
        check_inputs_unchanged(backend, operands, step)


def test_a_launch_that_is_repeated_writes_the_same_slot(backend: Backend) -> None:
    case = CASES[0]
    talk = Conversation(case, rounds=1)
    caches = put_caches(backend, talk)
    plan = select(backend, talk.descriptor)
    for step in talk.steps():
        operands = put_step(backend, step) | caches
        launch = plan.bind(backend.stream, make_args(operands))
        for _ in range(3):
            launch()
        check_caches(backend, operands, talk)


@pytest.mark.parametrize("names", [("key",), ("key", "value"), TABLE, CACHES, NAMES], ids="+".join)
def test_rebind_some_operands(backend: Backend, names: tuple[str, ...]) -> None:
    """What rebind names is replaced; what it does not name stays."""
    one, other = Problem(seed=1), Problem(seed=2)
    mixed = one.arrays | {name: other.arrays[name] for name in names}
    bound = {name: backend.put(array) for name, array in one.arrays.items()}
    fresh = {name: backend.put(other.arrays[name]) for name in names}
    plan = select(backend, one.case.descriptor(one.num_pages))
    launch = plan.bind(backend.stream, make_args(bound))
    launch.rebind(**fresh)
    launch()
    expected = mixed | expected_caches(one.case, mixed)
    for name, operand in (bound | fresh).items():
        assert_same_bits(backend.get(operand), expected[name], name)
    for name in names:  # what was replaced is left alone
        assert_same_bits(backend.get(bound[name]), one.arrays[name], f"replaced {name}")


def test_key_alone(backend: Backend) -> None:
    """A part that is absent when a launch is bound stays absent."""
    one, other = Problem(seed=1), Problem(seed=2)
    bound, fresh = ({name: backend.put(each.arrays[name]) for name in NAMES} for each in (one, other))
    alone = {name: operand for name, operand in bound.items() if name not in ("value", "v_data")}
    args = bf.PagedKvAppendArgs(**alone)
    descriptor = one.case.descriptor(one.num_pages)
    plan = bf.PagedKvAppendPlan.select(backend.stream, descriptor, bf.PlanPreference(guarded=True))
    with pytest.raises(bf.Unsupported, match=r"value and v_data are absent.*both parts.*guarded append"):
        select(backend, descriptor).run(backend.stream, bf.Workspace.NONE, args)
    plan.run(backend.stream, bf.Workspace.NONE, args)
    launch = plan.bind(backend.stream, args)
    for name in ("value", "v_data"):
        with pytest.raises(
            bf.InvalidProblem, match=f"^{name} is given and the launch was bound to key alone"
        ):
            launch.rebind(**{name: bound[name]})
    launch.rebind(key=fresh["key"], k_data=fresh["k_data"])
    launch()
    expected = one.snapshot() | {"k_data": one.expected()["k_data"]}
    mixed = one.arrays | {name: other.arrays[name] for name in ("key", "k_data")}
    replaced = other.snapshot() | {"k_data": expected_caches(one.case, mixed)["k_data"]}
    for operands, should_be in ((bound, expected), (fresh, replaced)):
        for name in NAMES:
            assert_same_bits(backend.get(operands[name]), should_be[name], name)
