//! Every test: the host's own, the black-box suite, the guests'.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cargo::{self, say};
use crate::{dataset, guests};

pub(crate) fn run(filter: &[String]) -> Result<()> {
    require_strace()?;
    cargo::build_host(false)?;
    let target = cargo::target_directory()?;
    let built = guests::build(&target)?;
    let legacy = legacy_database(&target)?;
    let mut tests = cargo::cargo();
    tests
        .args(["test", "--workspace", "--"])
        .args(filter)
        .env("WASMIGRATE_GUESTS", &built.bench)
        .env("WASMIGRATE_EXAMPLES", &built.migrations)
        .env("WASMIGRATE_LEGACY", &legacy);
    cargo::run(&mut tests)?;
    let mut guest_tests = cargo::cargo();
    guest_tests
        .args(["test", "--workspace", "--"])
        .args(filter)
        .current_dir(guests::sources())
        .env("CARGO_TARGET_DIR", target.join("guest-tests"));
    cargo::run(&mut guest_tests)
}

/// The database that the example steps are written for; each test takes a copy.
fn legacy_database(target: &Path) -> Result<PathBuf> {
    let directory = target.join("guests");
    let (path, fresh) = (directory.join("legacy.db"), directory.join("legacy.new.db"));
    if fresh.exists() {
        fs::remove_file(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
    }
    dataset::build(&fresh)?;
    fs::rename(&fresh, &path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The crash tests kill the host at chosen system calls with strace.
fn require_strace() -> Result<()> {
    if finds_strace() {
        return Ok(());
    }
    if Path::new("/usr/bin/apt-get").exists() {
        say("installing strace, which the crash tests kill the host with");
        for arguments in [
            &["update", "-qq"][..],
            &["install", "-y", "-qq", "--no-install-recommends", "strace"],
        ] {
            // What went wrong shows in the look below.
            let _ = Command::new("apt-get")
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .status();
        }
        if finds_strace() {
            return Ok(());
        }
    }
    bail!("the crash tests need strace: install it with the system's package manager")
}

fn finds_strace() -> bool {
    Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success())
}
