"""What the library's built-in functions take of a call by name: an argument for each thing that it could
have, given or not.

A Python function hands that on fastest with a parameter each: a dictionary of what was given takes longer to
make, and to look through, the more there is in it. None of the parameters is keyword-only, since CPython
looks up each of those that is not given. So such a function stands before the one that is declared, which
refuses what should not be by position.
"""

from __future__ import annotations

from ctypes import c_uint64, c_void_p

from . import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., None])

# What a call says besides operands and a stream.
OPTIONS = (
    "layout",
    "length_convention",
    "guarded",
    "backend",
    "transform",
    "element",
    "skip_slot",
    "error_record",
)
# The parameter behind those that may be given by position: no call that is right gives it.
BEYOND = "beyond"
# In the order in which the library takes them.
ARGUMENTS = ("stream", *abi.OPERANDS, "kv_data", *OPTIONS, BEYOND)


class _NotGiven:
    __slots__ = ()

    def __repr__(self) -> str:
        return "<not given>"


# What stands for an argument that is not given: an object each. CPython before 3.12 counts None's references,
# one after the other, which for twenty arguments takes longer than all else that is done with them.
NOT_GIVEN = {name: _NotGiven() for name in ARGUMENTS}


def standing_before(declared: F, function: Callable[..., None]) -> F:
    """``function``, whose parameters are some of ``ARGUMENTS``, with ``declared``'s name, docstring and
    signature, and with what stands for each parameter by default."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    function.__defaults__ = tuple([NOT_GIVEN[name] for name in names if name in NOT_GIVEN])
    # As functools.wraps does: nothing else that a first append needs loads functools, which takes time.
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(function, name, getattr(declared, name))
    function.__wrapped__ = declared  # type: ignore[attr-defined]
    return function  # type: ignore[return-value]


def given_of(
    names: tuple[str, ...], arguments: tuple[Any, ...], by_position: tuple[str, ...]
) -> tuple[list[Any], dict[str, Any]]:
    """What such a function was given, for the declared one: all by name, unless too much was by position.
    ``names``, of ``ARGUMENTS``, end with ``BEYOND``."""
    named = {
        name: value for name, value in zip(names, arguments, strict=True) if value is not NOT_GIVEN[name]
    }
    if BEYOND not in named:
        return [], named
    first = (*by_position, BEYOND)
    return [named.get(name) for name in first], {name: named[name] for name in named if name not in first}


_ON_HOST = 1 << 63  # BARACUDA_PRIVATE_ON_HOST


def known_by(given: int, on_host: bool, said: Sequence[object]) -> bytes:
    """What the library knows a call by: a bit for each of ``abi.OPERANDS``, whether it is given, and whether
    the stream is None; and the addresses of what it has behind kv_data, which somebody keeps."""
    addresses = (c_void_p * len(said))(*[id(one) for one in said])
    return bytes(c_uint64(given | (_ON_HOST if on_host else 0))) + bytes(addresses)
