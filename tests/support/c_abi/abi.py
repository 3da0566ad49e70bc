"""The C ABI as a caller in C sees it: written out here by hand, apart from the package's own declarations.

tests/c_abi/declared/test_declarations.py holds this, the header and the library against each other, and
test_package_declarations.py the package's declarations against the header.
"""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import c_char_p, c_int, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

import baracuda_ffi as bf

from ..calls.operands import NAMES
from ..devices.bits import Array
from ..problems.cases import Case
from ..problems.elements import ELEMENTS

OK = 0
MISALIGNED_OPERAND = 1
INVALID_PROBLEM = 2
UNSUPPORTED = 3
CUDA_ERROR_BASE = 1000

FLASHINFER = 1
HOST = 2
BESPOKE = 3
BACKENDS = {FLASHINFER: "flashinfer", HOST: "host", BESPOKE: "bespoke"}

GUARDED = 1
STRIDED = 2
SKIP_SLOT = 4
INFER = 8
MIRRORED = 16

KEY_AND_VALUE = 0
KEY = 1

ADDRESSINGS = {"LAST_PAGE": 0, "RAGGED": 1, "POSITIONS": 2, "SLOTS": 3}
TRANSFORMS = {"COPY": 0, "FP8": 1, "PER_TOKEN_HEAD": 2, "FP8_DS_MLA": 3, "NVFP4": 4}
DENSE = 1
SEQ_LENS = 1

#: By their places in the arrays of baracuda_paged_kv_append_bind.
OPERANDS = (
    "key",
    "value",
    "k_data",
    "v_data",
    "indices",
    "indptr",
    "last_page_len",
    "append_indptr",
    "batch_indices",
    "positions",
    "slot_mapping",
    "block_table",
    "seq_lens",
    "k_scale",
    "v_scale",
    "k_scales",
    "v_scales",
)

#: Why a row was not served.
CORRUPT_INDPTR = 1
CORRUPT_PAGE = 2
CORRUPT_LAST_PAGE_LEN = 3
CORRUPT_BATCH_INDEX = 4
CORRUPT_POSITION = 5
CORRUPT_SLOT = 6
CORRUPT_APPEND_INDPTR = 7

CORRUPT_SOURCE = 8
CORRUPT_DESTINATION = 9

#: By their places in the array of baracuda_paged_kv_copy_bind.
COPY_OPERANDS = ("k_data", "v_data", "source", "destination", "buffer")
MOVEMENTS = {"COPY": 0, "GATHER": 1, "SCATTER": 2}

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
        ("addressing", c_int32),
        ("table", c_int32),
        ("lengths", c_int32),
        ("transform", c_int32),
        ("parts", c_int32),
        ("source_element", c_int32),
        ("value_head_dim", c_int32),
        ("int64_operands", c_uint32),
        ("num_rows", c_int64),
        ("max_pages", c_int64),
        ("block_table_stride", c_int64),
        ("skip_slot", c_int64),
        ("key_strides", c_int64 * 2),
        ("value_strides", c_int64 * 2),
        ("k_data_strides", c_int64 * 3),
        ("v_data_strides", c_int64 * 3),
        ("append_indptr", c_void_p),
        ("batch_indices", c_void_p),
        ("positions", c_void_p),
        ("slot_mapping", c_void_p),
        ("block_table", c_void_p),
        ("seq_lens", c_void_p),
        ("k_scale", c_void_p),
        ("v_scale", c_void_p),
        ("k_scale_stride", c_int64),
        ("v_scale_stride", c_int64),
        ("k_scales", c_void_p),
        ("v_scales", c_void_p),
        ("k_scales_strides", c_int64 * 3),
        ("v_scales_strides", c_int64 * 3),
    ]


