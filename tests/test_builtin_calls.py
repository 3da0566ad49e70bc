"""baracuda_python_methods: the built-in functions, what they judge and what they leave to others."""

from __future__ import annotations

import ctypes
import gc
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import baracuda_ffi as bf
from baracuda_ffi import _bind, _library
from baracuda_ffi._builtin_calls import builtin_calls
from support import abi
from support.cases import Case
from support.elements import ELEMENTS, Element
from support.exporters import LegacyExporter, VersionedExporter, exchange_type
from support.operands import INPUTS, NAMES, make_args
from support.problem import SMALL, Problem, assert_appended, assert_unchanged

CUDA_STREAMS = [True, -1, 2**64, 1.5, "0", None, object()]


def whole_api() -> abi.PythonApi:
    api = abi.PythonApi(ctypes.sizeof(abi.PythonApi), 0, id(None), id(int), id(Exception))
    for name, _ in abi.PythonApi._fields_[5:]:
        setattr(api, name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p))
    return api


def address_of(name: str) -> int | None:
    """A function of CPython's, to be a reader for what it does with the first argument."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value


def methods(api: abi.PythonApi | None) -> int | None:
    address: int | None = abi.library().baracuda_python_methods(
        None if api is None else ctypes.addressof(api)
    )
    return address


class Calls:
    """The functions with a table of types of their own, and operands of one type that it has."""

    def __init__(self, problem: Problem) -> None:
        self.kind = exchange_type()
        self.describers: dict[type, Any] = {self.kind: self.kind.reader}
        functions = builtin_calls(abi.library().baracuda_python_methods, self.describers)
        self.run, self.bind, self.append = functions["run"], functions["bind"], functions["append"]
        self.operands = {name: self.kind(array) for name, array in problem.arrays.items()}

    def seven(self, **others: Any) -> tuple[Any, ...]:
        return tuple((self.operands | others)[name] for name in NAMES)


def assert_left_to_others(calls: Calls, seven: tuple[Any, ...]) -> None:
    """Neither append nor bind judges them, and no error is left, or the call would raise it."""
    assert calls.append(unbound(), None, seven) is None
    assert calls.bind(bound_to_nothing(), *seven) is None


def assert_answers(error: type[BaseException], calls: Calls, seven: tuple[Any, ...]) -> None:
    """Of operands whose description raises that: an Exception is an answer, what is none goes on."""
    if issubclass(error, Exception):
        assert_left_to_others(calls, seven)
        return
    with pytest.raises(error):
        calls.append(unbound(), None, seven)
    with pytest.raises(error):
        calls.bind(bound_to_nothing(), *seven)


def unbound(backend: int = abi.HOST) -> bytes:
    op = abi.Append(struct_size=ctypes.sizeof(abi.Append), backend=backend, length_convention=0)
    return bytes(op)


def bound_to_nothing() -> tuple[Any, ...]:
    return (unbound(), *[None] * len(NAMES))


def test_the_table_of_methods() -> None:
    address = methods(whole_api())
    assert address
    size = ctypes.sizeof(abi.PythonMethod)
    listed = [abi.PythonMethod.from_address(address + i * size) for i in range(4)]
    assert [method.name for method in listed] == [b"run", b"bind", b"append", None]
    for method in listed[:3]:
        assert method.flags == 0x80  # METH_FASTCALL
        assert method.doc.startswith(method.name + b"(")


def test_an_api_that_lacks_something() -> None:
    assert methods(None) is None
    assert "api" in abi.message()
    for name, _ in abi.PythonApi._fields_:
        if name == "reserved":
            continue
        api = whole_api()
        setattr(api, name, 0)
        assert methods(api) is None, name
    assert methods(whole_api())


def test_append_reads_each_operand_once_and_leaves_the_op_as_it_was() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls, op = Calls(problem), unbound()
    copy = bytes(bytearray(op))
    assert calls.append(op, None, calls.seven()) == abi.OK
    assert_appended(problem, before)
    assert [operand.reads for operand in calls.seven()] == [1] * len(NAMES)
    assert op == copy


def test_bind_then_run() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    bound = calls.bind(bound_to_nothing(), *calls.seven())
    assert_unchanged(problem.arrays, before)
    assert bound[0] == bytes(abi.make_append(problem.case, problem.arrays))
    assert bound[1:] == calls.seven()
    assert calls.run(bound) == abi.OK
    assert_appended(problem, before)


@pytest.mark.parametrize("name", NAMES)
def test_bind_keeps_what_is_none(name: str) -> None:
    problem, other = Problem(), Problem(seed=3)
    calls = Calls(problem)
    bound = calls.bind(bound_to_nothing(), *calls.seven())
    was = bytes(bytearray(bound[0]))
    new = calls.kind(other.arrays[name])
    rebound = calls.bind(bound, *[new if each == name else None for each in NAMES])
    assert rebound[1:] == calls.seven(**{name: new})
    assert rebound[0] == bytes(abi.make_append(other.case, problem.arrays | {name: other.arrays[name]}))
    assert bound[0] == was
    assert new.reads == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_is_a_status_with_a_message(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    empty = calls.kind(problem.arrays[name][:0])
    bound = calls.bind(bound_to_nothing(), *calls.seven())
    assert calls.append(unbound(), None, calls.seven(**{name: empty})) == -abi.INVALID_PROBLEM
    assert abi.message()
    assert calls.bind(bound, *[empty if each == name else None for each in NAMES]) == abi.INVALID_PROBLEM
    assert abi.message()
    assert_unchanged(problem.arrays, before)


def test_run_refuses_as_the_c_function_does() -> None:
    calls = Calls(Problem())
    assert calls.run(bound_to_nothing()) == abi.INVALID_PROBLEM
    assert "batch_size" in abi.message()


@pytest.mark.parametrize("operand", [None, 1, "x", object()])
@pytest.mark.parametrize("name", NAMES)
def test_operands_that_have_no_reader_are_left_to_others(name: str, operand: Any) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    assert_left_to_others(calls, calls.seven(**{name: operand}))
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
    assert_left_to_others(calls, calls.seven(**{name: kind(problem.arrays[name])}))
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ValueError])
def test_only_an_exception_is_taken_for_an_answer(error: type[BaseException]) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    calls.describers[type] = address_of("PyErr_SetNone")  # of an operand that is a type of errors: raises it
    assert_answers(error, calls, calls.seven(value=error))
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
    operand, empty = (capsules.new(array) for array in (problem.arrays[name], problem.arrays[name][:0]))
    references = capsules.references()
    assert calls.append(unbound(), None, calls.seven(**{name: operand})) == abi.OK
    assert_appended(problem, before)
    bound = calls.bind(bound_to_nothing(), *calls.seven(**{name: operand}))
    assert bound[1:] == calls.seven(**{name: operand})
    assert bound[0] == bytes(abi.make_append(problem.case, problem.arrays))
    assert calls.append(unbound(), None, calls.seven(**{name: empty})) == -abi.INVALID_PROBLEM
    assert capsules.calls == 3
    assert capsules.references() == references


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
    assert_answers(error, calls, calls.seven(key=first, value=kind(problem.arrays["value"])))
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


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler, there is none")
def test_a_reader_that_throws(tmp_path: Path) -> None:
    source, target = tmp_path / "throws.cpp", tmp_path / "throws.so"
    source.write_text(
        "#include <stdexcept>\n"
        'extern "C" int throws(void*, void*) { throw std::runtime_error("not today"); }\n'
    )
    subprocess.run(["c++", "-shared", "-fPIC", "-o", target, source], check=True)
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    kind = exchange_type()
    calls.describers[kind] = ctypes.cast(ctypes.CDLL(str(target)).throws, ctypes.c_void_p).value
    seven = calls.seven(value=kind(problem.arrays["value"]))
    assert calls.append(unbound(), None, seven) == -abi.UNSUPPORTED
    assert abi.message() == "value could not be read: not today"
    assert calls.bind(bound_to_nothing(), *seven) == abi.UNSUPPORTED
    assert_unchanged(problem.arrays, before)


def test_a_struct_of_a_later_release() -> None:
    """Its size is kept; what it has beyond ours must be zero."""
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    known = ctypes.sizeof(abi.Append)
    later = abi.Append.from_buffer_copy(unbound())
    later.struct_size = known + 16
    op = bytes(later) + bytes(16)
    bound = calls.bind((op, *[None] * len(NAMES)), *calls.seven())
    assert len(bound[0]) == known + 16
    assert abi.Append.from_buffer_copy(bound[0]).struct_size == known + 16
    assert calls.run(bound) == abi.OK
    assert_appended(problem, before)
    assert calls.append(op, None, calls.seven()) == abi.OK
    asks_more = op[:-1] + b"\1"
    assert calls.append(asks_more, None, calls.seven()) == -abi.INVALID_PROBLEM
    assert calls.bind((asks_more, *[None] * len(NAMES)), *calls.seven()) == abi.INVALID_PROBLEM
    assert "struct_size" in abi.message()


@pytest.mark.parametrize("name", NAMES)
def test_operands_of_several_types_are_read_each_by_its_own(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    kind = exchange_type()
    calls.describers[kind] = kind.reader
    other = kind(problem.arrays[name])
    assert calls.append(unbound(), None, calls.seven(**{name: other})) == abi.OK
    assert other.reads == 1
    assert_appended(problem, before)


@pytest.mark.parametrize("stream", [0, 1, True, object()])
def test_a_stream_for_the_host_is_left_to_others(stream: object) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    assert calls.append(unbound(), stream, calls.seven()) is None
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("stream", CUDA_STREAMS, ids=[type(stream).__name__ for stream in CUDA_STREAMS])
def test_what_is_no_handle_is_left_to_others(stream: object) -> None:
    calls = Calls(Problem())
    assert calls.append(unbound(abi.FLASHINFER), stream, calls.seven()) is None
    assert calls.operands["key"].reads == 0


def test_references_come_and_go() -> None:
    problem = Problem()
    calls = Calls(problem)
    foreign = calls.seven(key=object())
    watched = [*calls.seven(), None, calls.kind, calls.describers, *foreign]
    nothing, op = bound_to_nothing(), unbound()

    def all_ways() -> None:
        bound = calls.bind(nothing, *calls.seven())
        calls.run(calls.bind(bound, *[calls.operands["key"], *[None] * 6]))
        calls.append(op, None, calls.seven())
        assert calls.append(op, None, foreign) is None
        assert calls.bind(nothing, *foreign) is None
        assert type(calls.bind(nothing, *calls.seven(key=calls.operands["indices"]))) is int

    all_ways()
    gc.collect()
    before = [sys.getrefcount(thing) for thing in watched]
    for _ in range(100):
        all_ways()
    gc.collect()
    grown = [sys.getrefcount(thing) - was for thing, was in zip(watched, before, strict=True)]
    assert [count for count in grown if abs(count) > 10] == []


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


@pytest.mark.parametrize("kind", [exchange_type(), lambda array: array], ids=["exchange table", "NumPy"])
def test_an_error_names_one_function_whatever_the_operands_are(kind: Any) -> None:
    problem = Problem()
    operands = {name: kind(array) for name, array in problem.arrays.items()}
    plan = bf.PagedKvAppendPlan.select(None, SMALL.descriptor(problem.num_pages))
    plan.can_implement(make_args(operands))  # from here on the type is known
    wrong = make_args(operands | {"key": kind(problem.arrays["key"][:1])})
    with pytest.raises(bf.InvalidProblem, match="key has shape") as refused:
        plan.run(None, bf.Workspace.NONE, wrong)
    assert refused.value.function == "baracuda_paged_kv_append_bind"
    problem.arrays["indices"][:] = -1
    for call in (
        lambda: plan.run(None, bf.Workspace.NONE, make_args(operands)),
        lambda: bf.append_paged_kv(*operands.values(), stream=None),
        plan.bind(None, make_args(operands)),
    ):
        with pytest.raises(bf.InvalidProblem, match="request 0: its last page") as refused:
            call()
        assert refused.value.function == "baracuda_paged_kv_append_run"


def test_a_library_that_offers_no_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert builtin_calls(lambda api: None, {}) == {}
    monkeypatch.setattr(_library, "builtin_calls", lambda methods, describers: {})
    with pytest.raises(bf.LibraryNotLoaded, match="libbaracuda_ffi"):
        _library.Library(bf.library_path())
