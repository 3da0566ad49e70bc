"""Operands into an append: the one way by which every call of the package has its operands checked."""

from __future__ import annotations

from ctypes import addressof, sizeof

from . import _abi, _exchange, _tensors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._library import Library

    Operands = tuple[object, ...]

_TENSOR_BYTES = sizeof(_abi.Tensor)


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


def rebind(library: Library, op: int, operands: Operands, kept: Operands) -> Operands:
    """The same for an append that is bound: an operand that is None stays, and so does its entry of
    ``kept``."""
    given = [operand for operand in operands if operand is not None]
    if not given:
        return kept
    kind = type(given[0])
    reader = _exchange.reader_of(kind)
    if not reader or any(type(operand) is not kind for operand in given):
        return bind_each(library, op, operands, kept)
    objects = _abi.Pointers(*[None if operand is None else id(operand) for operand in operands])
    try:
        status = library.bind_objects(op, addressof(objects), reader)
    except Exception:  # the reader's
        return bind_each(library, op, operands, kept)
    if status:
        raise library.error("baracuda_paged_kv_append_bind_objects", status)
    return tuple([old if operand is None else operand for operand, old in zip(operands, kept, strict=True)])


def bind_each(library: Library, op: int, operands: Operands, kept: Operands | None = None) -> Operands:
    """Each operand by whatever protocol it has. Also the second try where a type's reader raised: the error
    then names the operand, unless another protocol does better. With ``kept``, an operand that is None
    stays."""
    keep: list[object] = list(kept or operands)
    tensors = _abi.Tensors()
    pointers = _abi.Pointers()
    first = addressof(tensors)
    for i, operand in enumerate(operands):
        if operand is None and kept is not None:
            continue
        keep[i] = _tensors.describe(operand, _abi.OPERANDS[i], tensors[i])
        pointers[i] = first + i * _TENSOR_BYTES
    status = library.bind(op, addressof(pointers))
    if status:
        raise library.error("baracuda_paged_kv_append_bind", status)
    return tuple(keep)
