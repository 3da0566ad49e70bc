"""Operands into an append: the one way by which every call of the package has its operands checked."""

from __future__ import annotations

from ctypes import addressof

from . import _abi, _exchange
from ._tensors import tensor_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._library import Library

    Operands = tuple[object, ...]


def bind(library: Library, op: int, operands: Operands) -> Operands:
    """Have the library check all seven operands against the append at address ``op``, and store their
    pointers.

    Returns what must live as long as the pointers are used, one entry an operand. Raises what the library
    refused; the append is then as it was.
    """
    reader = _exchange.shared_reader(operands)
    if not reader:
        return bind_each(library, op, operands)
    try:
        status = library.bind_objects(op, id(operands) + _exchange.ITEMS_OFFSET, reader)
    except Exception:  # the reader's
        return bind_each(library, op, operands)
    if status:
        raise library.error("baracuda_paged_kv_append_bind_objects", status)
    return operands


def bind_each(library: Library, op: int, operands: Operands, kept: Operands | None = None) -> Operands:
    """Each operand by whatever protocol it has. Also the second try where a type's reader raised: the error
    then names the operand, unless another protocol does better.

    With ``kept``, what an earlier call returned for this append, an operand that is None stays.
    """
    keep: list[object] = list(kept or operands)
    pointers = _abi.Pointers()
    for i, (name, operand) in enumerate(zip(_abi.OPERANDS, operands, strict=True)):
        if operand is not None or kept is None:
            pointers[i], keep[i] = tensor_of(operand, name)
    status = library.bind(op, addressof(pointers))
    if status:
        raise library.error("baracuda_paged_kv_append_bind", status)
    return tuple(keep)
