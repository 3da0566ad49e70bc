"""The calls of a decode loop as built-in functions of CPython: a call through ctypes takes longer than the
library's own work. The package works without them, on any interpreter that has ctypes; this is how much they
are: six functions, which ``native/src/python/accelerator.h`` describes.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import c_char_p, c_int32, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

from . import abi
from .by_name import NOT_GIVEN
from .search import not_loaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # The address of the type's reader, a ``baracuda_tensor_reader``, or 0 if it has none; or a function of an
    # object that returns a plain DLPack capsule, "dltensor", of memory that the object keeps.
    Describer = int | Callable[[Any], object]

    # A ``TensorLayout``, by which most objects are read without their reader, and some are left to Python; of
    # those that are written and have something at ``watched`` all but those of which the function returns
    # that object.
    Caution = tuple[bytes, Callable[[Any], object], object]

    # Where an object has another that it is half of, [pages, 2, ...], and where an int, which half.
    Half = tuple[int, int]

    Describers = dict[type | int | Callable[[Any], object], Describer | Caution | bytes | int | Half | None]

SYMBOL = "baracuda_private_python_methods"
VERSION = 5  # BARACUDA_PRIVATE_PYTHON_VERSION, which goes with that symbol

# What describes objects, by type, for the library's built-in functions; by the address of a reader a
# ``Caution``; by a function None if the object may let go of its capsules' memory, an ``ArrayLayout`` by
# which most objects are read without it, the offset of a capsule that an object keeps, or a ``Half``. No
# entry is removed or replaced, since another thread may be using it: a table lives as long as the process,
# and types that have one are few.
describers: Describers = {}


class _PythonApi(ctypes.Structure):
    """struct baracuda_python_api: the addresses of objects, and those of functions by their names."""

    _fields_ = (
        ("struct_size", c_uint32),
        ("type_offset", c_uint32),
        ("none", c_void_p),
        ("int_type", c_void_p),
        ("exception_type", c_void_p),
        ("tuple_type", c_void_p),
        ("interpreter", c_void_p),
        ("not_given", c_void_p * (len(abi.OPERANDS) + 1)),
        ("PyBytes_AsString", c_void_p),
        ("PyBytes_FromStringAndSize", c_void_p),
        ("PyCapsule_GetPointer", c_void_p),
        ("PyDict_GetItemWithError", c_void_p),
        ("PyErr_Clear", c_void_p),
        ("PyErr_ExceptionMatches", c_void_p),
        ("PyErr_Occurred", c_void_p),
        ("PyEval_RestoreThread", c_void_p),
        ("PyEval_SaveThread", c_void_p),
        ("PyLong_AsUnsignedLongLong", c_void_p),
        ("PyLong_FromLong", c_void_p),
        ("PyObject_CallFunctionObjArgs", c_void_p),
        ("PyObject_Type", c_void_p),
        ("PyTuple_GetItem", c_void_p),
        ("PyTuple_New", c_void_p),
        ("PyTuple_SetItem", c_void_p),
        ("PyTuple_Size", c_void_p),
        ("Py_DecRef", c_void_p),
        ("Py_IncRef", c_void_p),
    )


class ArrayType(ctypes.Structure):
    """struct baracuda_array_type."""

    _fields_ = (("type", c_void_p), ("code", c_uint8), ("doublings", c_uint8))


class ArrayLayout(ctypes.Structure):
    """struct baracuda_array_layout: the address of types, one without a type behind the last; offsets in an
    object; and flags."""

    _fields_ = (
        ("types", c_void_p),
        ("data", c_uint32),
        ("rank", c_uint32),
        ("extents", c_uint32),
        ("strides", c_uint32),
        ("base", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("wanted_flags", c_uint32),
        ("unwanted_flags", c_uint32),
    )


class TensorType(ctypes.Structure):
    _fields_ = (("type", c_uint16), ("code", c_uint8), ("doublings", c_uint8))


class TensorLayout(ctypes.Structure):
    """struct baracuda_tensor_layout: keys, offsets, and types."""

    MOST_TYPES = 12

    _fields_ = (
        ("strange", c_uint64),
        ("plain", c_uint64),
        ("object", c_uint32),
        ("keys", c_uint32),
        ("watched", c_uint32),
        ("rank", c_uint32),
        ("extents", c_uint32),
        ("strides", c_uint32),
        ("first", c_uint32),
        ("elements", c_uint32),
        ("type", c_uint32),
        ("device", c_uint32),
        ("storage", c_uint32),
        ("data", c_uint32),
        ("shared", c_uint32),
        ("on_cuda", c_uint32),
        ("num_types", c_uint32),
        ("types", TensorType * MOST_TYPES),
    )


class OpenCountsOf(ctypes.Structure):
    """struct baracuda_open_counts."""

    _fields_ = (
        ("requests_said_by", c_uint32),
        ("requests_of", c_uint32),
        ("rows_said_by", c_uint32),
        ("rows_of", c_uint32),
    )


class Rebinding(ctypes.Structure):
    """struct baracuda_rebinding."""

    _fields_ = (("bound_at", c_uint64), ("open", OpenCountsOf))


class _PythonMethod(ctypes.Structure):
    """struct baracuda_python_method, and CPython's PyMethodDef."""

    _fields_ = (("name", c_char_p), ("function", c_void_p), ("flags", c_int32), ("doc", c_char_p))


