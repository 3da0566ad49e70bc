"""From an array or a tensor of some framework to a ``baracuda_tensor``."""

from __future__ import annotations

import sys
from _weakref import CallableProxyType, ProxyType
from ctypes import addressof

from .._model.checks import POINTER_MAX, extents, in_words, integer, steps
from .._model.errors import Unsupported, invalid_problem, unsupported
from .._native import abi
from .._native.accelerator import describers
from . import dlpack
from .described import NAMED_TYPES, ON_HOST, Described
from .layouts import numpy_arrays

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .._native.accelerator import Describer
    from .described import ElementType

_ME = "PagedKvAppendArgs"

_KINDS = {
    "f": abi.TYPE_FLOAT,
    "i": abi.TYPE_INT,
    "u": abi.TYPE_UINT,
    "c": abi.TYPE_COMPLEX,
    "b": abi.TYPE_BOOL,
}

_NATIVE_ORDER = "<" if sys.byteorder == "little" else ">"


# More than any type that an array framework has; DLPack and baracuda_tensor count bits in 8.
_MAX_ITEMSIZE = 16

_WEAK = (ProxyType, CallableProxyType)


def tensor_of_array(operand: Any, name: str, written: bool) -> tuple[int, object] | None:
    """As ``tensors.tensor_of``; None for what knows no protocol. Any error of the operand's own passes
    through."""
    kind = type(operand)
    numpy = _numpy()
    if numpy is not None and kind is numpy.ndarray:
        _reader_of(kind)
        return _tensor_of_numpy(numpy, operand, name, written)
    from . import exchange, torch_tensors  # of which NumPy's arrays have no need

    reader = _reader_of(kind)
    torch_tensors.check(operand, name, written)
    if reader:
        tensor = abi.Tensor()
        exchange.read(reader, operand, tensor)
        return addressof(tensor), (operand, tensor)
    if numpy is not None and isinstance(operand, numpy.ndarray):
        # What passes for an array may be a proxy, weak even; a view keeps the array itself.
        array = operand if issubclass(kind, numpy.ndarray) else operand.view()
        _check_unmasked(name, getattr(array, "mask", None), numpy)
        if type(array).__dlpack__ is numpy.ndarray.__dlpack__:
            return _tensor_of_numpy(numpy, array, name, written)
    exports = hasattr(operand, "__dlpack__")
    if exports and dlpack.CAPSULES:
        return _tensor_of_exporter(operand, name, written)
    interface = getattr(operand, "__cuda_array_interface__", None)
    if interface is not None:
        return _tensor_of_cuda_array(operand, interface, name, written)
    if exports:
        raise _unreadable(operand, name)
    return None


def _numpy() -> Any:
    """None where nobody has imported it, or while it is being imported."""
    numpy = sys.modules.get("numpy")
    return numpy if hasattr(numpy, "ndarray") else None


def _reader_of(kind: type) -> int:
    """The address of the type's reader, 0 if it has none. It, or what else describes the type's objects, is
    known to the library's built-in functions from then on. The first to tell sets it for good: another thread
    may be using what it found."""
    found = describers.get(kind)
    if found is None:
        found = _describer_of(kind)
        if found is None:
            from .exchange import find_reader

            return find_reader(kind)
        found = describers.setdefault(kind, found)
    return found if type(found) is int else 0


def _describer_of(kind: type) -> Describer | None:
    """None where that cannot be told now, but may be later."""
    numpy = _numpy()
    # Only NumPy's own: a subclass may export memory that its capsule keeps and the array does not. What NumPy
    # does not export so, read-only arrays and types that DLPack lacks, is described in Python.
    if numpy is not None and kind is numpy.ndarray:
        return numpy_arrays.exporter_of(numpy)
    from . import exchange, torch_tensors
    from .capsule_exporters import exporter_of

    lender = exporter_of(kind)
    if lender is not None:
        return lender
    return torch_tensors.caution(kind, exchange.find_reader(kind))


def _tensor_of_numpy(numpy: Any, array: Any, name: str, written: bool) -> tuple[int, object]:
    if dlpack.CAPSULES:
        try:
            # The quickest way to ask NumPy. It exports no read-only array so, and no type that DLPack lacks.
            capsule = array.__dlpack__()
            return dlpack.borrow(capsule), (array, capsule)
        except (BufferError, TypeError, RuntimeError):
            pass
    interface = array.__array_interface__
    dtype = array.dtype
    named = NAMED_TYPES.get(dtype.type.__name__)
    if named and named[1] == 8 * dtype.itemsize and dtype.isnative:
        element = named
        numpy_arrays.read_too(numpy, dtype)
    else:
        element = _parse(interface["typestr"], name, dtype)
    return _tensor_of_interface(array, interface, ON_HOST, element, dtype.itemsize, name, written)


