"""baracuda_python_methods: the built-in functions, what they take, return and leave behind."""

from __future__ import annotations

import ctypes
import gc
import sys

import pytest

import baracuda_ffi as bf
from baracuda_ffi._native import library as _library
from baracuda_ffi._native.accelerator import builtin_calls
from support import abi
from support.builtin_calls import Calls, bound_to_nothing, unbound
from support.operands import NAMES
from support.problem import Problem, assert_appended, assert_unchanged

CUDA_STREAMS = [True, -1, 2**64, 1.5, "0", None, object()]


def whole_api() -> abi.PythonApi:
    api = abi.PythonApi(ctypes.sizeof(abi.PythonApi), 0, id(None), id(int), id(Exception))
    for name, _ in abi.PythonApi._fields_[5:]:
        setattr(api, name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p))
    return api


def methods(api: abi.PythonApi | None) -> int | None:
    address: int | None = abi.library().baracuda_python_methods(
        None if api is None else ctypes.addressof(api)
    )
    return address


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


def test_a_library_that_offers_no_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert builtin_calls(lambda api: None, {}) == {}
    monkeypatch.setattr(_library, "builtin_calls", lambda methods, describers: {})
    with pytest.raises(bf.LibraryNotLoaded, match="libbaracuda_ffi"):
        _library.Library(bf.library_path())
