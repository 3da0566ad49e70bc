//! The mirrored symbols, with the names, order and types of baracuda-kernels-sys.
use std::os::raw::{c_char, c_void};

macro_rules! declare {
    ($($run:ident $can_implement:ident)*) => {
        #[allow(dead_code)]
        #[link(name = "baracuda_ffi")]
        extern "C" {
            $(
                pub fn $run(
                    batch_size: i32, page_size: i32, num_heads: i32, head_dim: i32,
                    k_data: *mut c_void, v_data: *mut c_void,
                    indices: *mut c_void, indptr: *mut c_void, last_page_len: *mut c_void,
                    key: *const c_void, value: *const c_void, stream: *mut c_void,
                ) -> i32;
                pub fn $can_implement(batch_size: i32, page_size: i32, num_heads: i32, head_dim: i32) -> i32;
            )*
            pub fn baracuda_last_error_message() -> *const c_char;
        }
    };
}

declare! {
    baracuda_kernels_flashinfer_paged_kv_append_decode_f16_run
    baracuda_kernels_flashinfer_paged_kv_append_decode_f16_can_implement
    baracuda_kernels_flashinfer_paged_kv_append_decode_bf16_run
    baracuda_kernels_flashinfer_paged_kv_append_decode_bf16_can_implement
    baracuda_kernels_flashinfer_paged_kv_append_decode_f32_run
    baracuda_kernels_flashinfer_paged_kv_append_decode_f32_can_implement
    baracuda_kernels_host_paged_kv_append_decode_f16_run
    baracuda_kernels_host_paged_kv_append_decode_f16_can_implement
    baracuda_kernels_host_paged_kv_append_decode_bf16_run
    baracuda_kernels_host_paged_kv_append_decode_bf16_can_implement
    baracuda_kernels_host_paged_kv_append_decode_f32_run
    baracuda_kernels_host_paged_kv_append_decode_f32_can_implement
}
