//! The libraries of this repository, as cargo knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

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

/// All packages on the system that releases are for, by cargo's names for them.
pub(crate) fn all() -> Result<BTreeMap<String, Library>> {
    let output = cargo::cargo()
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .context("cannot start cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata: {errors}");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let lock = fs::read_to_string(cargo::root().join("Cargo.lock"))?;
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
