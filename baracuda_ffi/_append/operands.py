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

    # Of each operand the address of its tensor, and what keeps that and the memory; None for one that stays.
    Descriptions = list[tuple[int, object] | None]

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
    if type(result) is tuple:
        return result
    return bind_described(library, bound, describe(library, bound, operands, result))


def describe(library: Library, bound: Bound, operands: Operands, result: object) -> Descriptions:
    """What ``bind_objects`` means by a result that is no tuple: an error, or that each operand is to be
    described by whatever protocol it has; one that is None and was bound before stays. Where a type's reader
    raised, the error then names the operand, unless another protocol does better."""
    if type(result) is int:
        raise library.error(_FUNCTION, result)
    return [
        tensor_of(operand, name) if operand is not None or kept is None else None
        for name, operand, kept in zip(abi.OPERANDS, operands, bound[1:], strict=True)
    ]


def bind_described(library: Library, bound: Bound, described: Descriptions) -> Bound:
    """``bound`` with what was described in place of what it had. Raises what the library refused."""
    kept = list(bound[1:])
    op = abi.Append.from_buffer_copy(bound[0])
    pointers = abi.Pointers()
    for i, description in enumerate(described):
        if description is not None:
            pointers[i], kept[i] = description
    status = library.bind(addressof(op), addressof(pointers))
    if status:
        raise library.error(_FUNCTION, status)
    return bytes(op), *kept
