"""The sized struct: older and newer callers, what the library reads of them, and what it never writes."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from support.c_abi import abi
from support.devices.host_memory import aligned
from support.problems.problem import Problem, assert_appended, assert_unchanged

SIZE = ctypes.sizeof(abi.Append)
#: Up to `stream`: what every caller knows.
LEAST = 120


def in_a_buffer(op: abi.Append, size: int, tail: bytes = b"") -> np.ndarray:
    """The struct in memory of exactly `size` bytes, so that a sanitizer sees a read past it."""
    buffer = aligned((size,), np.uint8)
    buffer[:] = np.frombuffer((bytes(op) + tail)[:size].ljust(size, b"\0"), np.uint8)
    buffer[:4].view(np.uint32)[0] = size
    return buffer


def call(name: str, buffer: np.ndarray) -> int:
    return int(getattr(abi.library(), f"baracuda_paged_kv_append_{name}")(buffer.ctypes.data))


def test_the_size_is_what_every_64_bit_caller_computes() -> None:
    assert SIZE == 408
    assert abi.Append.stream.offset + 8 == LEAST
    assert ctypes.sizeof(abi.ErrorRecord) == 64


@pytest.mark.parametrize("size", range(LEAST, SIZE, 8))
def test_an_older_caller(size: int) -> None:
    """What it does not know is 0: both parts, packed, int32, one width."""
    problem = Problem()
    before = problem.snapshot()
    buffer = in_a_buffer(abi.make_append(problem.case, problem.arrays), size)
    assert call("can_implement", buffer) == abi.OK, abi.message()
    assert call("run", buffer) == abi.OK, abi.message()
    assert_appended(problem, before)


@pytest.mark.parametrize("extra", [8, 16, 64, 4096])
def test_a_newer_caller_that_asks_for_nothing_new(extra: int) -> None:
    problem = Problem()
    before = problem.snapshot()
    buffer = in_a_buffer(abi.make_append(problem.case, problem.arrays), SIZE + extra)
    assert call("can_implement", buffer) == abi.OK, abi.message()
    assert call("run", buffer) == abi.OK, abi.message()
    assert_appended(problem, before)


@pytest.mark.parametrize("extra", [8, 64])
def test_a_newer_caller_that_asks_for_something_new(extra: int) -> None:
    """One bit anywhere beyond what the library knows, the first and the last byte included."""
    problem = Problem()
    before = problem.snapshot()
    op = abi.make_append(problem.case, problem.arrays)
    for at in range(extra):
        tail = bytearray(extra)
        tail[at] = 0x80
        buffer = in_a_buffer(op, SIZE + extra, bytes(tail))
        for name in ("can_implement", "run", "preload"):
            status = (
                int(abi.library().baracuda_paged_kv_append_preload(buffer.ctypes.data, None))
                if name == "preload"
                else call(name, buffer)
            )
            assert status == abi.INVALID_PROBLEM
            for part in ("struct_size", str(SIZE + extra), str(SIZE + at)):
                assert part in abi.message()
    assert_unchanged(problem.arrays, before)


@pytest.mark.parametrize(
    "size", [0, 1, 4, 8, 48, LEAST - 8, LEAST - 1, LEAST + 1, LEAST + 4, SIZE - 1, SIZE + 1, SIZE + 4, 65544]
)
def test_a_size_that_no_version_had(size: int) -> None:
    problem = Problem()
    before = problem.snapshot()
    buffer = in_a_buffer(abi.make_append(problem.case, problem.arrays), max(size, 4))
    buffer[:4].view(np.uint32)[0] = size
    for name in ("can_implement", "run"):
        assert call(name, buffer) == abi.INVALID_PROBLEM
        for part in ("struct_size", str(size), str(SIZE)):
            assert part in abi.message()
    assert_unchanged(problem.arrays, before)


def test_the_struct_is_only_read() -> None:
    problem = Problem()
    op = abi.make_append(problem.case, problem.arrays)
    before = bytes(op)
    assert abi.can_implement(op) == abi.OK, abi.message()
    assert abi.run(op) == abi.OK, abi.message()
    assert bytes(op) == before
