"""Operands into an append: the one way by which every call of the package has its operands checked."""

from __future__ import annotations

from ctypes import addressof

from .._interop.tensors import tensor_of
from .._native import abi
from .._native.library import NOT_JUDGED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._model.errors import BaracudaError
    from .._native.library import Bound, Library, Operands

    # Of each operand the address of its tensor, and what keeps that and the memory; None for one that stays.
    Descriptions = list[tuple[int, object] | None]

BIND = "baracuda_paged_kv_append_bind"


def on_stream(op: bytes, handle: int) -> bytes:
    """``op`` on another stream."""
    append = abi.Append.from_buffer_copy(op)
    append.stream = handle
    return bytes(append)


def bind(library: Library, op: bytes, operands: Operands) -> Bound:
    """Have the library check the operands against ``op``, and return it with their pointers. Raises what the
    library refused."""
    status, bound = library.bind_objects((op, ()), operands)
    if status == 0:
        return bound
    if status != NOT_JUDGED:
        raise refusal(library, BIND, status, operands)
    return bind_described(library, (op, ()), operands, describe(operands))


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


def bind_described(library: Library, bound: Bound, operands: Operands, described: Descriptions) -> Bound:
    """``bound`` with what was described in place of what it had. Raises what the library refused."""
    op, before = bound
    kept = [*before, *[None] * (len(described) - len(before))]
    append = abi.Append.from_buffer_copy(op)
    pointers = abi.Pointers()
    for i, description in enumerate(described):
        if description is not None:
            pointers[i], kept[i] = description
    status = library.bind(addressof(append), addressof(pointers), len(described))
    if status:
        raise refusal(library, BIND, status, operands)
    return bytes(append), tuple(kept)


def refusal(library: Library, function: str, status: int, operands: Operands) -> BaracudaError:
    """The error for what the library refused; where the package's caller gave None for an operand, the
    library calls that NULL."""
    error = library.error(function, status)
    name = error.message.partition(" is NULL; ")[0]
    if name in abi.OPERANDS[: len(operands)] and operands[abi.OPERANDS.index(name)] is None:
        error.message = f"{name} is None; it should be an array, or a TensorView"
        error.args = (error.code, error.function, error.message)
    return error
