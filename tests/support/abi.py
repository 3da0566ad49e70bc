"""The C ABI as a caller in C sees it: written out here by hand, apart from the package's own declarations.

tests/c_abi/test_declarations.py holds this, the header, the package's declarations and the library against
each other.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import c_char_p, c_int, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

import baracuda_ffi as bf

from .bits import Array
from .cases import Case
from .elements import ELEMENTS
from .operands import NAMES

OK = 0
MISALIGNED_OPERAND = 1
INVALID_PROBLEM = 2
UNSUPPORTED = 3
CUDA_ERROR_BASE = 1000

FLASHINFER = 1
HOST = 2
BESPOKE = 3
GUARDED = 1
LAYOUTS = {"HND": 0, "NHD": 1}
CONVENTIONS = {"BEFORE_APPEND": 0, "AFTER_APPEND": 1}
FAMILIES = ("flashinfer", "host")


class Append(ctypes.Structure):
    """baracuda_paged_kv_append."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("backend", c_int32),
        ("element", c_int32),
        ("layout", c_int32),
        ("length_convention", c_int32),
        ("batch_size", c_int32),
        ("page_size", c_int32),
        ("num_heads", c_int32),
        ("head_dim", c_int32),
        ("num_total_pages", c_int32),
        ("total_used_pages", c_int32),
        ("k_data", c_void_p),
        ("v_data", c_void_p),
        ("indices", c_void_p),
        ("indptr", c_void_p),
        ("last_page_len", c_void_p),
        ("key", c_void_p),
        ("value", c_void_p),
        ("error_record", c_void_p),
        ("stream", c_void_p),
    ]


class Tensor(ctypes.Structure):
    """baracuda_tensor, which is DLPack's DLTensor."""

    _fields_ = [
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("type_code", c_uint8),
        ("type_bits", c_uint8),
        ("type_lanes", c_uint16),
        ("shape", ctypes.POINTER(c_int64)),
        ("strides", ctypes.POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class PythonApi(ctypes.Structure):
    """baracuda_python_api."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        *[
            (name, c_void_p)
            for name in (
                "none",
                "int_type",
                "exception_type",
                "PyBytes_AsString",
                "PyBytes_FromStringAndSize",
                "PyCapsule_GetPointer",
                "PyDict_GetItemWithError",
                "PyErr_Clear",
                "PyErr_ExceptionMatches",
                "PyErr_Occurred",
                "PyEval_RestoreThread",
                "PyEval_SaveThread",
                "PyLong_AsUnsignedLongLong",
                "PyLong_FromLong",
                "PyObject_CallFunctionObjArgs",
                "PyObject_Type",
                "PyTuple_GetItem",
                "PyTuple_New",
                "PyTuple_SetItem",
                "Py_DecRef",
                "Py_IncRef",
            )
        ],
    ]


class PythonMethod(ctypes.Structure):
    """baracuda_python_method, which is CPython's PyMethodDef."""

    _fields_ = [("name", c_char_p), ("function", c_void_p), ("flags", c_int32), ("doc", c_char_p)]


Reader = ctypes.PYFUNCTYPE(c_int, c_void_p, ctypes.POINTER(Tensor))
ObjectReader = ctypes.PYFUNCTYPE(c_int, ctypes.py_object, ctypes.POINTER(Tensor))

_I4 = [c_int32] * 4
RUN_ARGTYPES: list[Any] = _I4 + [c_void_p] * 8

SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "baracuda_paged_kv_append_run": (c_int32, [c_void_p]),
    "baracuda_paged_kv_append_can_implement": (c_int32, [c_void_p]),
    "baracuda_paged_kv_append_preload": (c_int32, [c_void_p, c_void_p]),
    "baracuda_paged_kv_append_bind": (c_int32, [c_void_p, c_void_p]),
    "baracuda_paged_kv_append_bind_objects": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "baracuda_host_set_max_threads": (c_int32, [c_int32]),
    "baracuda_host_max_threads": (c_int32, []),
    "baracuda_python_methods": (c_void_p, [c_void_p]),
    "baracuda_ffi_version": (c_char_p, []),
    "baracuda_ffi_abi_version": (c_int32, []),
    "baracuda_ffi_build_info": (c_char_p, []),
    "baracuda_status_name": (c_char_p, [c_int32]),
    "baracuda_last_error_message": (c_char_p, []),
}
for _family in FAMILIES:
    _stem = f"baracuda_kernels_{_family}_paged_kv_append_decode"
    SIGNATURES[f"{_stem}_can_implement"] = (c_int32, _I4)
    for _element in ELEMENTS:
        SIGNATURES[f"{_stem}_{_element.symbol}_run"] = (c_int32, RUN_ARGTYPES)
        SIGNATURES[f"{_stem}_{_element.symbol}_can_implement"] = (c_int32, _I4)


@functools.cache
def library() -> ctypes.CDLL:
    """The library that the package loads, opened once more with the signatures above."""
    loaded = ctypes.CDLL(str(bf.library_path()))
    for name, (restype, argtypes) in SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype = restype
        function.argtypes = argtypes
    return loaded


def message() -> str:
    """Why this thread's last refused call was refused."""
    text: bytes = library().baracuda_last_error_message()
    return text.decode()


def mirrored(family: str, element: str, what: str) -> Any:
    """The function of baracuda-kernels-sys's names; what is `run` or `can_implement`."""
    return getattr(library(), f"baracuda_kernels_{family}_paged_kv_append_decode_{element}_{what}")


def make_append(case: Case, arrays: dict[str, Array], *, backend: int = HOST) -> Append:
    """The general struct over host arrays. It holds addresses only: keep the arrays."""
    op = Append(
        struct_size=ctypes.sizeof(Append),
        backend=backend,
        element=case.element.value,
        layout=LAYOUTS[case.layout],
        length_convention=CONVENTIONS[case.convention],
        batch_size=case.batch_size,
        page_size=case.page_size,
        num_heads=case.num_heads,
        head_dim=case.head_dim,
        num_total_pages=arrays["k_data"].shape[0],
        total_used_pages=arrays["indices"].size,
    )
    for name in NAMES:
        setattr(op, name, arrays[name].ctypes.data)
    return op


def run(op: Append) -> int:
    return int(library().baracuda_paged_kv_append_run(ctypes.addressof(op)))


def can_implement(op: Append) -> int:
    return int(library().baracuda_paged_kv_append_can_implement(ctypes.addressof(op)))
