//! The bill of materials of the host: which libraries are in the binary, and what they are built with.
//!
//! In the form of CycloneDX: <https://cyclonedx.org/docs/1.6/json/>. The same sources give the same bill.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use crate::libraries::{self, Library};

/// The bill as JSON.
pub(crate) fn of_host() -> Result<Value> {
    let libraries = libraries::all()?;
    let (root, host) = libraries
        .iter()
        .find(|(_, library)| library.name == "wasmigrate" && library.source.is_none())
        .context("there is no package `wasmigrate`")?;
    let linked = reached(&libraries, root, |library| library.runs_with.clone());
    let all = reached(&libraries, root, |library| {
        [library.runs_with.clone(), library.built_with.clone()].concat()
    });
    let components = all.iter().filter(|id| *id != root).filter_map(|id| {
        let library = libraries.get(id)?;
        let mut component = component(library, "library");
        let scope = match linked.contains(id) {
            true => "required",
            // Nothing of it is in the binary.
            false => "excluded",
        };
        component.insert("scope".to_owned(), json!(scope));
        Some(component)
    });
    let dependencies = all.iter().filter_map(|id| {
        let library = libraries.get(id)?;
        let on = library.runs_with.iter().chain(&library.built_with);
        let on: BTreeSet<String> = on
            .filter_map(|id| libraries.get(id).map(reference))
            .collect();
        Some(json!({ "ref": reference(library), "dependsOn": on }))
    });
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component(host, "application") },
        "components": components.collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    }))
}

fn component(library: &Library, kind: &str) -> Map<String, Value> {
    // Older packages write `MIT/Apache-2.0`.
    let licence = library.licence.as_ref();
    let licence = licence.map(|licence| licence.replace('/', " OR "));
    let checksum = library.checksum.as_ref();
    let repository = library.repository.as_ref();
    let parts = [
        ("type", Some(json!(kind))),
        ("bom-ref", Some(json!(reference(library)))),
        ("name", Some(json!(library.name))),
        ("version", Some(json!(library.version))),
        ("purl", Some(json!(reference(library)))),
        (
            "licenses",
            licence.map(|expression| json!([{ "expression": expression }])),
        ),
        (
            "hashes",
            checksum.map(|checksum| json!([{ "alg": "SHA-256", "content": checksum }])),
        ),
        (
            "externalReferences",
            repository.map(|url| json!([{ "type": "vcs", "url": url }])),
        ),
    ];
    let known = parts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.collect()
}

/// What names a package everywhere: <https://github.com/package-url/purl-spec>
fn reference(library: &Library) -> String {
    format!("pkg:cargo/{}@{}", library.name, library.version)
}

/// All packages that one leads to.
fn reached(
    libraries: &BTreeMap<String, Library>,
    root: &str,
    next: impl Fn(&Library) -> Vec<String>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(id) = open.pop() {
        if let Some(library) = libraries.get(&id)
            && found.insert(id)
        {
            open.extend(next(library));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_what_is_in_the_binary_and_nothing_of_the_tests() {
        let bill = of_host().unwrap();
        assert_eq!(bill["metadata"]["component"]["name"], "wasmigrate");
        let components = bill["components"].as_array().unwrap();
        let of = |name: &str| {
            let named = |component: &&Value| component["name"] == name;
            components.iter().find(named)
        };
        let runtime = of("wasmtime").unwrap();
        assert_eq!(runtime["scope"], "required");
        assert_eq!(runtime["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert_eq!(
            runtime["licenses"][0]["expression"],
            "Apache-2.0 WITH LLVM-exception"
        );
        // It compiles SQLite, and is not in the binary.
        assert_eq!(of("cc").unwrap()["scope"], "excluded");
        // The runner of scripts is in the binary, and has a lock file of its own.
        let interpreter = of("rquickjs-sys").unwrap();
        assert_eq!(interpreter["scope"], "required");
        assert_eq!(
            interpreter["hashes"][0]["content"].as_str().unwrap().len(),
            64
        );
        assert!(of("fantoccini").is_none());
        let references: BTreeSet<&str> = components
            .iter()
            .chain([&bill["metadata"]["component"]])
            .map(|component| component["bom-ref"].as_str().unwrap())
            .collect();
        for dependency in bill["dependencies"].as_array().unwrap() {
            for on in dependency["dependsOn"].as_array().unwrap() {
                assert!(references.contains(on.as_str().unwrap()), "{on}");
            }
        }
    }
}
