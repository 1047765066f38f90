//! Whether components may be put among migrations under their names: what every command would refuse afterwards is not built.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::file_name::{self, Parts};
use super::repeatable::runs_last;
use super::undoing::undoing;
use super::{Catalog, Error, Seeds, StepKind, shown};
use crate::database::Kind;

/// Refuses files of these names in a directory of migrations: where they would be no steps, or not beside what is there or beside each
/// other.
pub fn check_components(directory: &Path, files: &[String], seeds: &Seeds) -> Result<(), Error> {
    let refused = |name: &String, why: String| Error::NewName {
        name: name.clone(),
        why,
    };
    let mut steps = Vec::new();
    for name in files {
        let Some(parts) = Parts::of(name) else {
            return Err(refused(name, "is no component by its name".to_owned()));
        };
        if parts.undoes || file_name::undone_version(&parts.stem).is_some() {
            let why =
                "undoes another file, and is no SQL: put that into the step itself, as its `reset`";
            return Err(refused(name, why.to_owned()));
        }
        if parts.is_baseline || file_name::baselined_version(&parts.stem).is_some() {
            return Err(refused(name, "is a baseline, and no SQL".to_owned()));
        }
        let read = file_name::index_and_name(&parts.stem);
        let (index, _) = read.map_err(|why| refused(name, why))?;
        steps.push((index, name, parts));
    }
    for kind in Kind::ALL {
        let catalog = match Catalog::scan(directory, kind, seeds) {
            Err(Error::NoStep { .. }) => Catalog::default(),
            Err(Error::Directory { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Catalog::default()
            }
            scanned => scanned?,
        };
        let there = catalog.steps.values();
        let mut taken: BTreeMap<u64, String> = there
            .map(|step| (step.index, step.file_name.clone()))
            .collect();
        for (index, name, parts) in steps.iter().filter(|(.., parts)| parts.is_for(kind)) {
            match taken.insert(*index, (*name).clone()) {
                Some(first) if first != **name && runs_last(*index) => {
                    return Err(Error::DuplicateName {
                        name: parts.stem.clone(),
                        first,
                        second: (*name).clone(),
                    });
                }
                Some(first) if first != **name => {
                    return Err(Error::DuplicateIndex {
                        index: shown(*index, file_name::is_flyways(&parts.stem)),
                        first,
                        second: (*name).clone(),
                        hint: false,
                    });
                }
                Some(_) | None => {}
            }
        }
        let stems = taken
            .values()
            .filter_map(|name| Some(Parts::of(name)?.stem));
        let stems: Vec<String> = stems.collect();
        for (_, name, parts) in &steps {
            if let Some(why) = undoing(&parts.stem, StepKind::Wasm, &stems) {
                return Err(refused(name, why));
            }
        }
        let numbered = taken.iter().filter(|(index, _)| !runs_last(**index));
        let is_version = |name: &&String| file_name::is_flyways(name);
        let (versions, numbers): (Vec<&String>, Vec<&String>) =
            numbered.map(|(_, name)| name).partition(is_version);
        if let (Some(number), Some(version)) = (numbers.first(), versions.first()) {
            return Err(Error::TwoManners {
                number: (*number).clone(),
                version: (*version).clone(),
            });
        }
    }
    Ok(())
}
