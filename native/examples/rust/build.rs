// So that the program finds the library where it was linked with it, without LD_LIBRARY_PATH.
fn main() {
    let libdir = std::env::var("DEP_BARACUDA_FFI_LIBDIR").expect("baracuda-ffi-sys says it");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libdir}");
}