class Copy(ctypes.Structure):
    """baracuda_paged_kv_copy."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("backend", c_int32),
        ("movement", c_int32),
        ("parts", c_int32),
        ("int64_operands", c_uint32),
        ("num_total_pages", c_int32),
        ("k_element_bytes", c_int32),
        ("v_element_bytes", c_int32),
        ("num_copies", c_int32),
        ("k_page", c_int64 * 5),
        ("v_page", c_int64 * 5),
        ("k_data_strides", c_int64 * 6),
        ("v_data_strides", c_int64 * 6),
        ("k_data", c_void_p),
        ("v_data", c_void_p),
        ("source", c_void_p),
        ("destination", c_void_p),
        ("buffer", c_void_p),
        ("error_record", c_void_p),
        ("stream", c_void_p),
    ]


class ErrorRecord(ctypes.Structure):
    """baracuda_error_record."""

    _fields_ = [
        ("reason", c_int32),
        ("operand", c_int32),
        ("row", c_int64),
        ("request", c_int64),
        ("seen", c_int64),
        ("limit", c_int64),
        ("page", c_int64),
        ("reserved", c_int64 * 2),
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
    """baracuda_python_api, of the package's private header."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("type_offset", c_uint32),
        *[(name, c_void_p) for name in ("none", "int_type", "exception_type", "tuple_type", "interpreter")],
        ("not_given", c_void_p * 18),  # of each operand, and of kv_data
        *[
            (name, c_void_p)
            for name in (
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
                "PyTuple_Size",
                "Py_DecRef",
                "Py_IncRef",
            )
        ],
    ]


class PythonMethod(ctypes.Structure):
    """baracuda_python_method, which is CPython's PyMethodDef."""

    _fields_ = [("name", c_char_p), ("function", c_void_p), ("flags", c_int32), ("doc", c_char_p)]


ObjectReader = ctypes.PYFUNCTYPE(c_int, ctypes.py_object, ctypes.POINTER(Tensor))

_I4 = [c_int32] * 4
RUN_ARGTYPES: list[Any] = _I4 + [c_void_p] * 8

SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "baracuda_paged_kv_append_run": (c_int32, [c_void_p]),
    "baracuda_paged_kv_append_can_implement": (c_int32, [c_void_p]),
    "baracuda_paged_kv_append_preload": (c_int32, [c_void_p, c_void_p]),
    "baracuda_paged_kv_append_bind": (c_int32, [c_void_p, c_void_p, c_int32]),
    "baracuda_paged_kv_copy_run": (c_int32, [c_void_p]),
    "baracuda_paged_kv_copy_can_implement": (c_int32, [c_void_p]),
    "baracuda_paged_kv_copy_preload": (c_int32, [c_void_p, c_void_p]),
    "baracuda_paged_kv_copy_bind": (c_int32, [c_void_p, c_void_p, c_int32]),
    "baracuda_host_set_max_threads": (c_int32, [c_int32]),
    "baracuda_host_max_threads": (c_int32, []),
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

#: What the package alone takes from the library. Not in the header, and not part of the ABI.
PRIVATE_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "baracuda_private_python_methods": (c_void_p, [c_void_p]),
    "baracuda_private_stream_context": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "baracuda_private_xla_handlers": (c_void_p, [c_int32]),
}


def library_path() -> Path:
    """The library that the package loads, without loading it."""
    return Path(os.environ.get("BARACUDA_FFI_LIBRARY") or bf.library_path())


@functools.cache
def library() -> ctypes.CDLL:
    """That library, opened once more with the signatures above."""
    loaded = ctypes.CDLL(str(library_path()))
    for name, (restype, argtypes) in (SIGNATURES | PRIVATE_SIGNATURES).items():
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


def make_append(case: Case, arrays: dict[str, Array], *, backend: int = HOST, flags: int = 0) -> Append:
    """The general struct over host arrays. It holds addresses only: keep the arrays."""
    op = Append(
        struct_size=ctypes.sizeof(Append),
        flags=flags,
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


def describe(op: Append) -> dict[str, Any]:
    """The struct's members by name, arrays as lists: two structs differ where these do."""
    members = {name: getattr(op, name) for name, *_ in Append._fields_}
    return {
        name: list(value) if isinstance(value, ctypes.Array) else value for name, value in members.items()
    }


def run(op: Append) -> int:
    return int(library().baracuda_paged_kv_append_run(ctypes.addressof(op)))


def can_implement(op: Append) -> int:
    return int(library().baracuda_paged_kv_append_can_implement(ctypes.addressof(op)))
