// Finds libbaracuda_ffi: in BARACUDA_FFI_LIB_DIR, or where pkg-config says. With BARACUDA_FFI_STATIC=1 the archive is linked.
//
// A crate that depends on this one is told the folder in DEP_BARACUDA_FFI_LIBDIR, for the rpath of its programs: what a
// build script says of that counts for its own crate alone.
use std::env;
use std::path::Path;
use std::process::Command;

fn pkg_config(options: &[&str]) -> String {
    let output = Command::new("pkg-config")
        .args(options)
        .arg("baracuda_ffi")
        .output()
        .expect(
            "neither BARACUDA_FFI_LIB_DIR nor pkg-config is here to say where libbaracuda_ffi is",
        );
    assert!(
        output.status.success(),
        "pkg-config does not find baracuda_ffi: set PKG_CONFIG_PATH, or BARACUDA_FFI_LIB_DIR\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8 from pkg-config")
}

fn main() {
    for name in [
        "BARACUDA_FFI_LIB_DIR",
        "BARACUDA_FFI_STATIC",
        "PKG_CONFIG_PATH",
    ] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let said = env::var("BARACUDA_FFI_LIB_DIR");
    if let Ok(said) = &said {
        env::set_var("PKG_CONFIG_PATH", Path::new(said).join("pkgconfig"));
    }
    let libdir = said.unwrap_or_else(|_| pkg_config(&["--variable=libdir"]).trim().to_string());
    let libdir = Path::new(&libdir)
        .canonicalize()
        .unwrap_or_else(|error| panic!("{libdir}: {error}"));
    println!("cargo:rustc-link-search=native={}", libdir.display());
    println!("cargo:libdir={}", libdir.display());
    if env::var("BARACUDA_FFI_STATIC").map_or(false, |value| value == "1") {
        println!("cargo:rustc-link-lib=static=baracuda_ffi");
        for library in pkg_config(&["--static", "--libs-only-l"]).split_whitespace() {
            if library != "-lbaracuda_ffi" {
                println!("cargo:rustc-link-lib=dylib={}", &library[2..]);
            }
        }
    } else {
        println!("cargo:rustc-link-lib=dylib=baracuda_ffi");
    }
}
