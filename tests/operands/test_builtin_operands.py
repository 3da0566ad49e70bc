"""How the built-in functions describe operands: by readers, by capsules, and what they leave to others."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi._append import operands as _bind
from baracuda_ffi._native.accelerator import slot_offset
from support.c_abi import abi
from support.calls.builtin_calls import (
    NOT_JUDGED,
    Calls,
    assert_answers,
    assert_left_to_others,
    assert_refused,
    bound_to_nothing,
    described,
    members,
    unbound,
)
from support.calls.exporters import LegacyExporter, VersionedExporter, exchange_type
from support.calls.operands import INPUTS, NAMES, make_args
from support.problems.cases import Case
from support.problems.elements import ELEMENTS, Element
from support.problems.problem import SMALL, Problem, assert_appended, assert_unchanged

CXX = os.environ.get("CXX", "c++")


def address_of(name: str) -> int | None:
    """A function of CPython's, to be a reader for what it does with the first argument."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value


@pytest.mark.parametrize("operand", [1, "x", object()])
@pytest.mark.parametrize("name", NAMES)
def test_operands_that_have_no_reader_are_left_to_others(name: str, operand: Any) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    assert_left_to_others(calls, calls.given(**{name: operand}))
    assert_unchanged(problem.arrays, before)


# Of a type of operands: readers that there is none of, that raise, that return 0 and leave an error behind;
# functions that return what is no plain DLPack capsule.
UNFIT_DESCRIBERS: dict[str, Any] = {
    "0": 0,
    "raises": address_of("PyLong_AsLong"),
    "leaves an error": address_of("PyErr_BadArgument"),
    "returns None": lambda _: None,
    "returns an int": lambda _: 7,
    "returns a versioned capsule": lambda operand: VersionedExporter(operand.tensor.array)._capsule(),
}


