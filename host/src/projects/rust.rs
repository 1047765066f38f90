//! Rust: cargo, with the target `wasm32-wasip2`, which makes a component by itself.

use std::path::PathBuf;

use super::tool::{Tool, run};
use super::{Error, Place};

const TARGET: &str = "wasm32-wasip2";
const TESTED: &str = "Rust 1.95";

/// What is meant for the host's own build, and would mislead that of a step.
const VARIABLES: [&str; 6] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

pub(super) fn compile(place: &Place<'_>) -> Result<Vec<u8>, Error> {
    let missing = |what, install: String| Error::MissingTool {
        what,
        install,
        tested: TESTED,
    };
    let cargo = Tool::new(&["cargo"]);
    if cargo.says(&["--version"]).is_none() {
        return Err(missing("Rust", "install it by rustup.rs".to_owned()));
    }
    let mut rustc = Tool::new(&["rustc"]).command();
    let asked = rustc
        .env_remove("RUSTC")
        .current_dir(&place.sources)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    let has_target = asked.is_ok_and(|answer| {
        let library = String::from_utf8_lossy(&answer.stdout);
        answer.status.success() && PathBuf::from(library.trim()).is_dir()
    });
    if !has_target {
        return Err(missing(
            "Rust's target wasm32-wasip2",
            format!("`rustup target add {TARGET}`"),
        ));
    }
    let mut build = cargo.command();
    build
        .args(["build", "--release", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(place.target()?);
    for variable in VARIABLES {
        build.env_remove(variable);
    }
    let messages = run(&mut build, place)?;
    let path = artifact(&String::from_utf8_lossy(&messages)).ok_or_else(|| Error::NoStep {
        name: place.name.to_owned(),
        why: "cargo has made no .wasm file: does Cargo.toml say `crate-type = [\"cdylib\"]`?"
            .to_owned(),
    })?;
    std::fs::read(&path).map_err(Error::reading(&path))
}

/// The last file that cargo says to have made for WebAssembly: the dependencies come before.
fn artifact(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let files = messages.filter_map(|message| message.get("filenames")?.as_array().cloned());
    let mut names = files
        .flatten()
        .filter_map(|file| file.as_str().map(PathBuf::from));
    names.rfind(|name| name.extension().is_some_and(|ending| ending == "wasm"))
}
