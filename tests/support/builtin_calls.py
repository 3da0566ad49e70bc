"""The built-in functions of baracuda_python_methods with a table of types of their own."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from baracuda_ffi._native.accelerator import builtin_calls

from . import abi
from .exporters import exchange_type
from .operands import NAMES
from .problem import Problem


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


def unbound(backend: int = abi.HOST) -> bytes:
    op = abi.Append(struct_size=ctypes.sizeof(abi.Append), backend=backend, length_convention=0)
    return bytes(op)


def bound_to_nothing() -> tuple[Any, ...]:
    return (unbound(), *[None] * len(NAMES))


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
