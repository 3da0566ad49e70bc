"""baracuda_private_python_methods: the built-in functions, what they take, return and leave behind."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import re
import sys
import types
from typing import Any

import numpy as np
import pytest

import baracuda_ffi as bf
from baracuda_ffi._native import accelerator
from baracuda_ffi._native.accelerator import SYMBOL, VERSION, builtin_calls, slot_offset
from baracuda_ffi._native.by_name import NOT_GIVEN, known_by
from baracuda_ffi._native.library import Library
from support.c_abi import abi
from support.calls.builtin_calls import (
    NOT_JUDGED,
    NOT_KNOWN,
    Calls,
    assert_refused,
    bound_to_nothing,
    described,
    members,
    one,
    unbound,
)
from support.calls.operands import NAMES
from support.problems.problem import Problem, assert_appended, assert_unchanged
from support.processes.installed import REPOSITORY

CUDA_STREAMS = [True, -1, 2**64, 1.5, "0", None, object()]


def whole_api() -> abi.PythonApi:
    objects = (None, int, Exception, tuple, sys)
    api = abi.PythonApi(ctypes.sizeof(abi.PythonApi), 0, *map(id, objects))
    api.not_given[:] = [id(NOT_GIVEN[name]) for name in (*abi.OPERANDS, "kv_data")]
    for name, _ in abi.PythonApi._fields_:
        if name.startswith("Py"):
            setattr(api, name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p))
    return api


def methods(api: abi.PythonApi | None) -> int | None:
    address: int | None = abi.library().baracuda_private_python_methods(
        None if api is None else ctypes.addressof(api)
    )
    return address


def test_the_table_of_methods() -> None:
    address = methods(whole_api())
    assert address
    size = ctypes.sizeof(abi.PythonMethod)
    listed = [abi.PythonMethod.from_address(address + i * size) for i in range(7)]
    names = [b"run", b"bind", b"rebind", b"append", b"append_known", b"copy"]
    assert [method.name for method in listed] == [*names, None]
    assert listed[-1].flags == VERSION
    for method in listed[:-1]:
        assert method.flags == 0x80  # METH_FASTCALL
        assert method.doc.startswith(method.name + b"(")


def test_the_version_is_raised_with_what_it_is_of() -> None:
    """The header's structs, and what the functions take and return. Where this fails, raise the version
    on both sides, and write what it is of here."""
    header = (REPOSITORY / "native" / "src" / "python" / "accelerator.h").read_text()
    agreed = re.sub(r"/\*.*?\*/|\s+", " ", header, flags=re.DOTALL).split()
    address, size = methods(whole_api()), ctypes.sizeof(abi.PythonMethod)
    assert address
    while (method := abi.PythonMethod.from_address(address)).name:
        agreed.append(method.doc.decode())
        address += size
    digest = hashlib.sha256(" ".join(agreed).encode()).hexdigest()
    assert (VERSION, digest[:16]) == (5, "696048ac48cf5233")


def test_a_library_with_other_functions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older one, or a newer one: to call its functions would be to crash."""
    path = bf.library_path()
    monkeypatch.setattr(accelerator, "VERSION", VERSION + 1)
    with pytest.raises(bf.LibraryNotLoaded) as caught:
        Library(path)
    for part in (path, f"has version {VERSION} ", f"speaks version {VERSION + 1}."):
        assert part in str(caught.value)


def test_an_api_that_lacks_something() -> None:
    assert methods(None) is None
    assert "api" in abi.message()
    for name, kind in abi.PythonApi._fields_:
        if name == "type_offset":  # it may be 0
            continue
        api = whole_api()
        setattr(api, name, kind())
        assert methods(api) is None, name
    api = whole_api()
    api.not_given[-1] = 0
    assert methods(api) is None
    assert methods(whole_api())


def test_another_interpreter_has_no_functions() -> None:
    """What they remember between calls are objects of the one that has them."""
    assert methods(whole_api())
    api, its_sys = whole_api(), types.ModuleType("sys")
    api.interpreter = id(its_sys)
    assert methods(api) is None
    assert "another interpreter" in abi.message()
    assert methods(whole_api())


def test_append_reads_each_operand_once_and_leaves_the_op_as_it_was() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls, op = Calls(problem), unbound()
    copy = bytes(bytearray(op))
    assert calls.append(op, None, calls.given()) == abi.OK
    assert_appended(problem, before)
    assert [operand.reads for operand in calls.given()] == [1] * len(NAMES)
    assert op == copy


def bits(*names: str) -> int:
    return sum(1 << abi.OPERANDS.index(name) for name in names)


