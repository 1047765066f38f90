//! What makes the runner of scripts in Python: componentize-py, in a directory of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::say;

/// The packages, in the versions that the runner was tried with: what makes it, and the time zones that are in it.
const PACKAGES: [&str; 2] = ["componentize-py==0.25.1", "tzdata==2026.6"];

/// Installs it below a target directory, where the host's build looks for it. Without Python or its packages everything else is built
/// and tested all the same.
pub(crate) fn prepare(target: &Path) {
    if env::var_os("COMPONENTIZE_PY").is_some() {
        return;
    }
    let directory = target.join("runners/tools/python");
    // A directory of an earlier version has no time zones.
    if directory.join("bin/componentize-py").exists() && has_zones(&directory) {
        return;
    }
    say("installing componentize-py, which makes the runner of scripts in Python");
    if let Err(why) = install(&directory, &PACKAGES) {
        say(&format!(
            "NO RUNNER OF PYTHON: steps in Python are neither built nor tested here, since componentize-py cannot be installed: {why}"
        ));
    }
}

fn has_zones(directory: &Path) -> bool {
    let libraries = fs::read_dir(directory.join("lib"));
    let mut libraries = libraries.into_iter().flatten().flatten();
    libraries.any(|library| library.path().join("site-packages/tzdata").exists())
}

/// Installs packages of Python in a directory of their own.
pub(crate) fn install(directory: &Path, packages: &[&str]) -> Result<(), String> {
    let made = run(Command::new("python3").args(["-m", "venv"]).arg(directory)).and_then(|()| {
        // Its own `pip` names the directory in which it was made, which may have been copied since.
        let python = directory.join("bin/python");
        run(Command::new(python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(packages))
    });
    if made.is_err() {
        // What is half there is not taken for whole.
        let _ = fs::remove_dir_all(directory);
    }
    made
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rfind(|line| !line.trim().is_empty());
    Err(line.unwrap_or("no reason was given").to_owned())
}

/// The runner that the host's build has made; none when it has made none.
pub(crate) fn runner(target: &Path) -> Option<PathBuf> {
    let runner = target.join("runners/python.wasm");
    let tools = target.join("runners/tools/python");
    let can_be_built = env::var_os("COMPONENTIZE_PY").is_some() || tools.exists();
    (can_be_built && runner.exists()).then_some(runner)
}
