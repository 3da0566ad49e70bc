"""The built-in functions of baracuda_private_python_methods with a table of types of their own."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from baracuda_ffi._native.accelerator import Rebinding, builtin_calls
from baracuda_ffi._native.by_name import NOT_GIVEN

from ..c_abi import abi
from ..problems.problem import Problem
from .exporters import exchange_type
from .operands import NAMES

NOT_JUDGED = -1
NOT_KNOWN = -2


class Calls:
    """The functions with a table of types of their own, and operands of one type that it has."""

    def __init__(self, problem: Problem) -> None:
        self.kind = exchange_type()
        self.describers: dict[Any, Any] = {self.kind: self.kind.reader}
        functions = builtin_calls(abi.library(), self.describers)
        self.run, self._bind, self.append = functions["run"], functions["bind"], functions["append"]
        self._append_known, self._rebind = functions["append_known"], functions["rebind"]
        self.operands = {name: self.kind(array) for name, array in problem.arrays.items()}

    def bind(self, bound: Any, operands: tuple[Any, ...]) -> Any:
        return self._bind(bound, *operands)

    def append_known(self, calls: Any, stream: Any, *said: Any, **given: Any) -> Any:
        """Of the seven, with others in their place."""
        return self._append_known(calls, stream, *arguments(**(self.operands | given)), *said)

    def rebind(self, holder: Any, bound_at: int, **given: Any) -> Any:
        """No count is open."""
        return self._rebind(holder, bytes(Rebinding(bound_at)), *arguments(**given))

    def given(self, **others: Any) -> tuple[Any, ...]:
        """All seven, with some in place of others."""
        return tuple((self.operands | others)[name] for name in NAMES)


def arguments(**given: Any) -> tuple[Any, ...]:
    """Those of a call by name that are operands."""
    names = (*abi.OPERANDS, "kv_data")
    assert set(given) <= set(names)
    return tuple(given.get(name, NOT_GIVEN[name]) for name in names)


def one(name: str, operand: Any) -> tuple[Any, ...]:
    """One operand of seven, as for a rebinding."""
    return tuple(operand if each == name else None for each in NAMES)


def unbound(backend: int = abi.HOST, flags: int = abi.INFER) -> bytes:
    return bytes(abi.Append(struct_size=ctypes.sizeof(abi.Append), backend=backend, flags=flags))


def bound_to_nothing() -> tuple[bytes, tuple[Any, ...]]:
    return (unbound(), ())


def described(problem: Problem) -> dict[str, Any]:
    """The members of the op that `unbound` becomes."""
    op = abi.make_append(problem.case, problem.arrays, flags=abi.INFER)
    op.value_head_dim = op.head_dim
    return abi.describe(op)


def members(op: bytes) -> dict[str, Any]:
    return abi.describe(abi.Append.from_buffer_copy(op))


def assert_left_to_others(calls: Calls, operands: tuple[Any, ...]) -> None:
    """Neither append nor bind judges them, and no error is left, or the call would raise it."""
    assert calls.append(unbound(), None, operands) == NOT_JUDGED
    assert calls.bind(bound_to_nothing(), operands) == (NOT_JUDGED, None)


def assert_refused(calls: Calls, operands: tuple[Any, ...], status: int) -> None:
    """By append and by bind, each with a message."""
    assert calls.append(unbound(), None, operands) == status
    assert abi.message()
    assert calls.bind(bound_to_nothing(), operands) == (status, None)


def assert_answers(error: type[BaseException], calls: Calls, operands: tuple[Any, ...]) -> None:
    """Of operands whose description raises that: an Exception is an answer, what is none goes on."""
    if issubclass(error, Exception):
        assert_left_to_others(calls, operands)
        return
    with pytest.raises(error):
        calls.append(unbound(), None, operands)
    with pytest.raises(error):
        calls.bind(bound_to_nothing(), operands)
