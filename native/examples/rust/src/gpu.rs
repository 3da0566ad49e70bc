//! Memory on the first GPU, through the CUDA driver found at run time: see ../../gpu.h.
use core::mem::{size_of_val, transmute_copy};
use core::ptr::null_mut;
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};

extern "C" {
    fn dlopen(file: *const c_char, mode: i32) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

pub struct Gpu {
    driver: *mut c_void,
    pub stream: *mut c_void,
}

impl Gpu {
    /// The first GPU, its context current; None without a driver or a GPU.
    pub fn open() -> Option<Gpu> {
        let driver = unsafe { dlopen(b"libcuda.so.1\0".as_ptr().cast(), 2) };
        if driver.is_null() {
            return None;
        }
        let mut gpu = Gpu {
            driver,
            stream: null_mut(),
        };
        let (mut count, mut context) = (0i32, null_mut::<c_void>());
        unsafe {
            let init: extern "C" fn(u32) -> i32 = gpu.function(b"cuInit\0");
            let get_count: extern "C" fn(*mut i32) -> i32 = gpu.function(b"cuDeviceGetCount\0");
            if init(0) != 0 || get_count(&mut count) != 0 || count == 0 {
                return None;
            }
            let retain: extern "C" fn(*mut *mut c_void, i32) -> i32 =
                gpu.function(b"cuDevicePrimaryCtxRetain\0");
            let set_current: extern "C" fn(*mut c_void) -> i32 = gpu.function(b"cuCtxSetCurrent\0");
            let create: extern "C" fn(*mut *mut c_void, u32) -> i32 =
                gpu.function(b"cuStreamCreate\0");
            assert_eq!(retain(&mut context, 0), 0);
            assert_eq!(set_current(context), 0);
            assert_eq!(create(&mut gpu.stream, 1), 0);
        }
        Some(gpu)
    }

    /// A copy of `source` on the GPU.
    pub fn copy_in<T: Copy>(&self, source: &[T]) -> *mut c_void {
        let mut address = 0u64;
        unsafe {
            let alloc: extern "C" fn(*mut u64, usize) -> i32 = self.function(b"cuMemAlloc_v2\0");
            let copy: extern "C" fn(u64, *const c_void, usize) -> i32 =
                self.function(b"cuMemcpyHtoD_v2\0");
            assert_eq!(alloc(&mut address, size_of_val(source)), 0);
            assert_eq!(
                copy(address, source.as_ptr().cast(), size_of_val(source)),
                0
            );
        }
        address as *mut c_void
    }

    /// Waits for the stream, then copies the GPU's memory at `source` into `target`.
    pub fn copy_out<T: Copy>(&self, target: &mut [T], source: *mut c_void) {
        unsafe {
            let wait: extern "C" fn(*mut c_void) -> i32 = self.function(b"cuStreamSynchronize\0");
            let copy: extern "C" fn(*mut c_void, u64, usize) -> i32 =
                self.function(b"cuMemcpyDtoH_v2\0");
            assert_eq!(wait(self.stream), 0);
            assert_eq!(
                copy(
                    target.as_mut_ptr().cast(),
                    source as u64,
                    size_of_val(target)
                ),
                0
            );
        }
    }

    unsafe fn function<F>(&self, name: &[u8]) -> F {
        let name = CStr::from_bytes_with_nul(name).expect("a C string");
        let address = dlsym(self.driver, name.as_ptr());
        assert!(!address.is_null(), "libcuda has no {name:?}");
        transmute_copy(&address)
    }
}
