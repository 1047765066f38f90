//! Runs programs: silent when they are quick, line by line when they take their time.

use std::env;
use std::fmt::Arguments;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Output of a program that runs longer than this is shown as it comes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs a program whose output only matters when it takes long or fails.
pub(super) fn run_quietly(command: &mut Command, purpose: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {program} to {purpose}"))?;
    let mut kept = Vec::new();
    let mut shown = false;
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).lines() {
            kept.push(line?);
            if started.elapsed() > PATIENCE {
                if !shown {
                    say(format_args!("waiting for {program} to {purpose}"));
                    shown = true;
                }
                for line in kept.drain(..) {
                    say(format_args!("{line}"));
                }
            }
        }
    }
    let status = child.wait()?;
    if !status.success() {
        for line in kept {
            say(format_args!("{line}"));
        }
        bail!("could not {purpose}: {program} ended with {status}");
    }
    Ok(())
}

/// Takes away what `cargo run` set for this program, and what was meant for the host: both would mislead the guests'
/// cargo.
pub(super) fn without_cargo_environment(command: &mut Command) {
    const NAMES: [&str; 8] = [
        "CARGO",
        "CARGO_ENCODED_RUSTFLAGS",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
    ];
    const PREFIXES: [&str; 5] = [
        "CARGO_BUILD_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
    ];
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else {
            continue;
        };
        if NAMES.contains(&text) || PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

/// Says what is being done, for those who wait.
pub(super) fn say(text: Arguments<'_>) {
    // There is nobody left to say so to when this fails.
    let _ = writeln!(io::stderr(), "{text}");
}