@pytest.mark.parametrize("describer", UNFIT_DESCRIBERS.values(), ids=UNFIT_DESCRIBERS)
@pytest.mark.parametrize("name", NAMES)
def test_operands_that_are_not_described_are_left_to_others(name: str, describer: Any) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    kind = exchange_type()
    calls.describers[kind] = describer
    assert_left_to_others(calls, calls.given(**{name: kind(problem.arrays[name])}))
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ValueError])
def test_only_an_exception_is_taken_for_an_answer(error: type[BaseException]) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    calls.describers[type] = address_of("PyErr_SetNone")  # of an operand that is a type of errors: raises it
    assert_answers(error, calls, calls.given(value=error))
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("name", NAMES)
def test_operands_of_several_types_are_read_each_by_its_own(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    kind = exchange_type()
    calls.describers[kind] = kind.reader
    other = kind(problem.arrays[name])
    assert calls.append(unbound(), None, calls.given(**{name: other})) == abi.OK
    assert other.reads == 1
    assert_appended(problem, before)


@pytest.mark.skipif(shutil.which(CXX) is None, reason="needs a C++ compiler, there is none")
def test_a_reader_that_throws(tmp_path: Path) -> None:
    source, target = tmp_path / "throws.cpp", tmp_path / "throws.so"
    source.write_text(
        "#include <stdexcept>\n"
        'extern "C" int throws(void*, void*) { throw std::runtime_error("not today"); }\n'
    )
    subprocess.run([CXX, "-shared", "-fPIC", "-o", target, source], check=True)
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    kind = exchange_type()
    calls.describers[kind] = ctypes.cast(ctypes.CDLL(str(target)).throws, ctypes.c_void_p).value
    assert_refused(calls, calls.given(value=kind(problem.arrays["value"])), abi.UNSUPPORTED)
    assert abi.message() == "value could not be read: not today"
    assert_unchanged(problem.arrays, before)


class Capsules:
    """A type whose objects are described by capsules that are kept, so that references can be counted."""

    def __init__(self, calls: Calls) -> None:
        self.kind = exchange_type()
        self.kept: dict[int, Any] = {}
        self.calls = 0
        calls.describers[self.kind] = self._capsule_of

    def new(self, array: Any) -> Any:
        operand, exporter = self.kind(array), LegacyExporter(array)
        self.kept[id(operand)] = operand, exporter, exporter._capsule()
        return operand

    def _capsule_of(self, operand: object) -> object:
        self.calls += 1
        return self.kept[id(operand)][2]

    def references(self) -> list[int]:
        return [sys.getrefcount(capsule) for _, _, capsule in self.kept.values()]


@pytest.mark.parametrize("name", NAMES)
def test_a_capsule_is_read_and_given_back(name: str) -> None:
    """It is not kept, the object is."""
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    capsules = Capsules(calls)
    flat = problem.arrays[name].reshape(1, 1, -1, 1, 1)
    operand, wrong = (capsules.new(array) for array in (problem.arrays[name], flat))
    references = capsules.references()
    assert calls.append(unbound(), None, calls.given(**{name: operand})) == abi.OK
    assert_appended(problem, before)
    status, bound = calls.bind(bound_to_nothing(), calls.given(**{name: operand}))
    assert status == abi.OK
    assert bound[1] == calls.given(**{name: operand})
    assert members(bound[0]) == described(problem)
    assert_refused(calls, calls.given(**{name: wrong}), abi.INVALID_PROBLEM)
    assert capsules.calls == 4
    assert capsules.references() == references


def test_a_capsule_that_is_for_a_call_alone_is_not_bound() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    capsules = Capsules(calls)
    calls.describers[calls.describers[capsules.kind]] = None
    operands = calls.given(key=capsules.new(problem.arrays["key"]))
    assert calls.bind(bound_to_nothing(), operands) == (NOT_JUDGED, None)
    assert capsules.calls == 0
    assert calls.append(unbound(), None, operands) == abi.OK
    assert capsules.calls == 1
    assert_appended(problem, before)


class Keeping:
    """Has the capsule of an exporter."""

    __slots__ = ("capsule", "exporter")


@pytest.mark.parametrize("name", NAMES)
def test_a_capsule_that_an_object_keeps_is_read_where_it_is(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    keeping = Keeping()
    keeping.exporter = LegacyExporter(problem.arrays[name])
    keeping.capsule = capsule = keeping.exporter._capsule()
    exported = []

    def export(operand: Any) -> Any:
        exported.append(operand)
        return capsule

    offset = slot_offset(Keeping, "capsule")
    assert offset is not None
    calls.describers[Keeping] = export
    calls.describers[export] = offset
    references = sys.getrefcount(capsule)
    assert calls.append(unbound(), None, calls.given(**{name: keeping})) == abi.OK
    assert_appended(problem, before)
    assert exported == []
    del keeping.capsule  # what has none is exported
    references -= 1
    assert calls.bind(bound_to_nothing(), calls.given(**{name: keeping}))[0] == abi.OK
    assert exported == [keeping]
    assert sys.getrefcount(capsule) == references


def test_a_slot_is_where_its_object_is() -> None:
    keeping = Keeping()
    keeping.capsule, keeping.exporter = marks = object(), object()
    for name, mark in zip(Keeping.__slots__, marks, strict=True):
        offset = slot_offset(Keeping, name)
        assert offset is not None
        assert ctypes.c_size_t.from_address(id(keeping) + offset).value == id(mark)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_an_exporter_raises(error: type[BaseException]) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    capsules = Capsules(calls)
    kind = exchange_type()

    def raising(_: object) -> object:
        raise error

    calls.describers[kind] = raising
    first = capsules.new(problem.arrays["key"])
    references = capsules.references()
    assert_answers(error, calls, calls.given(key=first, value=kind(problem.arrays["value"])))
    assert capsules.references() == references
    assert_unchanged(problem.arrays, before)


def test_numpy_arrays_go_that_way_once_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem()
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    args = make_args(problem.arrays)
    launch = plan.bind(None, args)

    def no_other_way(*_: object) -> None:
        raise AssertionError("it was described in Python")

    monkeypatch.setattr(_bind, "tensor_of", no_other_way)
    for call in (
        lambda: plan.run(None, bf.Workspace.NONE, args),
        lambda: bf.append_paged_kv(*problem.arrays.values(), stream=None),
        lambda: plan.bind(None, args)(),
        lambda: launch.rebind(key=problem.arrays["key"]),
        launch,
    ):
        before = problem.snapshot()
        call()
        assert_appended(problem, before)


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.symbol)
def test_arrays_that_numpy_does_not_export_are_still_appended(element: Element) -> None:
    """bfloat16 and fp8, which NumPy has no DLPack number for, and inputs that are read-only."""
    problem = Problem(Case(element, "HND", "BEFORE_APPEND", 4, 3, 2, 64))
    for name in INPUTS:
        problem.arrays[name].flags.writeable = False
    plan = bf.PagedKvAppendPlan.select(None, problem.case.descriptor(problem.num_pages))
    args = make_args(problem.arrays)
    for _ in range(3):
        before = problem.snapshot()
        plan.run(None, bf.Workspace.NONE, args)
        assert_appended(problem, before)
    problem.arrays["v_data"].flags.writeable = False
    with pytest.raises(bf.InvalidProblem, match=r"v_data.*read-only"):
        plan.run(None, bf.Workspace.NONE, args)


def test_a_type_of_the_users_own_goes_that_way() -> None:
    """By the public calls: one reading a call, whichever call it is."""
    problem = Problem()
    kind = exchange_type()
    operands = {name: kind(array) for name, array in problem.arrays.items()}
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    args = make_args(operands)
    plan.run(None, bf.Workspace.NONE, args)  # the type is new to us: it is read once more
    for round_number in range(1, 4):
        before = [operand.reads for operand in operands.values()]
        snapshot = problem.snapshot()
        plan.run(None, bf.Workspace.NONE, args)
        bf.append_paged_kv(*operands.values(), stream=None)
        launch = plan.bind(None, args)
        launch()
        launch.rebind(key=operands["key"])
        launch()
        assert_appended(problem, snapshot)
        after = [operand.reads for operand in operands.values()]
        assert [b - a for a, b in zip(before, after, strict=True)] == [4, 3, 3, 3, 3, 3, 3], round_number


def test_a_table_of_another_major_version_is_not_used() -> None:
    problem = Problem()
    kind = exchange_type(major=2)
    key = kind(problem.arrays["key"])
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    with pytest.raises(bf.InvalidProblem, match="key"):
        plan.run(None, bf.Workspace.NONE, make_args(problem.arrays | {"key": key}))
    assert key.reads == 0


KINDS = {"exchange table": exchange_type(), "NumPy": lambda array: array, "DLPack": LegacyExporter}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_error_names_what_was_called_whatever_the_operands_are(kind: Any) -> None:
    problem = Problem()
    operands = {name: kind(array) for name, array in problem.arrays.items()}
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    args = make_args(operands)
    plan.can_implement(args)  # from here on the type is known
    launch = plan.bind(None, args)
    wide = kind(problem.arrays["key"][:, :, :1])
    wrong = make_args(operands | {"key": wide})

    def one_call(**others: Any) -> None:
        bf.append_paged_kv(**operands | others, stream=None)

    def refusal_of(call: Any, says: str) -> str:
        with pytest.raises(bf.InvalidProblem, match=says) as refused:
            call()
        return refused.value.function.removeprefix("baracuda_paged_kv_append_")

    assert refusal_of(lambda: plan.run(None, bf.Workspace.NONE, wrong), "key has shape") == "run"
    assert refusal_of(lambda: plan.can_implement(wrong), "key has shape") == "can_implement"
    assert refusal_of(lambda: plan.bind(None, wrong), "key has shape") == "bind"
    assert refusal_of(lambda: launch.rebind(key=wide), "key has shape") == "bind"
    assert refusal_of(lambda: one_call(key=wide), "k_data has shape") == "run"
    problem.arrays["indices"][:] = problem.num_pages
    says = "request 0: its last page"
    assert refusal_of(lambda: plan.run(None, bf.Workspace.NONE, args), says) == "run"
    assert refusal_of(lambda: plan.can_implement(args), says) == "can_implement"
    assert refusal_of(launch, says) == "run"
    assert refusal_of(one_call, says) == "run"
