"""What a refusal is: how to provoke it on an append that is otherwise right, of whom, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..c_abi import abi
from ..c_abi.abi import Append

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)


@dataclass(frozen=True)
class Caller:
    """Who asks for the append: refusals differ by it."""

    name: str
    backend: int
    flags: int = 0


HOST = Caller("host", abi.HOST)
HOST_GUARDED = Caller("host-guarded", abi.HOST, abi.GUARDED)
HOST_MIRRORED = Caller("host-mirrored", abi.HOST, abi.MIRRORED)
FLASHINFER = Caller("flashinfer", abi.FLASHINFER)
FLASHINFER_MIRRORED = Caller("flashinfer-mirrored", abi.FLASHINFER, abi.MIRRORED)
BESPOKE = Caller("bespoke", abi.BESPOKE, abi.GUARDED)

CALLERS = (HOST, HOST_GUARDED, HOST_MIRRORED, FLASHINFER, FLASHINFER_MIRRORED, BESPOKE)
MIRRORED = (HOST_MIRRORED, FLASHINFER_MIRRORED)
GENERAL = (HOST, HOST_GUARDED, FLASHINFER, BESPOKE)
GUARDED = (HOST_GUARDED, BESPOKE)
UNGUARDED = (HOST, HOST_MIRRORED, FLASHINFER, FLASHINFER_MIRRORED)
ON_HOST = (HOST, HOST_GUARDED, HOST_MIRRORED)
ON_FLASHINFER = (FLASHINFER, FLASHINFER_MIRRORED)
OURS = (HOST, HOST_GUARDED, BESPOKE)

Spoil = Callable[[Append], None]
Says = tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """`spoil` makes the append wrong; `says` are what the message must contain: operand, value,
    expectation, and what to call instead where there is something.
    """

    name: str
    #: A line of the header's list: refusals of one line may be checked in any order.
    line: int
    status: int
    spoil: Spoil
    says: Says
    callers: tuple[Caller, ...] = CALLERS
    #: Fields and operands that it changes, so that two refusals can be provoked at once.
    changes: frozenset[str] = frozenset()
    #: True: it needs strides to be read; False: it needs that they are not; None: either.
    strided: bool | None = None

    def goes_with(self, other: Refusal) -> bool:
        if self.changes & other.changes:
            return False
        return None in (self.strided, other.strided) or self.strided == other.strided


def setting(**values: int) -> Spoil:
    def spoil(op: Append) -> None:
        for name, value in values.items():
            setattr(op, name, value)

    return spoil


def one_field(
    line: int, status: int, name: str, value: int, *says: str, callers: tuple[Caller, ...] = CALLERS
) -> Refusal:
    said = (name, str(value), *says)
    spoil = setting(**{name: value})
    return Refusal(f"{name}={value}", line, status, spoil, said, callers, frozenset({name}))


def some_fields(
    line: int, status: int, name: str, callers: tuple[Caller, ...], says: Says, **values: int
) -> Refusal:
    return Refusal(name, line, status, setting(**values), says, callers, frozenset(values))


def pack(op: Append) -> None:
    """Strides that say what is so without them."""
    op.flags |= abi.STRIDED
    heads, width, slots = op.num_heads, op.head_dim, op.page_size
    op.key_strides[:] = op.value_strides[:] = (heads * width, width)
    heads_first = op.layout == abi.LAYOUTS["HND"]
    in_page = (width, slots * width) if heads_first else (heads * width, width)
    op.k_data_strides[:] = op.v_data_strides[:] = (heads * slots * width, *in_page)


def some_strides(
    line: int,
    status: int,
    name: str,
    callers: tuple[Caller, ...],
    says: Says,
    **strides: dict[int, int],
) -> Refusal:
    """Packed strides, but for these: operand to dimension to stride."""

    def spoil(op: Append) -> None:
        if not op.flags & abi.STRIDED:
            pack(op)
        for operand, changes in strides.items():
            for dimension, stride in changes.items():
                getattr(op, f"{operand}_strides")[dimension] = stride

    return Refusal(name, line, status, spoil, says, callers, frozenset(strides), strided=True)
