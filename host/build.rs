//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The tests start it some ten thousand times, and to move it to an address of its own takes 2 of the 4 ms until it
    // begins. What is released keeps that protection.
    let is_released = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if !is_released && is_linux {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
