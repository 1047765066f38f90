//! Builds the runners, which are components with an interpreter written in C in them. Without a compiler that makes
//! WebAssembly of C the rest is built all the same; scripts are refused then, with the reason.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

const SOURCES: &str = "../../guest-migrations/runners";
const TARGET: &str = "wasm32-wasip2";

/// Where Debian's package `wasi-libc` has the headers of C.
const HEADERS: &str = "/usr/include/wasm32-wasi";

fn main() {
    for watched in [SOURCES, "../../guest-migrations/sdk", "../../wit"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    for variable in ["WASMIGRATE_CLANG", "WASMIGRATE_WASI_HEADERS"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a directory"));
    let mut missing = String::new();
    for world in ["step", "transform"] {
        let name = format!("javascript_{world}");
        let built = if missing.is_empty() {
            build(&out, world)
        } else {
            Err(missing.clone())
        };
        let (digest, deflated) = match built {
            Ok(component) => {
                let digest = Sha256::digest(&component);
                let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                (digest, miniz_oxide::deflate::compress_to_vec(&component, 9))
            }
            Err(why) => {
                missing = why;
                (String::new(), Vec::new())
            }
        };
        fs::write(out.join(&name), deflated).expect("the runner can be written");
        let name = name.to_uppercase();
        println!("cargo:rustc-env=WASMIGRATE_{name}_DIGEST={digest}");
    }
    if !missing.is_empty() {
        println!("cargo:warning=migrations in JavaScript cannot be run: {missing}");
    }
    println!("cargo:rustc-env=WASMIGRATE_RUNNERS_MISSING={missing}");
}

fn build(out: &Path, world: &str) -> Result<Vec<u8>, String> {
    let clang = clang()?;
    let headers = env::var("WASMIGRATE_WASI_HEADERS").unwrap_or_else(|_| HEADERS.to_owned());
    if !Path::new(&headers).join("stdlib.h").exists() {
        return Err(format!(
            "there are no C headers for WebAssembly in {headers} (Debian: wasi-libc)"
        ));
    }
    let sources = fs::canonicalize(Path::new(SOURCES).join("javascript"))
        .map_err(|error| format!("{SOURCES}: {error}"))?;
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    let prefix = |from: &str, to: &str| format!("--remap-path-prefix={from}={to}");
    // The same component wherever it is built.
    let flags = [
        prefix(&sources.display().to_string(), "/runner"),
        prefix(&home.unwrap_or_default(), "/cargo"),
        prefix(&out.display().to_string(), "/out"),
    ];
    let target = out.join("cargo");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&sources)
        .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
        .args(["--features", world])
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("RQUICKJS_SYS_NO_WASI_SDK", "1")
        .env("CC_wasm32_wasip2", clang)
        .env(
            "CFLAGS_wasm32_wasip2",
            format!("--target=wasm32-wasi -isystem {headers}"),
        )
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS");
    let output = cargo
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said
            .lines()
            .find(|line| line.contains("error"))
            .unwrap_or("no reason was given");
        return Err(format!("the runner cannot be built: {line}"));
    }
    let component = target
        .join(TARGET)
        .join("release/wasmigrate_javascript_runner.wasm");
    fs::read(&component).map_err(|error| format!("{}: {error}", component.display()))
}

/// A clang that makes WebAssembly: that of the variable, or the newest that is installed.
fn clang() -> Result<String, String> {
    if let Ok(clang) = env::var("WASMIGRATE_CLANG") {
        return Ok(clang);
    }
    let names = std::iter::once("clang".to_owned())
        .chain((11..30).rev().map(|version| format!("clang-{version}")));
    let makes_wasm = |name: &String| {
        let asked = Command::new(name).arg("--print-targets").output();
        asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("wasm32"))
    };
    names
        .into_iter()
        .find(makes_wasm)
        .ok_or_else(|| "there is no clang that makes WebAssembly (Debian: clang)".to_owned())
}
