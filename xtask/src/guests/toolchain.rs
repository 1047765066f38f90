//! Which Rust compiles the guests.
//!
//! 1. The user's own, when it has the target `wasm32-wasip2` or rustup can add it. Its output is a component.
//! 2. Debian's `rustc`, `cargo` and `rust-src` packages, where the network offers packages but no rustup: they compile
//!    the standard library together with the guests for `wasm32-unknown-unknown`. Its output is a core module.
//!
//! The variable `WASMIGRATE_GUEST_TOOLCHAIN` set to `rustup` or `debian` decides otherwise.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::program::{run_quietly, say, without_cargo_environment};

const CHOICE: &str = "WASMIGRATE_GUEST_TOOLCHAIN";
const WASI_TARGET: &str = "wasm32-wasip2";
const PLAIN_TARGET: &str = "wasm32-unknown-unknown";

/// Debian's packages for web browsers, which carry a newer Rust than the distribution.
const DEBIAN_PACKAGES: [&str; 5] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-llvm",
    "lld-22",
];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/Cargo.toml";

/// What compiles the guests.
#[derive(Debug)]
pub(super) enum Toolchain {
    /// The user's own Rust, with the target for WASI.
    Own,
    /// Debian's Rust, which compiles the standard library as well.
    Debian {
        /// Where its linker is.
        linker_directory: PathBuf,
    },
}

impl Toolchain {
    /// Finds a toolchain, or installs one.
    pub(super) fn find(sources: &Path, guests_directory: &Path) -> Result<Self> {
        match env::var(CHOICE).ok().as_deref() {
            None | Some("") => {
                if own_rust_has_target(sources) || rustup_adds_target(sources, guests_directory) {
                    return Ok(Self::Own);
                }
                Self::debian()
            }
            Some("rustup") => Ok(Self::Own),
            Some("debian") => Self::debian(),
            Some(other) => {
                bail!("{CHOICE} is {other:?}: set it to rustup or debian, or not at all")
            }
        }
    }

    fn debian() -> Result<Self> {
        if let Some(found) = Self::installed_debian() {
            return Ok(found);
        }
        install_debian_packages()?;
        Self::installed_debian().with_context(|| {
            format!(
                "{} were installed, but are not complete",
                DEBIAN_PACKAGES.join(", ")
            )
        })
    }

    fn installed_debian() -> Option<Self> {
        let complete = [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_SOURCE]
            .iter()
            .all(|path| Path::new(path).exists());
        let linker_directory = debian_linker_directory()?;
        complete.then_some(Self::Debian { linker_directory })
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Own => "the installed Rust",
            Self::Debian { .. } => "Debian's Rust",
        }
    }

    /// The target it compiles for.
    pub(super) fn target(&self) -> &'static str {
        match self {
            Self::Own => WASI_TARGET,
            Self::Debian { .. } => PLAIN_TARGET,
        }
    }

    /// Cargo, ready to be told what to do.
    pub(super) fn cargo(&self) -> Result<Command> {
        match self {
            Self::Own => {
                let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let mut command = Command::new(cargo);
                without_cargo_environment(&mut command);
                command.arg("build");
                Ok(command)
            }
            Self::Debian { linker_directory } => {
                let mut command = Command::new(DEBIAN_CARGO);
                without_cargo_environment(&mut command);
                let others = env::var_os("PATH").unwrap_or_default();
                let path = env::join_paths(
                    std::iter::once(linker_directory.clone()).chain(env::split_paths(&others)),
                )?;
                command
                    .env("PATH", path)
                    .env("RUSTC", DEBIAN_RUSTC)
                    // Compiling the standard library is a feature of nightly, and of this variable.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .args(["build", "-Zbuild-std=std,panic_abort"]);
                Ok(command)
            }
        }
    }
}

fn own_rust_has_target(sources: &Path) -> bool {
    let mut rustc = Command::new("rustc");
    without_cargo_environment(&mut rustc);
    rustc
        .current_dir(sources)
        .args(["--print", "target-libdir", "--target", WASI_TARGET])
        .stderr(Stdio::null());
    rustc.output().is_ok_and(|answer| {
        let directory = String::from_utf8_lossy(&answer.stdout);
        answer.status.success() && Path::new(directory.trim()).is_dir()
    })
}

/// Asks rustup for the target. That needs the network, so a refusal is remembered.
fn rustup_adds_target(sources: &Path, guests_directory: &Path) -> bool {
    let refusal = guests_directory.join("rustup-refused.txt");
    if refusal.exists() {
        return false;
    }
    let mut rustup = Command::new("rustup");
    rustup
        .current_dir(sources)
        .args(["target", "add", WASI_TARGET])
        .env("RUSTUP_MAX_RETRIES", "1")
        .stdin(Stdio::null());
    // Without rustup there is nothing to remember: it is asked again when it is there.
    let Ok(answer) = rustup.output() else {
        return false;
    };
    if answer.status.success() {
        say(format_args!(
            "added the target {WASI_TARGET} to the installed Rust"
        ));
        return true;
    }
    let reason = format!(
        "rustup could not add the target {WASI_TARGET}; remove this file to have it asked again\n\n{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    // When this cannot be written, rustup is asked once more than needed.
    let _ = fs::write(refusal, reason);
    false
}

/// The newest `/usr/lib/llvm-N/bin` with a linker for WebAssembly.
fn debian_linker_directory() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.strip_prefix("llvm-")?.parse::<u32>().ok()
    });
    let mut versions: Vec<_> = versions.collect();
    versions.sort_unstable();
    versions
        .into_iter()
        .rev()
        .map(|version| PathBuf::from(format!("/usr/lib/llvm-{version}/bin")))
        .find(|directory| directory.join("wasm-ld").exists())
}

fn install_debian_packages() -> Result<()> {
    let packages = DEBIAN_PACKAGES.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() || !is_root() {
        bail!(
            "could not find a Rust that compiles for WebAssembly: run `rustup target add {WASI_TARGET}`, \
             or on Debian, as root, `apt-get install {packages}`"
        );
    }
    say(format_args!(
        "rustup cannot add the target {WASI_TARGET}; installing {packages}"
    ));
    let steps: [&[&str]; 2] = [
        &["update"],
        &["install", "--yes", "--no-install-recommends"],
    ];
    for arguments in steps {
        let mut apt = Command::new("/usr/bin/apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments.len() > 1 {
            apt.args(DEBIAN_PACKAGES);
        }
        run_quietly(&mut apt, "install Debian's Rust")?;
    }
    Ok(())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|answer| answer.stdout == b"0\n")
}
