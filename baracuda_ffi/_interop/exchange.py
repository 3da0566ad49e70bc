"""DLPack's C exchange table: a type's own C function that describes its objects, with no capsule in between.

A type that has it carries a capsule ``__dlpack_c_exchange_api__`` (DLPack 1.2 and later, torch since 2.10 or
so). The function fills a DLTensor, which is a ``baracuda_tensor``, so the library calls it for all operands
itself.
"""

from __future__ import annotations

import ctypes

from .._model.foreign import passes
from .._native import abi
from .._native.python_api import capsule_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DLPACK_MAJOR = 1
_ATTRIBUTE = "__dlpack_c_exchange_api__"


class _Table(ctypes.Structure):
    """struct DLPackExchangeAPI. Its first three members are its stable header; functions may be NULL."""

    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("prev_api", ctypes.c_void_p),
        ("managed_tensor_allocator", ctypes.c_void_p),
        ("managed_tensor_from_py_object_no_sync", ctypes.c_void_p),
        ("managed_tensor_to_py_object_no_sync", ctypes.c_void_p),
        ("dltensor_from_py_object_no_sync", ctypes.c_void_p),
        ("current_work_stream", ctypes.c_void_p),
    )


# int (*)(void *py_object, DLTensor *out): 0, or -1 with a Python exception set, which ctypes raises.
_READER = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)


def read(reader: int, operand: object, tensor: abi.Tensor) -> None:
    """Describe one operand. The shape and strides are borrowed from it. Raises whatever the reader raised."""
    call: Callable[[object, int], int] = _READER(reader)
    if call(operand, ctypes.addressof(tensor)) != 0:
        raise BufferError(f"{type(operand).__name__} could not be described")


def find_reader(kind: type) -> int:
    """The address of the type's reader, 0 if it has none."""
    # A subclass that overrides __dlpack__ means something else by itself than the table that it inherits
    # does.
    for base in kind.__mro__:
        capsule = base.__dict__.get(_ATTRIBUTE)
        if capsule is not None:
            return _reader_in(capsule)
        if "__dlpack__" in base.__dict__:
            return 0
    return 0


def _reader_in(capsule: object) -> int:
    try:
        address = capsule_pointer(capsule, b"dlpack_exchange_api")
    except Exception as error:  # not a capsule, or one of another name: the type's other protocols may do
        if passes(error):
            raise
        return 0
    while address:
        table = _Table.from_address(address)
        if table.major == _DLPACK_MAJOR:
            return table.dltensor_from_py_object_no_sync or 0
        address = table.prev_api
    return 0
