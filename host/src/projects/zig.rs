//! Zig: one program without an operating system, and no libc.

use std::process::Command;

use super::tool::{Tool, run};
use super::{Error, Place};

/// The variable that names the program, with arguments where it needs them.
const VARIABLE: &str = "WASMIGRATE_ZIG";
const TESTED: &str = "Zig 0.17";

pub(super) fn compile(place: &Place<'_>) -> Result<Vec<u8>, Error> {
    let zig = tool().ok_or_else(|| Error::MissingTool {
        what: "Zig",
        install: format!("`pip install ziglang`; {VARIABLE} may name another"),
        tested: TESTED,
    })?;
    let sdk = place.sdk_of("zig")?.join("wasmigrate.zig");
    let output = place.output()?;
    let mut command = zig.and("build-exe").command();
    command
        .args(["-target", "wasm32-freestanding", "-O", "ReleaseSafe"])
        .args(["-fno-entry", "-rdynamic", "-fstrip"])
        .args(["--dep", "wasmigrate", "-Mroot=step.zig"])
        .arg(format!("-Mwasmigrate={}", sdk.display()))
        .arg(format!("-femit-bin={}", output.display()));
    keep_in(&mut command, place)?;
    run(&mut command, place)?;
    std::fs::read(&output).map_err(Error::reading(&output))
}

/// The program: that of the variable, the one that is installed, or that of the Python package.
pub(super) fn tool() -> Option<Tool> {
    let others = [
        Tool::new(&["zig"]),
        Tool::new(&["python-zig"]),
        Tool::new(&["python3", "-m", "ziglang"]),
    ];
    let named = Tool::of_variable(VARIABLE).into_iter();
    named
        .chain(others)
        .find(|tool| tool.says(&["version"]).is_some())
}

/// What it keeps goes where everything else is kept, not among the sources.
pub(super) fn keep_in(command: &mut Command, place: &Place<'_>) -> Result<(), Error> {
    command.env("ZIG_LOCAL_CACHE_DIR", place.target()?.join("zig"));
    Ok(())
}
