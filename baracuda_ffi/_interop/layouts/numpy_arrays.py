"""NumPy's arrays for the library's built-in functions: what exports them, and where they say what they are.

An export makes and frees a capsule, which takes longer than all that an append asks of an array. An array has
what describes it at places that are NumPy's ABI (``PyArrayObject_fields``), the same in every release;
whether they are so here is looked at in a few arrays once.
"""

from __future__ import annotations

import ctypes
import sys

from ..._model.foreign import passes
from ..._native import abi
from ..._native.accelerator import ArrayLayout, ArrayType, describers
from ..described import NAMED_TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# NumPy's flags.
_WRITEABLE = 0x400
_WARN_ON_WRITE = 1 << 31

# By the names of NumPy's own types, and of those that ml_dtypes gives it, DLPack's codes.
_OWN_CODES = {
    "float16": abi.TYPE_FLOAT,
    "float32": abi.TYPE_FLOAT,
    "int32": abi.TYPE_INT,
    "int64": abi.TYPE_INT,
    "uint8": abi.TYPE_UINT,
    "int8": abi.TYPE_INT,
}
_CODES = _OWN_CODES | {name: code for name, (code, _) in NAMED_TYPES.items()}
_PLACES = {name: place for place, name in enumerate(_CODES)}

# The dtypes by whose addresses types are known, as they are met: ml_dtypes may be imported after the first
# append. Of one that has not been met there is an address that is no dtype's; behind the last there is none.
_dtypes: dict[str, Any] = {}
_types = (ArrayType * (len(_CODES) + 1))(*[ArrayType(id(_dtypes))] * len(_CODES))


def read_too(numpy: Any, dtype: Any) -> None:
    """Arrays of a dtype, which is its type's own and no copy of it, are read from now on."""
    name = dtype.type.__name__
    if name in _CODES and dtype is numpy.dtype(dtype.type) and _dtypes.setdefault(name, dtype) is dtype:
        _types[_PLACES[name]] = ArrayType(id(dtype), _CODES[name], dtype.itemsize.bit_length() - 1)


def exporter_of(numpy: Any) -> Callable[[Any], object]:
    """The function that exports an array."""
    exporter: Callable[[Any], object] = numpy.ndarray.__dlpack__
    layout = _layout(numpy)
    if layout is not None:
        describers.setdefault(exporter, bytes(layout))
    return exporter


def _layout(numpy: Any) -> ArrayLayout | None:
    """None where that cannot be told, or where another thread may change an array while it is read."""
    if sys.implementation.name != "cpython" or "t" in getattr(sys, "abiflags", ""):
        return None
    head, word = object.__basicsize__, ctypes.sizeof(ctypes.c_void_p)
    members = ("data", "rank", "extents", "strides", "base", "type", "flags")
    layout = ArrayLayout(**{name: head + i * word for i, name in enumerate(members)})
    layout.wanted_flags, layout.unwanted_flags = _WRITEABLE, _WARN_ON_WRITE
    layout.types = ctypes.addressof(_types)
    try:
        for name in _OWN_CODES:
            read_too(numpy, numpy.dtype(name))
        whole = numpy.zeros((3, 4, 5), numpy.float16)
        frozen = numpy.zeros(6, numpy.int32)
        frozen.flags.writeable = False
        arrays = (whole, whole[1:, ::-2], whole.transpose(2, 0, 1), frozen, numpy.zeros((), numpy.uint8))
        return layout if all(_is_at(layout, array) for array in arrays) else None
    except Exception as error:  # of a NumPy that is made otherwise
        if passes(error):
            raise
        return None


def _is_at(layout: ArrayLayout, array: Any) -> bool:
    """Whether an array has what describes it where the layout says."""

    def word(offset: int) -> int:
        return ctypes.c_uint64.from_address(id(array) + offset).value

    def int32(offset: int) -> int:
        return ctypes.c_int32.from_address(id(array) + offset).value

    def int64s(offset: int) -> tuple[int, ...]:
        return tuple((ctypes.c_int64 * array.ndim).from_address(word(offset))) if array.ndim else ()

    return (
        word(layout.data) == array.__array_interface__["data"][0]
        and int32(layout.rank) == array.ndim
        and int64s(layout.extents) == array.shape
        and int64s(layout.strides) == array.strides
        and word(layout.base) == (0 if array.base is None else id(array.base))
        and word(layout.type) == id(array.dtype)
        and bool(int32(layout.flags) & _WRITEABLE) == array.flags.writeable
    )
