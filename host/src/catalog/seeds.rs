//! Seeds: the rows that an environment begins with. They are files of a directory of their own, which the settings name where
//! they are wanted, and run after all other steps in the order of their names: each once, or again when it has changed where
//! it is called `R__name.sql`.
//!
//! A seed is known by its directory and its name: two environments may have seeds with equal names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::file_name::Parts;
use super::listing::Listing;
use super::repeatable::{is_repeatable_name, is_seed, seed_index};
use super::{Catalog, Error, Role, Strange};
use crate::database::Kind;

/// Where seeds are.
#[derive(Clone, Debug, Default)]
pub struct Seeds {
    /// The directory of those that run; none where none do.
    pub directory: Option<PathBuf>,
    /// What that directory is called in the journal.
    pub name: Option<String>,
    /// The directories of other environments, whose files do not run.
    pub elsewhere: Vec<PathBuf>,
}

/// What a seed is called: its index is made from this, and people see it without the way to its directory.
fn name_in(directory: &str, stem: &str) -> (u64, String) {
    let name = format!("{directory}/{stem}");
    let shown = name.strip_prefix("../").unwrap_or(&name).to_owned();
    (seed_index(&name), shown)
}

impl Seeds {
    /// What the directory is called that is in force.
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("seeds")
    }

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
    pub(super) fn add_seeds(
        &mut self,
        seeds: &Seeds,
        directory: &Path,
        database: Kind,
    ) -> Result<(), Error> {
        self.seeds = Some(seeds.name().to_owned());
        let listing = Listing::of(directory, database, &BTreeSet::new(), Parts::of_free);
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
                hint: "seeds are files .sql, .wasm, .js, .ts and .py, and run in the order of their names",
            });
        }
        for mut file in listed {
            let (index, name) = name_in(seeds.name(), &file.stem);
            let role = match is_repeatable_name(&file.stem) {
                true => Role::Repeatable,
                false => Role::Seed,
            };
            let shown = name.strip_suffix(&file.stem).unwrap_or_default();
            file.file_name.insert_str(0, shown);
            let step = file.into_step(index, name, role);
            let second = step.file_name.clone();
            if let Some(first) = self.steps.insert(index, step) {
                return Err(Error::DuplicateName {
                    name: first.name,
                    first: first.file_name,
                    second,
                });
            }
        }
        self.ignored.extend(ignored);
        Ok(())
    }

    /// Whether a seed that has run is of another directory than the one in force.
    pub fn is_seed_of_others(&self, index: u64, name: &str) -> bool {
        let stem = name.rsplit_once('/').map_or(name, |(_, stem)| stem);
        let is_own = |directory: &String| name_in(directory, stem).0 == index;
        is_seed(index) && !self.seeds.as_ref().is_some_and(is_own)
    }
}
