"""From an operand, whatever it is, to a ``baracuda_tensor``.

Only what the C library cannot see is judged here: whether the object describes memory at all, whether that
may be written, and types that DLPack has no number for. Shapes, strides, types and devices are the library's
to check.
"""

from __future__ import annotations

import sys
from ctypes import addressof, c_int64, memmove, sizeof

from .._model.checks import describe as describe_value
from .._model.checks import reason
from .._model.enums import ElementKind
from .._model.errors import BaracudaError, Unsupported, invalid_problem, unsupported
from .._model.tensor_view import TensorView
from .._native import abi
from .._native.accelerator import describers
from . import dlpack, exchange
from .kv_pair import CacheOfPair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_ME = "PagedKvAppendArgs"

_ELEMENT_TYPES: dict[object, tuple[int, int]] = {
    ElementKind.F16: (abi.TYPE_FLOAT, 16),
    ElementKind.BF16: (abi.TYPE_BFLOAT, 16),
    ElementKind.F32: (abi.TYPE_FLOAT, 32),
    ElementKind.FP8_E4M3: (abi.TYPE_FLOAT8_E4M3FN, 8),
    ElementKind.FP8_E5M2: (abi.TYPE_FLOAT8_E5M2, 8),
    "i32": (abi.TYPE_INT, 32),
}

# By the name of a NumPy scalar type, for types that NumPy's own notation has no letter for (ml_dtypes').
_NAMED_TYPES = {
    "bfloat16": _ELEMENT_TYPES[ElementKind.BF16],
    "float8_e4m3fn": _ELEMENT_TYPES[ElementKind.FP8_E4M3],
    "float8_e5m2": _ELEMENT_TYPES[ElementKind.FP8_E5M2],
}

_KINDS = {
    "f": abi.TYPE_FLOAT,
    "i": abi.TYPE_INT,
    "u": abi.TYPE_UINT,
    "c": abi.TYPE_COMPLEX,
    "b": abi.TYPE_BOOL,
}

_NATIVE_ORDER = "<" if sys.byteorder == "little" else ">"


# Classes of NumPy arrays that were met: a handful, and NumPy need not be imported to have none.
_numpy_kinds: set[type] = set()


def tensor_of(operand: Any, name: str) -> tuple[int, object]:
    """The address of a ``baracuda_tensor`` that describes the operand, and what must live as long as that, or
    the memory that it describes, is used.

    Protocols in order: ``TensorView``, DLPack's C table, NumPy, ``__dlpack__``, ``__cuda_array_interface__``.
    No protocol is asked to synchronise. Raises ``InvalidProblem`` or ``Unsupported``, naming the operand.
    """
    kind = type(operand)
    try:
        if kind is TensorView:
            return _tensor_of_view(operand)
        if kind is CacheOfPair:
            pair: CacheOfPair = operand
            return pair.described_by(tensor_of)
        if kind in _numpy_kinds:
            return _tensor_of_numpy(operand, name)
        if reader := exchange.reader_of(kind):
            tensor = abi.Tensor()
            exchange.read(reader, operand, tensor)
            return addressof(tensor), (operand, tensor)
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(operand, numpy.ndarray):
            _numpy_kinds.add(kind)
            # Only NumPy's own: a subclass may export memory that its capsule keeps and the array does not.
            # What NumPy does not export so, read-only arrays and types that DLPack lacks, comes here again.
            if kind is numpy.ndarray:
                describers[kind] = kind.__dlpack__
            return _tensor_of_numpy(operand, name)
        if hasattr(operand, "__dlpack__"):
            export = dlpack.export(operand)
            _check_writable(name, operand, export.read_only)
            return export.tensor, (operand, export)
        interface = getattr(operand, "__cuda_array_interface__", None)
        if interface is not None:
            return _tensor_of_cuda_array(operand, interface, name)
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


def describe(operand: Any, name: str, tensor: abi.Tensor) -> object:
    """The same, into ``tensor``; returns what must live as long as it is used."""
    address, keep = tensor_of(operand, name)
    memmove(addressof(tensor), address, sizeof(abi.Tensor))
    return keep


def _tensor_of_view(view: TensorView) -> tuple[int, object]:
    if view._tensor is None:  # a view is frozen, so what describes it is made once
        device = (abi.DEVICE_HOST, 0) if view.device is None else (abi.DEVICE_CUDA, view.device)
        view._remember(_fill(view.ptr, device, _ELEMENT_TYPES[view.element], view.shape, view.strides))
    assert view._tensor is not None
    return view._tensor[0], view


def _tensor_of_numpy(array: Any, name: str) -> tuple[int, object]:
    try:
        # The quickest way to ask NumPy. It exports no read-only array so, and no type that DLPack lacks.
        capsule = array.__dlpack__()
        return dlpack.borrow(capsule), (array, capsule)
    except (BufferError, TypeError, RuntimeError):
        pass
    interface = array.__array_interface__
    pointer, read_only = interface["data"]
    _check_writable(name, array, read_only)
    dtype = array.dtype
    named = _NAMED_TYPES.get(dtype.type.__name__)
    element = named if named and dtype.isnative else _parse(interface["typestr"], name, dtype)
    strides = _in_elements(interface["strides"], dtype.itemsize, name)
    filled = _fill(pointer, (abi.DEVICE_HOST, 0), element, interface["shape"], strides)
    return filled[0], (array, filled)


def _tensor_of_cuda_array(array: object, interface: Mapping[str, Any], name: str) -> tuple[int, object]:
    if interface.get("mask") is not None:
        raise unsupported(_ME, f"{name} has a mask; it should be an array without one")
    pointer, read_only = interface["data"]
    _check_writable(name, array, read_only)
    typestr = interface["typestr"]
    element = _parse(typestr, name, typestr)
    strides = _in_elements(interface.get("strides"), element[1] // 8, name)
    # The interface does not say on which device the memory is: the library asks the driver.
    device = (abi.DEVICE_CUDA, abi.ASK_THE_DRIVER)
    filled = _fill(int(pointer or 0), device, element, interface["shape"], strides)
    return filled[0], (array, filled)


def _fill(
    pointer: int,
    device: tuple[int, int],
    element: tuple[int, int],
    shape: Sequence[int],
    strides: Sequence[int] | None,
) -> tuple[int, object]:
    """A tensor of our own making: its address, and its memory with that of the shape and strides."""
    rank = len(shape)
    extents = (c_int64 * (2 * rank))(*shape, *(strides or ()))
    first = addressof(extents)
    steps = None if strides is None else first + 8 * rank
    tensor = abi.Tensor(pointer, *device, rank, *element, 1, first, steps, 0)
    return addressof(tensor), (tensor, extents)


def _check_writable(name: str, operand: object, read_only: bool) -> None:
    if read_only and name in abi.WRITTEN_OPERANDS:
        raise invalid_problem(
            _ME,
            f"{name}, {describe_value(operand)}, is read-only; it is written, so it should be writable",
        )


def _parse(typestr: str, name: str, shown: object) -> tuple[int, int]:
    """``<f2`` and the like. Types that the append does not take pass, for the library to refuse in its
    order."""
    code = _KINDS.get(typestr[1:2])
    if code is None or typestr[:1] not in (_NATIVE_ORDER, "|"):
        raise _odd_type(name, shown)
    return code, 8 * int(typestr[2:])


def _odd_type(name: str, shown: object) -> Unsupported:
    if name in ("indices", "indptr", "last_page_len", "error_record"):
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
