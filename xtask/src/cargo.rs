//! Calls of cargo and of the host's binary.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The directory that cargo builds into: this very program stands in `debug/` below it.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let directory = program.ancestors().nth(2);
    Ok(directory
        .context("this program is not in a target directory")?
        .to_owned())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Builds the host and returns its binary.
pub(crate) fn build_host(release: bool) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--package", "wasmigrate"]);
    if release {
        command.arg("--release");
    }
    run(&mut command)?;
    let profile = if release { "release" } else { "debug" };
    Ok(target_directory()?.join(profile).join("wasmigrate"))
}

/// Builds the host for the black-box suite, which starts it many thousand times: its own code is optimised, which takes longer to
/// build and less than half of the time to run. Cargo keeps both builds, so that neither undoes the other.
pub(crate) fn build_host_of_suite() -> Result<()> {
    let optimised = "profile.dev.package.wasmigrate.opt-level=1";
    run(cargo().args(["build", "--package", "wasmigrate", "--config", optimised]))
}

/// Runs a command and demands success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// Writes a line to standard output.
pub(crate) fn say(line: &str) {
    // Nobody is left to tell when the reader has gone away.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
