"""Operands into an append: the one way by which every call of the package has its operands checked."""

from __future__ import annotations

from ctypes import addressof

from .._interop.tensors import tensor_of
from .._native import abi
from .._native.library import NOT_JUDGED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._interop.protocols import Stream
    from .._native.library import Bound, Library, Operands

    # Of each operand the address of its tensor, and what keeps that and the memory; None for one that stays.
    Descriptions = list[tuple[int, object] | None]

# What errors name: the function of the C library that does what the package's caller asked for, whatever ways
# the operands took to it.
BIND_SYMBOL = "baracuda_paged_kv_append_bind"
CAN_IMPLEMENT_SYMBOL = "baracuda_paged_kv_append_can_implement"
RUN_SYMBOL = "baracuda_paged_kv_append_run"


def on_stream(op: bytes, handle: int) -> bytes:
    """``op`` on another stream."""
    append = abi.Append.from_buffer_copy(op)
    append.stream = handle
    return bytes(append)


def bind(library: Library, function: str, op: bytes, operands: Operands) -> Bound:
    """Have the library check the operands against ``op``, and return it with their pointers. Raises what the
    library refused, for ``function``."""
    status, bound = library.bind_objects((op, ()), *operands)
    if status == 0:
        return bound
    if status != NOT_JUDGED:
        raise library.error(function, status)
    return bind_described(library, function, (op, ()), describe(operands))


def append_any(library: Library, op: bytes, stream: Stream, handle: int, operands: Operands) -> None:
    """Append operands, or on a stream, of kinds that ``Library.append`` may not judge as they are;
    ``handle`` is ``stream``'s. Raises what the library refused, for the function that runs."""
    # With its handle a stream may do where it did not by itself.
    status = library.append(op, None if stream is None else handle, operands)
    if status == NOT_JUDGED:
        status = library.run(bind(library, RUN_SYMBOL, on_stream(op, handle), operands))
    if status:
        raise library.error(RUN_SYMBOL, status)


class Kept:
    """An operand that was described one by one, with what keeps its description and memory."""

    __slots__ = ("keep", "operand")

    def __init__(self, operand: object, keep: object) -> None:
        self.operand = operand
        self.keep = keep


def operands_of(kept: Operands) -> Operands:
    """The operands that a bound append was given."""
    return tuple([one.operand if type(one) is Kept else one for one in kept])


def describe(operands: Operands) -> Descriptions:
    """Each operand by whatever protocol it has. Where a type's reader raised, the error names the operand,
    unless another protocol does better."""
    described: Descriptions = []
    for name, operand in zip(abi.OPERANDS, operands, strict=False):
        if operand is None:
            described.append(None)
        else:
            address, keep = tensor_of(operand, name)
            described.append((address, Kept(operand, keep)))
    return described


def bind_described(library: Library, function: str, bound: Bound, described: Descriptions) -> Bound:
    """``bound`` with what was described in place of what it had. Raises what the library refused."""
    op, before = bound[:2]
    kept = [*before, *[None] * (len(described) - len(before))]
    append = abi.Append.from_buffer_copy(op)
    pointers = abi.Pointers()
    for i, description in enumerate(described):
        if description is not None:
            pointers[i], kept[i] = description
    status = library.bind(addressof(append), addressof(pointers), len(described))
    if status:
        raise library.error(function, status)
    made: Bound = (bytes(append), tuple(kept))
    # Bound once more, with nothing in place of what it has: then no launch of it is checked again.
    status, checked = library.bind_objects(made)
    return made if status else checked