def slot_offset(kind: type, name: str) -> int | None:
    """Where the objects of a type have what is in a slot; None where that cannot be told."""
    if sys.implementation.name != "cpython":
        return None
    one: object = object.__new__(kind)
    mark = object()
    object.__setattr__(one, name, mark)
    words = ctypes.c_size_t * (kind.__basicsize__ // ctypes.sizeof(c_void_p))
    found = [i for i, word in enumerate(words.from_address(id(one))) if word == id(mark)]
    return ctypes.sizeof(c_void_p) * found[0] if len(found) == 1 else None


def _type_offset() -> int:
    """Where an object has its type: at the end of what all objects have. 0 where it is elsewhere."""
    offset = object.__basicsize__ - ctypes.sizeof(c_void_p)
    objects = (None, 1, "", int, offset)
    found = all(c_void_p.from_address(id(one) + offset).value == id(type(one)) for one in objects)
    return offset if found else 0


def builtin_calls(library: ctypes.CDLL, table: Describers = describers) -> dict[str, Callable[..., Any]]:
    """The functions by name, which look types up in ``table``; none where the interpreter or the library has
    no part in them, and in all interpreters of a process but the first. Raises ``LibraryNotLoaded`` where
    they take or return something else than here."""
    pythonapi = getattr(ctypes, "pythonapi", None)
    methods = getattr(library, SYMBOL, None)
    if pythonapi is None or methods is None:
        return {}
    objects = (None, int, Exception, tuple, sys)
    api = _PythonApi(ctypes.sizeof(_PythonApi), _type_offset(), *map(id, objects))
    api.not_given[:] = [id(NOT_GIVEN[name]) for name in (*abi.OPERANDS, "kv_data")]
    try:
        for name, _ in _PythonApi._fields_:
            if name.startswith("Py"):
                setattr(api, name, ctypes.cast(getattr(pythonapi, name), c_void_p))
        new_function = ctypes.PYFUNCTYPE(ctypes.py_object, c_void_p, ctypes.py_object, ctypes.py_object)(
            ("PyCFunction_NewEx", pythonapi)
        )
    except AttributeError:  # another interpreter, with a part of CPython's API
        return {}
    methods.restype, methods.argtypes = c_void_p, (c_void_p,)
    address = methods(ctypes.addressof(api))
    if not address:
        return {}
    functions: dict[str, Callable[..., Any]] = {}
    while (method := _PythonMethod.from_address(address)).name:
        functions[method.name.decode()] = new_function(address, table, None)
        address += ctypes.sizeof(_PythonMethod)
    if method.flags != VERSION:
        raise not_loaded(
            f"{library._name} has version {method.flags} of the functions that this package calls, which "
            f"speaks version {VERSION}. Install the package and the library from one release."
        )
    return functions
