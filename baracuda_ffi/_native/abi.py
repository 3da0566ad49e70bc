"""baracuda_ffi.h in ctypes: its structs, its constants, and the signature of every function.

Pointers are passed as addresses (``c_void_p`` from an int): the cheapest of the checked ways that ctypes has.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ABI_VERSION = 1

FLAG_GUARDED = 1
FLAG_STRIDED = 2
FLAG_SKIP_SLOT = 4
FLAG_INFER = 8
FLAG_MIRRORED = 16

PARTS_KEY_AND_VALUE = 0
PARTS_KEY = 1

# BARACUDA_FOR_EACH_OPERAND: the operands' order in the arrays of bind, and the bits of int64_operands.
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
NUM_OPERANDS = len(OPERANDS)
OF_ELEMENTS = frozenset((*OPERANDS[:4], "kv_data", "buffer"))  # and not of indices, or scales
SCALE_OPERANDS = frozenset(OPERANDS[13:])
WRITTEN_OPERANDS = frozenset(("k_data", "v_data", "kv_data", "k_scales", "v_scales", "error_record"))

# BARACUDA_FOR_EACH_COPY_OPERAND: the operands' order in the array of a copy's bind.
COPY_OPERANDS = ("k_data", "v_data", "source", "destination", "buffer")

MOVEMENT_COPY = 0
MOVEMENT_GATHER = 1
MOVEMENT_SCATTER = 2

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
    )


class Copy(ctypes.Structure):
    """struct baracuda_paged_kv_copy"""

    _fields_ = (
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
    )


class ErrorRecord(ctypes.Structure):
    """struct baracuda_error_record"""

    _fields_ = (
        ("reason", c_int32),
        ("operand", c_int32),
        ("row", c_int64),
        ("request", c_int64),
        ("seen", c_int64),
        ("limit", c_int64),
        ("page", c_int64),
        ("reserved", c_int64 * 2),
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


Pointers = c_void_p * NUM_OPERANDS
CopyPointers = c_void_p * len(COPY_OPERANDS)

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
    #                                       const baracuda_tensor *const *operands, int32_t num_operands);
    "baracuda_paged_kv_append_bind": (c_int32, (c_void_p, c_void_p, c_int32)),
    # int32_t baracuda_paged_kv_copy_run(const baracuda_paged_kv_copy *op);
    "baracuda_paged_kv_copy_run": (c_int32, (c_void_p,)),
    # int32_t baracuda_paged_kv_copy_can_implement(const baracuda_paged_kv_copy *op);
    "baracuda_paged_kv_copy_can_implement": (c_int32, (c_void_p,)),
    # int32_t baracuda_paged_kv_copy_preload(const baracuda_paged_kv_copy *op, int32_t *arch);
    "baracuda_paged_kv_copy_preload": (c_int32, (c_void_p, c_void_p)),
    # int32_t baracuda_paged_kv_copy_bind(baracuda_paged_kv_copy *op,
    #                                     const baracuda_tensor *const *operands, int32_t num_operands);
    "baracuda_paged_kv_copy_bind": (c_int32, (c_void_p, c_void_p, c_int32)),
    # int32_t baracuda_host_set_max_threads(int32_t max_threads);
    "baracuda_host_set_max_threads": (c_int32, (c_int32,)),
    # int32_t baracuda_host_max_threads(void);
    "baracuda_host_max_threads": (c_int32, ()),
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

# The symbol names of the element types that have symbols, in the order of ElementKind's values.
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
