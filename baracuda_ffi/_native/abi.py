"""baracuda_ffi.h in ctypes: its structs, its constants, and the signature of every function.

Pointers are passed as addresses (``c_void_p`` from an int): the cheapest of the checked ways that ctypes has.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int32, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ABI_VERSION = 1

BACKEND_FLASHINFER = 1
BACKEND_HOST = 2
BACKEND_BESPOKE = 3

FLAG_GUARDED = 1

# The operands' order in the arrays of the bind functions.
OPERANDS = ("key", "value", "k_data", "v_data", "indices", "indptr", "last_page_len")
NUM_OPERANDS = len(OPERANDS)
WRITTEN_OPERANDS = frozenset(("k_data", "v_data", "error_record"))

# DLPack's numbers, as baracuda_tensor uses them.
DEVICE_HOST = 1
DEVICE_CUDA = 2
DEVICE_CUDA_MANAGED = 13
ASK_THE_DRIVER = -1
TYPE_INT = 0
TYPE_UINT = 1
TYPE_FLOAT = 2
TYPE_BFLOAT = 4
TYPE_COMPLEX = 5
TYPE_BOOL = 6
TYPE_FLOAT8_E4M3FN = 10
TYPE_FLOAT8_E5M2 = 12


class Append(ctypes.Structure):
    """struct baracuda_paged_kv_append"""

    _fields_ = (
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
    )


class Tensor(ctypes.Structure):
    """struct baracuda_tensor, and DLPack's DLTensor: the shape and strides are borrowed, as addresses."""

    _fields_ = (
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("type_code", c_uint8),
        ("type_bits", c_uint8),
        ("type_lanes", c_uint16),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("byte_offset", c_uint64),
    )


class PythonApi(ctypes.Structure):
    """struct baracuda_python_api: the addresses of three objects, and those of functions by their names."""

    _fields_ = (
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("none", c_void_p),
        ("int_type", c_void_p),
        ("exception_type", c_void_p),
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
        ("Py_DecRef", c_void_p),
        ("Py_IncRef", c_void_p),
    )


class PythonMethod(ctypes.Structure):
    """struct baracuda_python_method, and CPython's PyMethodDef."""

    _fields_ = (("name", c_char_p), ("function", c_void_p), ("flags", c_int32), ("doc", c_char_p))


Pointers = c_void_p * NUM_OPERANDS

# A symbol, what it returns, what it takes.
Signature = tuple["Any", tuple["Any", ...]]

SIGNATURES: dict[str, Signature] = {
    # int32_t baracuda_paged_kv_append_run(const baracuda_paged_kv_append *op);
    "baracuda_paged_kv_append_run": (c_int32, (c_void_p,)),
    # int32_t baracuda_paged_kv_append_can_implement(const baracuda_paged_kv_append *op);
    "baracuda_paged_kv_append_can_implement": (c_int32, (c_void_p,)),
    # int32_t baracuda_paged_kv_append_preload(const baracuda_paged_kv_append *op, int32_t *arch);
    "baracuda_paged_kv_append_preload": (c_int32, (c_void_p, c_void_p)),
    # int32_t baracuda_paged_kv_append_bind(baracuda_paged_kv_append *op,
    #                                       const baracuda_tensor *const operands[BARACUDA_NUM_OPERANDS]);
    "baracuda_paged_kv_append_bind": (c_int32, (c_void_p, c_void_p)),
    # int32_t baracuda_paged_kv_append_bind_objects(baracuda_paged_kv_append *op,
    #                                               void *const objects[BARACUDA_NUM_OPERANDS],
    #                                               baracuda_tensor_reader reader);
    "baracuda_paged_kv_append_bind_objects": (c_int32, (c_void_p, c_void_p, c_void_p)),
    # int32_t baracuda_host_set_max_threads(int32_t max_threads);
    "baracuda_host_set_max_threads": (c_int32, (c_int32,)),
    # int32_t baracuda_host_max_threads(void);
    "baracuda_host_max_threads": (c_int32, ()),
    # const baracuda_python_method *baracuda_python_methods(const baracuda_python_api *api);
    "baracuda_python_methods": (c_void_p, (c_void_p,)),
    # const char *baracuda_ffi_version(void);
    "baracuda_ffi_version": (c_char_p, ()),
    # int32_t baracuda_ffi_abi_version(void);
    "baracuda_ffi_abi_version": (c_int32, ()),
    # const char *baracuda_ffi_build_info(void);
    "baracuda_ffi_build_info": (c_char_p, ()),
    # const char *baracuda_status_name(int32_t status);
    "baracuda_status_name": (c_char_p, (c_int32,)),
    # const char *baracuda_last_error_message(void);
    "baracuda_last_error_message": (c_char_p, ()),
}

# The symbol names of the element types, in the order of ElementKind's values.
ELEMENT_NAMES = ("f16", "bf16", "f32", "fp8_e4m3", "fp8_e5m2")

for _backend in ("flashinfer", "host"):
    _family = f"baracuda_kernels_{_backend}_paged_kv_append_decode"
    # int32_t ..._can_implement(int32_t batch_size, int32_t page_size, int32_t num_heads, int32_t head_dim);
    SIGNATURES[f"{_family}_can_implement"] = (c_int32, (c_int32,) * 4)
    for _element in ELEMENT_NAMES:
        SIGNATURES[f"{_family}_{_element}_can_implement"] = (c_int32, (c_int32,) * 4)
        # int32_t ..._run(int32_t batch_size, int32_t page_size, int32_t num_heads, int32_t head_dim,
        #                 void *k_data, void *v_data, void *indices, void *indptr, void *last_page_len,
        #                 const void *key, const void *value, void *stream);
        SIGNATURES[f"{_family}_{_element}_run"] = (c_int32, (c_int32,) * 4 + (c_void_p,) * 8)

# Functions that call back into Python objects, and so need the GIL.
NEEDS_THE_GIL = frozenset(("baracuda_paged_kv_append_bind_objects",))
