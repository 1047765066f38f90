//! The libraries of this repository, as cargo knows them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cargo;

/// Where all libraries come from.
pub(crate) const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A package, of this repository or of others.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    pub(crate) name: String,
    pub(crate) version: String,
    /// None for those of this repository.
    pub(crate) source: Option<String>,
    pub(crate) licence: Option<String>,
    pub(crate) repository: Option<String>,
    /// The SHA-256 of what the registry gave, where it comes from one.
    pub(crate) checksum: Option<String>,
    /// What it is linked with.
    pub(crate) runs_with: Vec<String>,
    /// What it is built with.
    pub(crate) built_with: Vec<String>,
}

impl Library {
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// The system that releases are for.
const SYSTEM: &str = "x86_64-unknown-linux-gnu";

/// The workspace of the guests, and their system.
pub(crate) const GUESTS: &str = "guest-migrations";
const GUESTS_SYSTEM: &str = "wasm32-wasip2";

/// The guests that are a part of the host's binary, and the package that has them in it.
const RUNNERS: [&str; 2] = [
    "wasmigrate-javascript-runner",
    "wasmigrate-typescript-eraser",
];
const HOLDER: &str = "wasmigrate-runners";

/// All packages, by cargo's names for them: those of the host on the system that releases are for, and those of the guests.
pub(crate) fn all() -> Result<BTreeMap<String, Library>> {
    let mut all = of_workspace(&cargo::root(), SYSTEM)?;
    let guests = of_workspace(&cargo::root().join(GUESTS), GUESTS_SYSTEM)?;
    let mut runners = Vec::new();
    for name in RUNNERS {
        let runner = guests.iter().find(|(_, guest)| guest.name == name);
        let runner = runner.map(|(id, _)| id.clone());
        runners.push(runner.with_context(|| format!("there is no package `{name}`"))?);
    }
    for (id, library) in guests {
        match all.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(library);
            }
            Entry::Occupied(mut entry) => {
                let both = entry.get_mut();
                both.runs_with.extend(library.runs_with);
                both.built_with.extend(library.built_with);
            }
        }
    }
    let mut holders = all.values_mut().filter(|library| library.name == HOLDER);
    let holder = holders
        .next()
        .with_context(|| format!("there is no package `{HOLDER}`"))?;
    holder.runs_with.append(&mut runners);
    Ok(all)
}

fn of_workspace(directory: &Path, system: &str) -> Result<BTreeMap<String, Library>> {
    let output = cargo::cargo()
        .current_dir(directory)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", system])
        .output()
        .context("cannot start cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata: {errors}");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let lock = fs::read_to_string(directory.join("Cargo.lock"))?;
    let checksums = checksums(&lock)?;
    let nodes: BTreeMap<String, &Value> = list(field(field(&metadata, "resolve"), "nodes"))
        .map(|node| (text(field(node, "id")), node))
        .collect();
    let libraries = list(field(&metadata, "packages")).filter_map(|package| {
        let id = text(field(package, "id"));
        let node = nodes.get(&id)?;
        let library = Library {
            name: text(field(package, "name")),
            version: text(field(package, "version")),
            source: optional(field(package, "source")),
            licence: optional(field(package, "license")),
            repository: optional(field(package, "repository")),
            checksum: None,
            runs_with: dependencies(node, None),
            built_with: dependencies(node, Some("build")),
        };
        let checksum = checksums.get(&library.label()).cloned();
        Some((
            id,
            Library {
                checksum,
                ..library
            },
        ))
    });
    Ok(libraries.collect())
}

/// The packages that a node depends on in this way.
fn dependencies(node: &Value, kind: Option<&str>) -> Vec<String> {
    let is_meant = |dependency: &&Value| {
        list(field(dependency, "dep_kinds")).any(|each| field(each, "kind").as_str() == kind)
    };
    let meant = list(field(node, "deps")).filter(is_meant);
    let found: BTreeSet<String> = meant
        .map(|dependency| text(field(dependency, "pkg")))
        .collect();
    found.into_iter().collect()
}

/// The checksums of the lock file, by name and version.
fn checksums(lock: &str) -> Result<BTreeMap<String, String>> {
    let lock: toml::Table = lock.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages = packages.context("Cargo.lock has no packages")?;
    let entry = |package: &toml::Value, name: &str| {
        let value = package.get(name)?.as_str()?;
        Some(value.to_owned())
    };
    let known = packages.iter().filter_map(|package| {
        let (name, version) = (entry(package, "name")?, entry(package, "version")?);
        Some((format!("{name} {version}"), entry(package, "checksum")?))
    });
    Ok(known.collect())
}

fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn optional(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
