// Written by tests/packaging/abi/update.py from native/include/baracuda_ffi.h, which says what each of these means.
use std::os::raw::{c_char, c_void};

pub const BARACUDA_FFI_ABI_VERSION: i32 = 1;
pub const BARACUDA_MAX_PAGE_RANK: i32 = 5;
pub const BARACUDA_FLAG_GUARDED: u32 = 1;
pub const BARACUDA_FLAG_STRIDED: u32 = 2;
pub const BARACUDA_FLAG_SKIP_SLOT: u32 = 4;
pub const BARACUDA_FLAG_INFER: u32 = 8;
pub const BARACUDA_FLAG_MIRRORED: u32 = 16;
pub const BARACUDA_OK: i32 = 0;
pub const BARACUDA_MISALIGNED_OPERAND: i32 = 1;
pub const BARACUDA_INVALID_PROBLEM: i32 = 2;
pub const BARACUDA_UNSUPPORTED: i32 = 3;
pub const BARACUDA_WORKSPACE_TOO_SMALL: i32 = 4;
pub const BARACUDA_BUFFER_TOO_SMALL: i32 = 5;
pub const BARACUDA_CUDA_ERROR_BASE: i32 = 1000;
pub const BARACUDA_ELEMENT_F16: i32 = 1;
pub const BARACUDA_ELEMENT_BF16: i32 = 2;
pub const BARACUDA_ELEMENT_F32: i32 = 3;
pub const BARACUDA_ELEMENT_FP8_E4M3: i32 = 4;
pub const BARACUDA_ELEMENT_FP8_E5M2: i32 = 5;
pub const BARACUDA_ELEMENT_I8: i32 = 6;
pub const BARACUDA_ELEMENT_U8: i32 = 7;
pub const BARACUDA_ELEMENT_NONE: i32 = 0;
pub const BARACUDA_BACKEND_FLASHINFER: i32 = 1;
pub const BARACUDA_BACKEND_HOST: i32 = 2;
pub const BARACUDA_BACKEND_BESPOKE: i32 = 3;
pub const BARACUDA_LAYOUT_HND: i32 = 0;
pub const BARACUDA_LAYOUT_NHD: i32 = 1;
pub const BARACUDA_BEFORE_APPEND: i32 = 0;
pub const BARACUDA_AFTER_APPEND: i32 = 1;
pub const BARACUDA_ADDRESSING_LAST_PAGE: i32 = 0;
pub const BARACUDA_ADDRESSING_RAGGED: i32 = 1;
pub const BARACUDA_ADDRESSING_POSITIONS: i32 = 2;
pub const BARACUDA_ADDRESSING_SLOTS: i32 = 3;
pub const BARACUDA_TABLE_CSR: i32 = 0;
pub const BARACUDA_TABLE_DENSE: i32 = 1;
pub const BARACUDA_LENGTHS_LAST_PAGE_LEN: i32 = 0;
pub const BARACUDA_LENGTHS_SEQ_LENS: i32 = 1;
pub const BARACUDA_TRANSFORM_COPY: i32 = 0;
pub const BARACUDA_TRANSFORM_FP8: i32 = 1;
pub const BARACUDA_TRANSFORM_PER_TOKEN_HEAD: i32 = 2;
pub const BARACUDA_TRANSFORM_FP8_DS_MLA: i32 = 3;
pub const BARACUDA_TRANSFORM_NVFP4: i32 = 4;
pub const BARACUDA_PARTS_KEY_AND_VALUE: i32 = 0;
pub const BARACUDA_PARTS_KEY: i32 = 1;
pub const BARACUDA_OPERAND_KEY: i32 = 0;
pub const BARACUDA_OPERAND_VALUE: i32 = 1;
pub const BARACUDA_OPERAND_K_DATA: i32 = 2;
pub const BARACUDA_OPERAND_V_DATA: i32 = 3;
pub const BARACUDA_OPERAND_INDICES: i32 = 4;
pub const BARACUDA_OPERAND_INDPTR: i32 = 5;
pub const BARACUDA_OPERAND_LAST_PAGE_LEN: i32 = 6;
pub const BARACUDA_OPERAND_APPEND_INDPTR: i32 = 7;
pub const BARACUDA_OPERAND_BATCH_INDICES: i32 = 8;
pub const BARACUDA_OPERAND_POSITIONS: i32 = 9;
pub const BARACUDA_OPERAND_SLOT_MAPPING: i32 = 10;
pub const BARACUDA_OPERAND_BLOCK_TABLE: i32 = 11;
pub const BARACUDA_OPERAND_SEQ_LENS: i32 = 12;
pub const BARACUDA_OPERAND_K_SCALE: i32 = 13;
pub const BARACUDA_OPERAND_V_SCALE: i32 = 14;
pub const BARACUDA_OPERAND_K_SCALES: i32 = 15;
pub const BARACUDA_OPERAND_V_SCALES: i32 = 16;
pub const BARACUDA_NUM_OPERANDS: i32 = 17;
pub const BARACUDA_MOVEMENT_COPY: i32 = 0;
pub const BARACUDA_MOVEMENT_GATHER: i32 = 1;
pub const BARACUDA_MOVEMENT_SCATTER: i32 = 2;
pub const BARACUDA_COPY_OPERAND_K_DATA: i32 = 0;
pub const BARACUDA_COPY_OPERAND_V_DATA: i32 = 1;
pub const BARACUDA_COPY_OPERAND_SOURCE: i32 = 2;
pub const BARACUDA_COPY_OPERAND_DESTINATION: i32 = 3;
pub const BARACUDA_COPY_OPERAND_BUFFER: i32 = 4;
pub const BARACUDA_NUM_COPY_OPERANDS: i32 = 5;
pub const BARACUDA_CORRUPT_NONE: i32 = 0;
pub const BARACUDA_CORRUPT_INDPTR: i32 = 1;
pub const BARACUDA_CORRUPT_PAGE: i32 = 2;
pub const BARACUDA_CORRUPT_LAST_PAGE_LEN: i32 = 3;
pub const BARACUDA_CORRUPT_BATCH_INDEX: i32 = 4;
pub const BARACUDA_CORRUPT_POSITION: i32 = 5;
pub const BARACUDA_CORRUPT_SLOT: i32 = 6;
pub const BARACUDA_CORRUPT_APPEND_INDPTR: i32 = 7;
pub const BARACUDA_CORRUPT_SOURCE: i32 = 8;
pub const BARACUDA_CORRUPT_DESTINATION: i32 = 9;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct baracuda_error_record {
    pub reason: i32,
    pub operand: i32,
    pub row: i64,
    pub request: i64,
    pub seen: i64,
    pub limit: i64,
    pub page: i64,
    pub reserved: [i64; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct baracuda_paged_kv_append {
    pub struct_size: u32,
    pub flags: u32,
    pub backend: i32,
    pub element: i32,
    pub layout: i32,
    pub length_convention: i32,
    pub batch_size: i32,
    pub page_size: i32,
    pub num_heads: i32,
    pub head_dim: i32,
    pub num_total_pages: i32,
    pub total_used_pages: i32,
    pub k_data: *mut c_void,
    pub v_data: *mut c_void,
    pub indices: *const c_void,
    pub indptr: *const c_void,
    pub last_page_len: *const c_void,
    pub key: *const c_void,
    pub value: *const c_void,
    pub error_record: *mut baracuda_error_record,
    pub stream: *mut c_void,
    pub addressing: i32,
    pub table: i32,
    pub lengths: i32,
    pub transform: i32,
    pub parts: i32,
    pub source_element: i32,
    pub value_head_dim: i32,
    pub int64_operands: u32,
    pub num_rows: i64,
    pub max_pages: i64,
    pub block_table_stride: i64,
    pub skip_slot: i64,
    pub key_strides: [i64; 2],
    pub value_strides: [i64; 2],
    pub k_data_strides: [i64; 3],
    pub v_data_strides: [i64; 3],
    pub append_indptr: *const c_void,
    pub batch_indices: *const c_void,
    pub positions: *const c_void,
    pub slot_mapping: *const c_void,
    pub block_table: *const c_void,
    pub seq_lens: *const c_void,
    pub k_scale: *const c_void,
    pub v_scale: *const c_void,
    pub k_scale_stride: i64,
    pub v_scale_stride: i64,
    pub k_scales: *mut c_void,
    pub v_scales: *mut c_void,
    pub k_scales_strides: [i64; 3],
    pub v_scales_strides: [i64; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct baracuda_paged_kv_copy {
    pub struct_size: u32,
    pub flags: u32,
    pub backend: i32,
    pub movement: i32,
    pub parts: i32,
    pub int64_operands: u32,
    pub num_total_pages: i32,
    pub k_element_bytes: i32,
    pub v_element_bytes: i32,
    pub num_copies: i32,
    pub k_page: [i64; 5],
    pub v_page: [i64; 5],
    pub k_data_strides: [i64; 6],
    pub v_data_strides: [i64; 6],
    pub k_data: *mut c_void,
    pub v_data: *mut c_void,
    pub source: *const c_void,
    pub destination: *const c_void,
    pub buffer: *mut c_void,
    pub error_record: *mut baracuda_error_record,
    pub stream: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct baracuda_tensor {
    pub data: *mut c_void,
    pub device_type: i32,
    pub device_id: i32,
    pub ndim: i32,
    pub type_code: u8,
    pub type_bits: u8,
    pub type_lanes: u16,
    pub shape: *const i64,
    pub strides: *const i64,
    pub byte_offset: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(core::mem::size_of::<baracuda_error_record>() == 64);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(core::mem::size_of::<baracuda_paged_kv_append>() == 408);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(core::mem::size_of::<baracuda_paged_kv_copy>() == 272);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(core::mem::size_of::<baracuda_tensor>() == 48);

extern "C" {
    pub fn baracuda_paged_kv_append_run(op: *const baracuda_paged_kv_append) -> i32;
    pub fn baracuda_paged_kv_append_can_implement(op: *const baracuda_paged_kv_append) -> i32;
    pub fn baracuda_paged_kv_append_preload(
        op: *const baracuda_paged_kv_append,
        arch: *mut i32,
    ) -> i32;
    pub fn baracuda_paged_kv_append_bind(
        op: *mut baracuda_paged_kv_append,
        operands: *const *const baracuda_tensor,
        num_operands: i32,
    ) -> i32;
    pub fn baracuda_paged_kv_copy_run(op: *const baracuda_paged_kv_copy) -> i32;
    pub fn baracuda_paged_kv_copy_can_implement(op: *const baracuda_paged_kv_copy) -> i32;
    pub fn baracuda_paged_kv_copy_preload(op: *const baracuda_paged_kv_copy, arch: *mut i32) -> i32;
    pub fn baracuda_paged_kv_copy_bind(
        op: *mut baracuda_paged_kv_copy,
        operands: *const *const baracuda_tensor,
        num_operands: i32,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_f16_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_f16_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_f16_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_f16_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_bf16_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_bf16_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_bf16_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_bf16_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_f32_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_f32_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_f32_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_f32_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_fp8_e4m3_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_fp8_e4m3_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_fp8_e4m3_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_fp8_e4m3_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_fp8_e5m2_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_fp8_e5m2_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_fp8_e5m2_run(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
        k_data: *mut c_void,
        v_data: *mut c_void,
        indices: *mut c_void,
        indptr: *mut c_void,
        last_page_len: *mut c_void,
        key: *const c_void,
        value: *const c_void,
        stream: *mut c_void,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_fp8_e5m2_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_flashinfer_paged_kv_append_decode_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_kernels_host_paged_kv_append_decode_can_implement(
        batch_size: i32,
        page_size: i32,
        num_heads: i32,
        head_dim: i32,
    ) -> i32;
    pub fn baracuda_host_set_max_threads(max_threads: i32) -> i32;
    pub fn baracuda_host_max_threads() -> i32;
    pub fn baracuda_ffi_version() -> *const c_char;
    pub fn baracuda_ffi_abi_version() -> i32;
    pub fn baracuda_ffi_build_info() -> *const c_char;
    pub fn baracuda_status_name(status: i32) -> *const c_char;
    pub fn baracuda_last_error_message() -> *const c_char;
}
