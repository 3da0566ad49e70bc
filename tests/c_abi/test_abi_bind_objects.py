"""baracuda_paged_kv_append_bind_objects: the same operands, described by a reader of the caller's."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from support import abi
from support.operands import NAMES
from support.problem import Problem, assert_appended
from support.tensors import HostTensor


def bind_objects(op: abi.Append, objects: Any, reader: Any) -> int:
    function = ctypes.PyDLL(abi.library()._name).baracuda_paged_kv_append_bind_objects
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return int(function(ctypes.addressof(op), objects, ctypes.cast(reader, ctypes.c_void_p)))


class Objects:
    """Handles 1 to 7 stand for the operands; the reader looks them up."""

    def __init__(self, problem: Problem, fails_at: str | None = None) -> None:
        self.tensors = {name: HostTensor(problem.arrays[name]) for name in NAMES}
        self.read: list[str] = []
        self.handles = (ctypes.c_void_p * len(NAMES))(*range(1, len(NAMES) + 1))

        def reader(handle: int, out: Any) -> int:
            name = NAMES[handle - 1]
            self.read.append(name)
            if name == fails_at:
                return -1
            out[0] = self.tensors[name].c
            return 0

        self.reader = abi.Reader(reader)


def test_every_object_is_read_once() -> None:
    problem = Problem()
    before = problem.snapshot()
    objects = Objects(problem)
    op = abi.Append(struct_size=ctypes.sizeof(abi.Append), backend=abi.HOST)
    assert bind_objects(op, objects.handles, objects.reader) == abi.OK, abi.message()
    assert sorted(objects.read) == sorted(NAMES)
    assert bytes(op) == bytes(abi.make_append(problem.case, problem.arrays))
    assert abi.run(op) == abi.OK, abi.message()
    assert_appended(problem, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_that_fails(name: str) -> None:
    problem = Problem()
    objects = Objects(problem, fails_at=name)
    op = abi.make_append(problem.case, problem.arrays)
    before = bytes(op)
    assert bind_objects(op, objects.handles, objects.reader) == abi.INVALID_PROBLEM
    assert name in abi.message()
    assert bytes(op) == before


@pytest.mark.parametrize("name", NAMES)
def test_an_object_that_is_null_is_not_read(name: str) -> None:
    problem, other = Problem(), Problem(seed=3)
    objects = Objects(other)
    objects.handles[NAMES.index(name)] = None
    op = abi.make_append(problem.case, problem.arrays)
    assert bind_objects(op, objects.handles, objects.reader) == abi.OK, abi.message()
    assert name not in objects.read
    assert bytes(op) == bytes(abi.make_append(other.case, other.arrays | {name: problem.arrays[name]}))


def test_null_arguments() -> None:
    problem = Problem()
    objects = Objects(problem)
    op = abi.make_append(problem.case, problem.arrays)
    assert bind_objects(op, None, objects.reader) == abi.INVALID_PROBLEM
    assert "objects" in abi.message()
    assert bind_objects(op, objects.handles, None) == abi.INVALID_PROBLEM
    assert "reader" in abi.message()
    assert objects.read == []