def test_a_known_call_is_like_it_in_its_operands_and_options() -> None:
    problem = Problem()
    calls, given = Calls(problem), bits(*NAMES)
    said = (object(), "HND", NOT_GIVEN["layout"])
    unlike = [
        (b"", known_by(given ^ 1, True, said)),
        (b"", known_by(given | bits("seq_lens"), True, said)),
        (b"", known_by(given, False, said)),
        *[(b"", known_by(given, True, (*said[:i], object(), *said[i + 1 :]))) for i in range(len(said))],
        (b"", known_by(given, True, said[::-1])),
    ]
    like = (unbound(), known_by(given, True, said))
    for known in (tuple(unlike), ()):
        before = problem.snapshot()
        assert calls.append_known(known, None, *said) == NOT_KNOWN
        assert_unchanged(problem.arrays, before)
    for others in ({}, {"kv_data": None, "seq_lens": None}):
        before = problem.snapshot()
        assert calls.append_known((*unlike, like, *unlike), None, *said, **others) == abi.OK
        assert_appended(problem, before)


def test_a_call_that_is_none() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls, given = Calls(problem), bits(*NAMES)
    known = tuple([(unbound(), known_by(given, on_host, ())) for on_host in (True, False)])
    array = calls.operands["k_data"]
    for more in ("seq_lens", "v_scales", "kv_data"):
        assert calls.append_known(known, None, **{more: array}) == NOT_KNOWN
    for name in NAMES:
        assert calls.append_known(known, None, **{name: None}) == NOT_KNOWN
    one_cache = {"v_data": None, "kv_data": array}  # beside k_data
    assert calls.append_known(known, None, **one_cache) == NOT_KNOWN
    for stream in (0, NOT_GIVEN["stream"]):  # the op is the host's
        assert calls.append_known(known, stream) == NOT_JUDGED
    assert_unchanged(problem.arrays, before)


def test_bind_then_run() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    status, bound = calls.bind(bound_to_nothing(), calls.given())
    assert status == abi.OK
    assert_unchanged(problem.arrays, before)
    assert members(bound[0]) == described(problem)
    assert bound[1] == calls.given()
    assert calls.run(bound) == abi.OK
    assert_appended(problem, before)


def test_what_bind_checked_is_not_checked_again() -> None:
    problem = Problem()
    calls = Calls(problem)
    _, bound = calls.bind(bound_to_nothing(), calls.given())
    before = problem.snapshot()
    assert calls.run(bound[:2]) == abi.OK
    assert_appended(problem, before)
    nothing = bytes(ctypes.sizeof(abi.Append))
    assert calls.run((nothing, bound[1])) == abi.INVALID_PROBLEM
    before = problem.snapshot()
    assert calls.run((nothing, *bound[1:])) == abi.OK
    assert_appended(problem, before)


@pytest.mark.parametrize("count", range(len(NAMES), len(abi.OPERANDS) + 1))
def test_operands_that_nobody_wants_may_be_left_out_or_none(count: int) -> None:
    problem = Problem()
    calls = Calls(problem)
    operands = calls.given() + (None,) * (count - len(NAMES))
    before = problem.snapshot()
    assert calls.append(unbound(), None, operands) == abi.OK
    assert_appended(problem, before)
    status, bound = calls.bind(bound_to_nothing(), operands)
    assert (status, bound[1]) == (abi.OK, calls.given())
    before = problem.snapshot()
    assert calls.run(bound) == abi.OK
    assert_appended(problem, before)
    for few in ((), operands[:1]):
        status, rebound = calls.bind(bound, few)
        assert (status, *rebound[:2]) == (abi.OK, *bound[:2])


