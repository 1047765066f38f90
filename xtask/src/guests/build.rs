//! Runs cargo on the guests.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::program::run_quietly;
use super::toolchain::Toolchain;

/// Compiles all guests and returns the folder with what came out.
pub(super) fn run(
    toolchain: &Toolchain,
    sources: &Path,
    target_directory: &Path,
) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo()?;
    cargo
        .current_dir(sources)
        .args(["--release", "--locked"])
        .args(["--target", toolchain.target()])
        .env("CARGO_TARGET_DIR", target_directory);
    run_quietly(
        &mut cargo,
        &format!("compile the guests with {}", toolchain.name()),
    )?;
    Ok(target_directory.join(toolchain.target()).join("release"))
}
