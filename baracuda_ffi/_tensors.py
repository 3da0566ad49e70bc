"""From an operand, whatever it is, to a ``baracuda_tensor``.

Only what the C library cannot see is judged here: whether the object describes memory at all, whether that
may be written, and types that DLPack has no number for. Shapes, strides, types and devices are the library's
to check.
"""

from __future__ import annotations

import sys
from ctypes import addressof, c_int64

from . import _abi, _dlpack, _exchange
from ._arguments import describe as describe_value
from ._arguments import reason
from .enums import ElementKind
from .errors import BaracudaError, Unsupported, invalid_problem, unsupported
from .tensor_view import TensorView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_ME = "PagedKvAppendArgs"

_ELEMENT_TYPES: dict[object, tuple[int, int]] = {
    ElementKind.F16: (_abi.TYPE_FLOAT, 16),
    ElementKind.BF16: (_abi.TYPE_BFLOAT, 16),
    ElementKind.F32: (_abi.TYPE_FLOAT, 32),
    ElementKind.FP8_E4M3: (_abi.TYPE_FLOAT8_E4M3FN, 8),
    ElementKind.FP8_E5M2: (_abi.TYPE_FLOAT8_E5M2, 8),
    "i32": (_abi.TYPE_INT, 32),
}

# By the name of a NumPy scalar type, for types that NumPy's own notation has no letter for (ml_dtypes').
_NAMED_TYPES = {
    "bfloat16": _ELEMENT_TYPES[ElementKind.BF16],
    "float8_e4m3fn": _ELEMENT_TYPES[ElementKind.FP8_E4M3],
    "float8_e5m2": _ELEMENT_TYPES[ElementKind.FP8_E5M2],
}

_KINDS = {
    "f": _abi.TYPE_FLOAT,
    "i": _abi.TYPE_INT,
    "u": _abi.TYPE_UINT,
    "c": _abi.TYPE_COMPLEX,
    "b": _abi.TYPE_BOOL,
}

_NATIVE_ORDER = "<" if sys.byteorder == "little" else ">"


def describe(operand: Any, name: str, tensor: _abi.Tensor) -> object:
    """Fill ``tensor`` and return what must live as long as it, and its memory, are used.

    Protocols in order: ``TensorView``, DLPack's C table, NumPy, ``__dlpack__``, ``__cuda_array_interface__``.
    No protocol is asked to synchronise. Raises ``InvalidProblem`` or ``Unsupported``, naming the operand.
    """
    if isinstance(operand, TensorView):
        return _describe_view(operand, tensor)
    kind = type(operand)
    try:
        if reader := _exchange.reader_of(kind):
            _exchange.read(reader, operand, tensor)
            return operand
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(operand, numpy.ndarray):
            return _describe_numpy(operand, name, tensor)
        if hasattr(operand, "__dlpack__"):
            export = _dlpack.export(operand, tensor)
            _check_writable(name, operand, export.read_only)
            return operand, export
        interface = getattr(operand, "__cuda_array_interface__", None)
        if interface is not None:
            return _describe_cuda_array(operand, interface, name, tensor)
    except BaracudaError:
        raise
    except Exception as error:
        raise invalid_problem(
            _ME, f"{name}, {describe_value(operand)}, could not be described: {reason(error)}"
        ) from error
    raise invalid_problem(
        _ME,
        f"{name} is {describe_value(operand)}; it should be a NumPy array, an object with __dlpack__ or "
        "__cuda_array_interface__, or a TensorView",
    )


def _describe_view(view: TensorView, tensor: _abi.Tensor) -> object:
    return _fill(
        tensor,
        pointer=view.ptr,
        device=(_abi.DEVICE_HOST, 0) if view.device is None else (_abi.DEVICE_CUDA, view.device),
        element=_ELEMENT_TYPES[view.element],
        shape=view.shape,
        strides=view.strides,
    )


def _describe_numpy(array: Any, name: str, tensor: _abi.Tensor) -> object:
    interface = array.__array_interface__
    pointer, read_only = interface["data"]
    _check_writable(name, array, read_only)
    dtype = array.dtype
    named = _NAMED_TYPES.get(dtype.type.__name__)
    element = named if named and dtype.isnative else _parse(interface["typestr"], name, dtype)
    strides = _in_elements(interface["strides"], dtype.itemsize, name)
    return array, _fill(tensor, pointer, (_abi.DEVICE_HOST, 0), element, interface["shape"], strides)


def _describe_cuda_array(
    array: object, interface: Mapping[str, Any], name: str, tensor: _abi.Tensor
) -> object:
    if interface.get("mask") is not None:
        raise unsupported(_ME, f"{name} has a mask; it should be an array without one")
    pointer, read_only = interface["data"]
    _check_writable(name, array, read_only)
    typestr = interface["typestr"]
    element = _parse(typestr, name, typestr)
    strides = _in_elements(interface.get("strides"), element[1] // 8, name)
    # The interface does not say on which device the memory is: the library asks the driver.
    device = (_abi.DEVICE_CUDA, _abi.ASK_THE_DRIVER)
    return array, _fill(tensor, int(pointer or 0), device, element, interface["shape"], strides)


def _fill(
    tensor: _abi.Tensor,
    pointer: int,
    device: tuple[int, int],
    element: tuple[int, int],
    shape: Sequence[int],
    strides: Sequence[int] | None,
) -> object:
    """Returns the memory of the shape and strides, which ``tensor`` points into."""
    rank = len(shape)
    extents = (c_int64 * (2 * rank))(*shape, *(strides or ()))
    address = addressof(extents)
    tensor.data = pointer
    tensor.device_type, tensor.device_id = device
    tensor.ndim = rank
    tensor.type_code, tensor.type_bits = element
    tensor.type_lanes = 1
    tensor.shape = address
    tensor.strides = None if strides is None else address + 8 * rank
    tensor.byte_offset = 0
    return extents


def _check_writable(name: str, operand: object, read_only: bool) -> None:
    if read_only and name in _abi.WRITTEN_OPERANDS:
        raise invalid_problem(
            _ME,
            f"{name}, {describe_value(operand)}, is read-only; a cache is written, so it should be writable",
        )


def _parse(typestr: str, name: str, shown: object) -> tuple[int, int]:
    """``<f2`` and the like. Types that the append does not take pass, for the library to refuse in its
    order."""
    code = _KINDS.get(typestr[1:2])
    if code is None or typestr[:1] not in (_NATIVE_ORDER, "|"):
        raise _odd_type(name, shown)
    return code, 8 * int(typestr[2:])


def _odd_type(name: str, shown: object) -> Unsupported:
    if name in ("indices", "indptr", "last_page_len"):
        wanted = "int32"
    else:
        wanted = "float16, bfloat16, float32, float8_e4m3fn or float8_e5m2"
    return unsupported(_ME, f"{name} has dtype {shown}; it should be {wanted}, in the machine's byte order")


def _in_elements(strides: Sequence[int] | None, itemsize: int, name: str) -> list[int] | None:
    if strides is None:
        return None
    if any(stride % itemsize for stride in strides):
        raise unsupported(
            _ME,
            f"{name} has strides {tuple(strides)} bytes, its items have {itemsize}; it should be contiguous",
        )
    return [stride // itemsize for stride in strides]