@pytest.mark.parametrize("name", abi.OPERANDS[len(NAMES) :])
def test_an_operand_that_nobody_wants(name: str) -> None:
    """An array in its place would be forgotten without a word."""
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    operands: list[Any] = [*calls.given(), *[None] * 10]
    operands[abi.OPERANDS.index(name)] = calls.operands["indices"]
    assert_refused(calls, tuple(operands), abi.INVALID_PROBLEM)
    assert abi.message().startswith(f"{name} is given; ")
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("name", ["key", "k_data", "indptr"])
def test_an_operand_that_is_missing(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    operands = calls.given(**{name: None})
    assert calls.append(unbound(), None, operands) in (abi.INVALID_PROBLEM, abi.UNSUPPORTED)
    status, bound = calls.bind(bound_to_nothing(), operands)
    assert status in (abi.INVALID_PROBLEM, abi.UNSUPPORTED)
    assert bound is None
    assert_unchanged(problem.arrays, before)


def test_key_alone() -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    alone = abi.Append.from_buffer_copy(unbound())
    alone.parts = abi.KEY
    operands = calls.given(value=None, v_data=None)
    assert calls.append(bytes(alone), None, operands) == abi.OK
    status, bound = calls.bind((bytes(alone), ()), operands)
    assert (status, bound[1]) == (abi.OK, operands)
    expected = problem.expected() | {"v_data": before["v_data"]}
    assert_unchanged(problem.arrays, before | expected)


@pytest.mark.parametrize("name", NAMES)
def test_bind_keeps_what_is_none(name: str) -> None:
    problem, other = Problem(), Problem(seed=3)
    calls = Calls(problem)
    _, bound = calls.bind(bound_to_nothing(), calls.given())
    was = bytes(bytearray(bound[0]))
    new = calls.kind(other.arrays[name])
    status, rebound = calls.bind(bound, one(name, new))
    assert status == abi.OK
    assert rebound[1] == calls.given(**{name: new})
    assert members(rebound[0]) == members(was) | {name: other.arrays[name].ctypes.data}
    assert bound[0] == was
    assert bound[1] == calls.given()
    assert new.reads == 1


class Holder:
    """Has what is bound, where the library is told."""

    __slots__ = ("bound", "other")

    def __init__(self, bound: Any) -> None:
        self.bound, self.other = bound, None


BOUND_AT = slot_offset(Holder, "bound")


@pytest.mark.parametrize("name", NAMES)
def test_rebind_replaces_what_is_bound(name: str) -> None:
    problem, other = Problem(), Problem(seed=3)
    calls = Calls(problem)
    _, bound = calls.bind(bound_to_nothing(), calls.given())
    holder = Holder(bound)
    operand = calls.kind(other.arrays[name])
    operands = one(name, operand)
    for none in ({}, dict.fromkeys(abi.OPERANDS)):
        holder.bound = bound
        assert calls.rebind(holder, BOUND_AT, **(none | {name: operand})) == abi.OK
        assert holder.bound[:2] == calls.bind(bound, operands)[1][:2]
    assert (bound[1], holder.other) == (calls.given(), None)
    assert calls.run(holder.bound) == abi.OK


def test_rebind_leaves_what_is_bound_where_it_binds_nothing() -> None:
    problem = Problem()
    calls = Calls(problem)
    _, bound = calls.bind(bound_to_nothing(), calls.given())
    holder = Holder(bound)
    flat = calls.kind(problem.arrays["key"].reshape(1, 1, -1, 1, 1))
    key = calls.operands["key"]
    assert calls.rebind(holder, BOUND_AT, key=flat) == abi.INVALID_PROBLEM
    assert abi.message().startswith("key")
    assert calls.rebind(holder, BOUND_AT, key=object()) == NOT_JUDGED
    assert calls.rebind(holder, 0, key=key) == NOT_JUDGED
    assert calls.rebind(holder, BOUND_AT, kv_data=key) == NOT_JUDGED
    assert holder.bound is bound


def test_rebind_begins_anew_where_what_is_bound_was_replaced_meanwhile() -> None:
    """Here by the operand's own exporter; as another thread may that runs then."""
    problem, other = Problem(), Problem(seed=3)
    calls = Calls(problem)
    _, bound = calls.bind(bound_to_nothing(), calls.given())
    value = calls.kind(other.arrays["value"])
    _, replaced = calls.bind(bound, one("value", value))
    holder = Holder(bound)

    class Replacing:
        exports = 0

    def export(operand: Replacing) -> Any:
        operand.exports += 1
        holder.bound = replaced
        return other.arrays["key"].__dlpack__()

    calls.describers[Replacing] = export
    key = Replacing()
    assert calls.rebind(holder, BOUND_AT, key=key) == abi.OK
    assert key.exports == 2
    assert holder.bound[1] == calls.given(key=key, value=value)


@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_is_a_status_with_a_message(name: str) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    flat = calls.kind(problem.arrays[name].reshape(1, 1, -1, 1, 1))
    _, bound = calls.bind(bound_to_nothing(), calls.given())
    assert_refused(calls, calls.given(**{name: flat}), abi.INVALID_PROBLEM)
    assert calls.bind(bound, one(name, flat)) == (abi.INVALID_PROBLEM, None)
    assert abi.message().startswith(name)
    assert_unchanged(problem.arrays, before)


def test_run_refuses_as_the_c_function_does() -> None:
    calls = Calls(Problem())
    assert calls.run(bound_to_nothing()) == abi.INVALID_PROBLEM
    assert "num_heads" in abi.message()


def test_a_struct_of_a_later_release() -> None:
    """Its size is kept; what it has beyond ours must be zero."""
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    known = ctypes.sizeof(abi.Append)
    later = abi.Append.from_buffer_copy(unbound())
    later.struct_size = known + 16
    op = bytes(later) + bytes(16)
    status, bound = calls.bind((op, ()), calls.given())
    assert status == abi.OK
    assert len(bound[0]) == known + 16
    assert abi.Append.from_buffer_copy(bound[0]).struct_size == known + 16
    assert calls.run(bound) == abi.OK
    assert_appended(problem, before)
    assert calls.append(op, None, calls.given()) == abi.OK
    asks_more = op[:-1] + b"\1"
    assert calls.append(asks_more, None, calls.given()) == abi.INVALID_PROBLEM
    assert calls.bind((asks_more, ()), calls.given()) == (abi.INVALID_PROBLEM, None)
    assert "struct_size" in abi.message()


def test_a_struct_too_small_for_what_it_would_keep() -> None:
    """The first version's has no member that says which operands are int64."""
    problem = Problem()
    calls = Calls(problem)
    first = abi.Append.addressing.offset
    op = abi.make_append(problem.case, problem.arrays)
    op.struct_size = first
    wide = calls.kind(problem.arrays["indices"].astype(np.int64))
    assert calls.bind((bytes(op)[:first], ()), calls.given(indices=wide)) == (abi.INVALID_PROBLEM, None)
    assert f"struct_size is {first}" in abi.message()
    status, bound = calls.bind((bytes(op)[:first], ()), calls.given())
    assert status == abi.OK
    assert len(bound[0]) == first


@pytest.mark.parametrize("stream", [0, 1, True, object()])
def test_a_stream_for_the_host_is_left_to_others(stream: object) -> None:
    problem = Problem()
    before = problem.snapshot()
    calls = Calls(problem)
    assert calls.append(unbound(), stream, calls.given()) == NOT_JUDGED
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize("stream", CUDA_STREAMS, ids=[type(stream).__name__ for stream in CUDA_STREAMS])
@pytest.mark.parametrize("backend", [abi.FLASHINFER, abi.BESPOKE])
def test_what_is_no_handle_is_left_to_others(stream: object, backend: int) -> None:
    calls = Calls(Problem())
    assert calls.append(unbound(backend), stream, calls.given()) == NOT_JUDGED
    assert calls.operands["key"].reads == 0


def test_references_come_and_go() -> None:
    problem = Problem()
    calls = Calls(problem)
    foreign = calls.given(key=object())
    nothing, op, option = bound_to_nothing(), unbound(), object()
    known = ((op, known_by(bits(*NAMES), True, (option,)), option),)
    watched = [*calls.given(), calls.kind, calls.describers, *foreign, known, option, *NOT_GIVEN.values()]
    wrong = calls.given(indptr=calls.operands["indices"])

    def all_ways() -> None:
        _, bound = calls.bind(nothing, calls.given())
        calls.run(calls.bind(bound, one("key", calls.operands["key"]))[1])
        holder = Holder(bound)
        assert calls.rebind(holder, BOUND_AT, key=calls.operands["key"]) == abi.OK
        assert calls.rebind(holder, BOUND_AT, indptr=calls.operands["indices"]) == abi.INVALID_PROBLEM
        assert calls.append_known(known, None, option) == abi.OK
        assert calls.append_known(known, None, option, kv_data=option) == NOT_KNOWN
        calls.append(op, None, calls.given())
        assert calls.append(op, None, foreign) == NOT_JUDGED
        assert calls.bind(nothing, foreign) == (NOT_JUDGED, None)
        assert calls.bind(nothing, wrong) == (abi.INVALID_PROBLEM, None)
        assert calls.append(op, None, wrong) == abi.INVALID_PROBLEM

    all_ways()
    gc.collect()
    before = [sys.getrefcount(thing) for thing in watched]
    for _ in range(100):
        all_ways()
    gc.collect()
    grown = [sys.getrefcount(thing) - was for thing, was in zip(watched, before, strict=True)]
    assert [count for count in grown if abs(count) > 10] == []


def test_where_there_are_no_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a library without them nor another interpreter is a reason not to work."""
    library = ctypes.CDLL(bf.library_path())
    assert sorted(builtin_calls(library)) == ["append", "append_known", "bind", "copy", "rebind", "run"]
    other: Any = object()
    assert builtin_calls(other) == {}
    without = types.SimpleNamespace(**{SYMBOL: lambda api: None})
    assert builtin_calls(without) == {}  # type: ignore[arg-type]
    monkeypatch.setattr(ctypes, "pythonapi", types.SimpleNamespace())
    assert builtin_calls(library) == {}
    monkeypatch.delattr(ctypes, "pythonapi")
    assert builtin_calls(library) == {}
