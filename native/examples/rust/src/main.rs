//! One decode step for two requests, through the symbols of baracuda-kernels-sys: HND, and the lengths before the new
//! token. Every byte of both caches is compared with what it should be.
mod gpu;

use baracuda_ffi_sys as sys;
use core::ffi::c_void;
use core::ptr::null_mut;
use sys::{check, Error};

const BATCH: usize = 2;
const PAGES: usize = 3;
const PAGE_SIZE: usize = 4;
const HEADS: usize = 2;
const HEAD_DIM: usize = 64;
const CACHE: usize = PAGES * HEADS * PAGE_SIZE * HEAD_DIM;
const ROWS: usize = BATCH * HEADS * HEAD_DIM;

/// Rust's allocator promises no more than the alignment of the element; the append asks for 16 bytes.
#[repr(align(16))]
#[derive(Clone)]
struct Aligned<const N: usize>([f32; N]);

#[derive(Clone)]
struct Operands {
    k_data: Box<Aligned<CACHE>>,
    v_data: Box<Aligned<CACHE>>,
    key: Box<Aligned<ROWS>>,
    value: Box<Aligned<ROWS>>,
    indices: [i32; 3],
    indptr: [i32; BATCH + 1],
    last_page_len: [i32; BATCH],
}

fn counting<const N: usize>(first: usize) -> Box<Aligned<N>> {
    Box::new(Aligned(std::array::from_fn(|i| (first + i) as f32)))
}

/// Request 0 holds 5 tokens in pages 2 and 0, request 1 holds 3 in page 1.
fn operands() -> Operands {
    Operands {
        k_data: counting(0),
        v_data: counting(10_000),
        key: counting(20_000),
        value: counting(30_000),
        indices: [2, 0, 1],
        indptr: [0, 2, 3],
        last_page_len: [1, 3],
    }
}

/// By hand: request 0's token belongs in page 0, slot 1; request 1's in page 1, slot 3.
fn expect(cache: &mut [f32], rows: &[f32]) {
    for (request, (page, slot)) in [(0, 1), (1, 3)].into_iter().enumerate() {
        for head in 0..HEADS {
            let to = ((page * HEADS + head) * PAGE_SIZE + slot) * HEAD_DIM;
            let from = (request * HEADS + head) * HEAD_DIM;
            cache[to..to + HEAD_DIM].copy_from_slice(&rows[from..from + HEAD_DIM]);
        }
    }
}

fn append_on_host(o: &mut Operands) -> Result<(), Error> {
    check(unsafe {
        sys::baracuda_kernels_host_paged_kv_append_decode_f32_run(
            BATCH as i32,
            PAGE_SIZE as i32,
            HEADS as i32,
            HEAD_DIM as i32,
            o.k_data.0.as_mut_ptr().cast(),
            o.v_data.0.as_mut_ptr().cast(),
            o.indices.as_mut_ptr().cast(),
            o.indptr.as_mut_ptr().cast(),
            o.last_page_len.as_mut_ptr().cast(),
            o.key.0.as_ptr().cast(),
            o.value.0.as_ptr().cast(),
            null_mut(),
        )
    })
}

fn append_on_gpu(gpu: &gpu::Gpu, o: &mut Operands) -> Result<(), Error> {
    let (k_data, v_data) = (gpu.copy_in(&o.k_data.0), gpu.copy_in(&o.v_data.0));
    check(unsafe {
        sys::baracuda_kernels_flashinfer_paged_kv_append_decode_f32_run(
            BATCH as i32,
            PAGE_SIZE as i32,
            HEADS as i32,
            HEAD_DIM as i32,
            k_data,
            v_data,
            gpu.copy_in(&o.indices),
            gpu.copy_in(&o.indptr),
            gpu.copy_in(&o.last_page_len),
            gpu.copy_in(&o.key.0) as *const c_void,
            gpu.copy_in(&o.value.0) as *const c_void,
            gpu.stream,
        )
    })?;
    gpu.copy_out(&mut o.k_data.0, k_data);
    gpu.copy_out(&mut o.v_data.0, v_data);
    Ok(())
}

fn verify(
    backend: &str,
    append: impl FnOnce(&mut Operands) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut got, mut expected) = (operands(), operands());
    append(&mut got)?;
    expect(&mut expected.k_data.0, &expected.key.0);
    expect(&mut expected.v_data.0, &expected.value.0);
    assert!(
        got.k_data.0 == expected.k_data.0 && got.v_data.0 == expected.v_data.0,
        "{backend}: WRONG BYTES"
    );
    println!("{backend}: every byte as expected");
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    verify("host", append_on_host)?;
    match gpu::Gpu::open() {
        Some(gpu) => verify("flashinfer", |o| append_on_gpu(&gpu, o))?,
        None => println!("flashinfer: no GPU here"),
    }
    let refused = check(unsafe {
        sys::baracuda_kernels_host_paged_kv_append_decode_f32_can_implement(2, 4, 2, 65)
    });
    match refused {
        Err(error @ Error::Unsupported(_)) => println!("as it should be, refused: {error}"),
        other => panic!("head_dim 65 gave {other:?}"),
    }
    Ok(())
}
