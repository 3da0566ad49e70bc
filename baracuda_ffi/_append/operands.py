"""Operands into an append: the one way by which every call of the package has its operands checked."""

from __future__ import annotations

from ctypes import addressof

from .._interop.tensors import tensor_of
from .._native import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._native.library import Library

    # The seven, in the order of abi.OPERANDS.
    Operands = tuple[object, ...]

    # A baracuda_paged_kv_append as bytes, and for each of its operands what keeps the memory, or None where
    # it has no pointer. Never changed, so that a launch on another thread sees all of it or none.
    Bound = tuple[Any, ...]

_FUNCTION = "baracuda_paged_kv_append_bind"
_NOTHING = (None,) * abi.NUM_OPERANDS


def on_stream(op: bytes, handle: int) -> bytes:
    """``op`` on another stream."""
    append = abi.Append.from_buffer_copy(op)
    append.stream = handle
    return bytes(append)


def bind(library: Library, op: bytes, operands: Operands) -> Bound:
    """Have the library check all seven operands against ``op``, and return it with their pointers. Raises
    what the library refused."""
    bound = (op, *_NOTHING)
    result = library.bind_objects(bound, *operands)
    return result if type(result) is tuple else judged(library, bound, operands, result)


def judged(library: Library, bound: Bound, operands: Operands, result: object) -> Bound:
    """What ``bind_objects`` means by a result that is no tuple: an error, or that each operand is to be
    described by whatever protocol it has; one that is None and was bound before stays. Where a type's reader
    raised, the error then names the operand, unless another protocol does better."""
    if type(result) is int:
        raise library.error(_FUNCTION, result)
    kept = list(bound[1:])
    op = abi.Append.from_buffer_copy(bound[0])
    pointers = abi.Pointers()
    for i, (name, operand) in enumerate(zip(abi.OPERANDS, operands, strict=True)):
        if operand is not None or kept[i] is None:
            pointers[i], kept[i] = tensor_of(operand, name)
    status = library.bind(addressof(op), addressof(pointers))
    if status:
        raise library.error(_FUNCTION, status)
    return bytes(op), *kept
