// Asks pkg-config where libbaracuda_ffi is.
use std::process::Command;

fn main() {
    let output = Command::new("pkg-config")
        .args(["--variable=libdir", "baracuda_ffi"])
        .output()
        .expect("pkg-config");
    assert!(
        output.status.success(),
        "pkg-config does not find baracuda_ffi: set PKG_CONFIG_PATH\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let libdir = String::from_utf8(output.stdout).expect("a path in UTF-8");
    println!("cargo:rustc-link-search=native={}", libdir.trim());
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
}
