"""Exceptions that come out of other people's code: an operand's, a stream's, a number's."""

from __future__ import annotations

import sys

from .errors import invalid_problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    from .errors import InvalidProblem


def refusal(function: str, message: str, error: Exception) -> InvalidProblem:
    """What to raise for one that does not pass."""
    return invalid_problem(function, f"{message}: {_in_a_line(error)}")


def passes(error: BaseException) -> bool:
    """Whether it says nothing of the caller's argument, and so goes on as it is: there is no memory, or a
    signal handler raised it while that code ran."""
    return isinstance(error, MemoryError) or _is_of_a_signal_handler(error)


def _in_a_line(error: BaseException) -> str:
    """Some carry a stack trace in their text, and some cannot be put into words."""
    try:
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    except Exception:
        return type(error).__name__


def _is_of_a_signal_handler(error: BaseException) -> bool:
    signal = sys.modules.get("signal")
    if signal is None:  # nobody has set a handler
        return False
    handlers = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in handlers:
            return True
        traceback = traceback.tb_next
    return False


def _code_of(handler: object) -> CodeType | None:
    """Of a function, a method, a partial, or an object that can be called; None for what is not Python's."""
    for called in (handler, getattr(handler, "func", None), getattr(type(handler), "__call__", None)):  # noqa: B004
        code: CodeType | None = getattr(called, "__code__", None)
        if code is not None:
            return code
    return None
