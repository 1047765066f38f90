//! Seeds: the rows that an environment begins with. They are files of a directory of their own, which the settings name where
//! they are wanted, and run after all other steps in the order of their names: each once, or again when it has changed where
//! it is called `R__name.sql`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::listing::Listing;
use super::repeatable::{is_repeatable_name, seed_index};
use super::{Catalog, Error, Role, Strange};
use crate::database::Kind;

/// What the label of a seed begins with.
const PREFIX: &str = "seeds/";

/// Where seeds are.
#[derive(Clone, Debug, Default)]
pub struct Seeds {
    /// The directory of those that run; none where none do.
    pub directory: Option<PathBuf>,
    /// The directories of other environments, whose files do not run.
    pub elsewhere: Vec<PathBuf>,
}

impl Seeds {
    /// The directories of seeds that stand in a directory of steps.
    pub(super) fn within(&self, directory: &Path) -> BTreeSet<PathBuf> {
        let all = self.directory.iter().chain(&self.elsewhere);
        let canonical = directory.canonicalize().ok();
        let inner = all.filter_map(|seeds| {
            let seeds = seeds.canonicalize().ok()?;
            let is_inside = seeds.parent() == canonical.as_deref();
            is_inside.then(|| seeds.file_name().map(|name| directory.join(name)))?
        });
        inner.collect()
    }
}

impl Catalog {
    /// Adds the files of a directory of seeds.
    pub(super) fn add_seeds(&mut self, directory: &Path, database: Kind) -> Result<(), Error> {
        let listing = Listing::of(directory, database, &BTreeSet::new());
        let Listing {
            listed,
            baselines,
            ignored,
            mut strange,
        } = listing.map_err(|source| Error::Seeds {
            directory: directory.to_owned(),
            source,
        })?;
        strange.extend(baselines.into_iter().map(|file| Strange {
            file_name: file.file_name,
            why: "is a baseline, which stands among the steps".to_owned(),
        }));
        if !strange.is_empty() {
            return Err(Error::Strange {
                directory: directory.to_owned(),
                files: strange,
                hint: "seeds are files .sql and .wasm, and run in the order of their names",
            });
        }
        for mut file in listed {
            let name = format!("{PREFIX}{}", file.stem);
            let index = seed_index(&name);
            let role = match is_repeatable_name(&file.stem) {
                true => Role::Repeatable,
                false => Role::Seed,
            };
            file.file_name.insert_str(0, PREFIX);
            let step = file.into_step(index, name, role);
            let second = step.file_name.clone();
            if let Some(first) = self.steps.insert(index, step) {
                return Err(Error::DuplicateIndex {
                    index: first.name,
                    first: first.file_name,
                    second,
                });
            }
        }
        self.ignored.extend(ignored);
        Ok(())
    }
}
