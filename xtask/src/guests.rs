//! Builds the guests in `guest-migrations/`: the example steps and the guests of the benchmarks.
//!
//! The way a user builds a step comes first: the target `wasm32-wasip2` of the installed Rust. Where that cannot be had,
//! Debian's Rust does it, see [`toolchain`]. Cargo knows what has to be built again; a component is only written when it
//! is another one, so that its time tells when it changed.

mod build;
mod component;
mod program;
mod toolchain;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::component::write_if_changed;
use self::toolchain::Toolchain;

/// The guests, ready to use.
#[derive(Debug, Clone)]
pub(crate) struct BuiltGuests {
    /// A migrations directory with the example steps: `NNNN_name.wasm` and `NNNN_name.sql`, nothing else.
    pub(crate) migrations: PathBuf,
    /// The directory with the components of the benchmarks: `name.wasm`.
    pub(crate) bench: PathBuf,
}

impl BuiltGuests {
    /// The component of one guest of the benchmarks, by the name of its folder.
    pub(crate) fn bench(&self, name: &str) -> PathBuf {
        self.bench.join(name).with_extension("wasm")
    }
}

/// Where the guests' sources are.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-migrations")
}

/// Builds all guests into `guests/` under a target directory. Silent when there is nothing to do.
///
/// # Errors
/// When no toolchain for WebAssembly can be had, or a guest does not compile.
pub(crate) fn build(target_directory: &Path) -> Result<BuiltGuests> {
    let directory = std::path::absolute(target_directory)?.join("guests");
    let guests = BuiltGuests {
        migrations: directory.join("migrations"),
        bench: directory.join("bench"),
    };
    for folder in [&guests.migrations, &guests.bench] {
        fs::create_dir_all(folder)
            .with_context(|| format!("could not create {}", folder.display()))?;
    }
    let sources = sources();
    let toolchain = Toolchain::find(&sources, &directory)?;
    let artifacts = build::run(&toolchain, &sources, &directory.join("cargo"))?;

    let mut steps = BTreeSet::new();
    for step in entries(&sources.join("steps"))? {
        steps.insert(place(
            &step,
            step_name(&step)?,
            &artifacts,
            &guests.migrations,
        )?);
    }
    remove_others(&guests.migrations, &steps)?;
    let mut bench = BTreeSet::new();
    for guest in entries(&sources.join("bench"))? {
        let name = file_name(&guest)?;
        bench.insert(place(&guest, name, &artifacts, &guests.bench)?);
    }
    remove_others(&guests.bench, &bench)?;
    Ok(guests)
}

/// Puts the component of a crate, or a step in SQL, where it belongs, and returns its file name.
fn place(source: &Path, crate_name: &str, artifacts: &Path, folder: &Path) -> Result<String> {
    let name = file_name(source)?;
    if source.is_dir() {
        let name = format!("{name}.wasm");
        let artifact = artifacts.join(crate_name).with_extension("wasm");
        component::make(&artifact, &folder.join(&name))?;
        return Ok(name);
    }
    let content =
        fs::read(source).with_context(|| format!("could not read {}", source.display()))?;
    write_if_changed(&folder.join(name), &content)?;
    Ok(name.to_owned())
}

/// The name of a step without its index: `0002_parse_registry` holds the crate `parse-registry`.
fn step_name(step: &Path) -> Result<&str> {
    match file_name(step)?.split_once('_') {
        Some((index, name)) if index.len() == 4 && index.bytes().all(|c| c.is_ascii_digit()) => {
            Ok(name)
        }
        _ => bail!(
            "{} is no step: its name must be like 0002_parse_registry",
            step.display()
        ),
    }
}

fn file_name(path: &Path) -> Result<&str> {
    path.file_name()
        .and_then(|name| name.to_str())
        .with_context(|| format!("{} has no name in UTF-8", path.display()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// A step that is gone from the sources must not stay among the migrations.
fn remove_others(folder: &Path, names: &BTreeSet<String>) -> Result<()> {
    for entry in entries(folder)? {
        if !names.contains(file_name(&entry)?) {
            fs::remove_file(&entry)
                .with_context(|| format!("could not remove {}", entry.display()))?;
        }
    }
    Ok(())
}
