"""baracuda_tensor over host arrays, for baracuda_paged_kv_append_bind."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

import baracuda_ffi as bf

from ..devices.bits import Array
from ..problems.elements import ALL_ELEMENTS
from . import abi

_CODES = {np.dtype(element.dtype): element.dlpack for element in ALL_ELEMENTS}
_CODE_OF_KIND = {"i": 0, "u": 1, "f": 2}


def dlpack_type(dtype: Any) -> tuple[int, int]:
    dtype = np.dtype(dtype)
    if dtype in _CODES:
        return _CODES[dtype]
    return _CODE_OF_KIND[dtype.kind], 8 * dtype.itemsize


class HostTensor:
    """One baracuda_tensor with the memory that its pointers point to. Fields may be changed before a call."""

    def __init__(self, array: Array, *, strides: bool = True, shape: tuple[int, ...] | None = None) -> None:
        shape = array.shape if shape is None else shape
        self.array = array
        self.shape = (ctypes.c_int64 * len(shape))(*shape)
        self.strides = (
            (ctypes.c_int64 * len(shape))(*(s // array.itemsize for s in array.strides)) if strides else None
        )
        code, bits = dlpack_type(array.dtype)
        self.c = abi.Tensor(
            data=array.ctypes.data,
            device_type=1,
            device_id=0,
            ndim=len(shape),
            type_code=code,
            type_bits=bits,
            type_lanes=1,
            shape=self.shape,
            strides=self.strides,
            byte_offset=0,
        )


def as_view(array: Array, *, ptr: int | None = None, device: int | None = None) -> bf.TensorView:
    """The package's own, of the array's type, shape and strides; at `ptr` on a device, if given."""
    kinds: dict[Any, Any] = {np.dtype(e.dtype): bf.ElementKind[e.kind] for e in ALL_ELEMENTS}
    return bf.TensorView(
        ptr=array.ctypes.data if ptr is None else ptr,
        shape=array.shape,
        strides=tuple(stride // array.itemsize for stride in array.strides),
        element=kinds.get(array.dtype, f"i{8 * array.itemsize}"),
        device=device,
    )


def pointers(tensors: dict[str, HostTensor], count: int = len(abi.OPERANDS)) -> Any:
    """The array of operands that baracuda_paged_kv_append_bind takes; what is not named is NULL."""
    names = abi.OPERANDS[:count] + (None,) * (count - len(abi.OPERANDS))
    return (ctypes.c_void_p * count)(
        *(ctypes.addressof(tensors[name].c) if name in tensors else None for name in names)
    )


def bind(op: abi.Append, tensors: dict[str, HostTensor], count: int = len(abi.OPERANDS)) -> int:
    """baracuda_paged_kv_append_bind with an array of `count` operands."""
    function = abi.library().baracuda_paged_kv_append_bind
    return int(function(ctypes.addressof(op), pointers(tensors, count), count))
