//! The C ABI of baracuda_ffi, every write into a paged KV-cache: the constants, structs and functions of `baracuda_ffi.h` by
//! their own names, whose meaning is written there; a struct that is zero but for its size; and a status as a `Result`.
//!
//! The mirrored functions have the names and the argument order of baracuda-kernels-sys.
#![allow(non_camel_case_types)]

#[rustfmt::skip] // written by a program
mod declarations;
mod error;

pub use declarations::*;
pub use error::{check, Error};

impl Default for baracuda_paged_kv_append {
    /// Zero, but for `struct_size`.
    fn default() -> Self {
        Self {
            struct_size: core::mem::size_of::<Self>() as u32,
            ..unsafe { core::mem::zeroed() }
        }
    }
}

impl Default for baracuda_paged_kv_copy {
    /// Zero, but for `struct_size`.
    fn default() -> Self {
        Self {
            struct_size: core::mem::size_of::<Self>() as u32,
            ..unsafe { core::mem::zeroed() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::null_mut;

    #[test]
    fn the_library_is_of_the_declared_abi() {
        assert_eq!(
            unsafe { baracuda_ffi_abi_version() },
            BARACUDA_FFI_ABI_VERSION
        );
    }

    #[test]
    fn a_token_goes_to_its_slot() {
        let (mut k_data, mut v_data) = ([0f32; 2 * 4], [0f32; 2 * 4]); // 2 pages of 2 tokens of 2 elements
        let (key, value, slot) = ([1f32, 2.0], [3f32, 4.0], [3i32]);
        let append = baracuda_paged_kv_append {
            backend: BARACUDA_BACKEND_HOST,
            element: BARACUDA_ELEMENT_F32,
            addressing: BARACUDA_ADDRESSING_SLOTS,
            page_size: 2,
            num_heads: 1,
            head_dim: 2,
            num_total_pages: 2,
            num_rows: 1,
            k_data: k_data.as_mut_ptr().cast(),
            v_data: v_data.as_mut_ptr().cast(),
            key: key.as_ptr().cast(),
            value: value.as_ptr().cast(),
            slot_mapping: slot.as_ptr().cast(),
            ..Default::default()
        };
        check(unsafe { baracuda_paged_kv_append_run(&append) }).unwrap();
        assert_eq!(k_data, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0]);
        assert_eq!(v_data, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 4.0]);
    }

    #[test]
    fn a_refusal_has_its_reason() {
        let nothing = baracuda_paged_kv_append::default();
        match check(unsafe { baracuda_paged_kv_append_run(&nothing) }) {
            Err(Error::InvalidProblem(message) | Error::Unsupported(message)) => {
                assert!(!message.is_empty())
            }
            other => panic!("{other:?}"),
        }
        assert!(check(unsafe { baracuda_paged_kv_append_preload(&nothing, null_mut()) }).is_err());
    }
}