def _tensor_of_exporter(operand: Any, name: str, written: bool) -> tuple[int, object]:
    export = dlpack.export(operand, written=written)
    _check_writable(name, operand, written and export.read_only)
    if written and export.copied:
        raise invalid_problem(
            _ME,
            f"{name}, {in_words(operand)}, exports a copy of itself; it is written, so it should "
            "export its own memory",
        )
    return export.tensor, (operand, export)


def _tensor_of_cuda_array(
    array: object, interface: Mapping[str, Any], name: str, written: bool
) -> tuple[int, object]:
    if interface.get("mask") is not None:
        raise _masked(name)
    if type(array) in _WEAK:
        raise unsupported(
            _ME,
            f"{name} is {in_words(array)}, which keeps no memory alive; it should be the array itself",
        )
    typestr = interface["typestr"]
    element = _parse(typestr, name, typestr)
    # The interface does not say on which device the memory is: the library asks the driver.
    device = (abi.DEVICE_CUDA, abi.ASK_THE_DRIVER)
    return _tensor_of_interface(array, interface, device, element, element[1] // 8, name, written)


def _tensor_of_interface(
    array: object,
    interface: Mapping[str, Any],
    device: tuple[int, int],
    element: ElementType,
    itemsize: int,
    name: str,
    written: bool,
) -> tuple[int, object]:
    """What ``__array_interface__`` and ``__cuda_array_interface__`` say alike."""
    pointer, read_only = interface["data"]
    _check_writable(name, array, written and read_only)
    address = integer(_ME, f"{name}'s data", pointer or 0, 0, POINTER_MAX, "an address")
    shape = extents(_ME, f"{name}'s shape", interface["shape"])
    strides = steps(_ME, f"{name}'s strides", interface.get("strides"), len(shape))
    if strides is not None:
        strides = _in_elements(strides, itemsize, name)
    described = Described(address, device, element, shape, strides)
    return described.tensor, (array, interface, described)


def _unreadable(operand: object, name: str) -> Unsupported:
    return unsupported(
        _ME,
        f"{name}, {in_words(operand)}, describes itself by DLPack capsules alone, which an interpreter "
        "without ctypes.pythonapi cannot read; it should be a NumPy array, or a TensorView of its memory",
    )


def _check_unmasked(name: str, mask: Any, numpy: Any) -> None:
    """NumPy's masked arrays: one without a mask has the scalar False there."""
    if mask is not None and (numpy.ndim(mask) > 0 or mask):
        raise _masked(name)


def _masked(name: str) -> Unsupported:
    return unsupported(_ME, f"{name} has a mask; it should be an array without one")


def _check_writable(name: str, operand: object, refused: bool) -> None:
    if refused:
        raise invalid_problem(
            _ME,
            f"{name}, {in_words(operand)}, is read-only; it is written, so it should be writable",
        )


def _parse(typestr: str, name: str, shown: object) -> ElementType:
    """``<f2`` and the like. Types that the append does not take pass, for the library to refuse in its
    order."""
    code = _KINDS.get(typestr[1:2])
    size = typestr[2:]
    if code is None or typestr[:1] not in (_NATIVE_ORDER, "|") or not (size.isascii() and size.isdigit()):
        raise _odd_type(name, shown)
    if not 0 < int(size) <= _MAX_ITEMSIZE:
        raise _odd_type(name, shown)
    return code, 8 * int(size)


def _odd_type(name: str, shown: object) -> Unsupported:
    if name == "error_record":
        wanted = "int64"
    elif name in abi.SCALE_OPERANDS:
        wanted = "float32, or for NVFP4's k_scales and v_scales float8_e4m3fn or uint8"
    elif name in abi.OF_ELEMENTS:
        wanted = "float16, bfloat16, float32, float8_e4m3fn, float8_e5m2, int8 or uint8"
    else:
        wanted = "int32 or int64"
    return unsupported(_ME, f"{name} has dtype {shown}; it should be {wanted}, in the machine's byte order")


def _in_elements(strides: tuple[int, ...], itemsize: int, name: str) -> tuple[int, ...]:
    if any(stride % itemsize for stride in strides):
        raise unsupported(
            _ME, f"{name} has strides {strides} bytes, its items have {itemsize}; those should be multiples"
        )
    return tuple([stride // itemsize for stride in strides])
