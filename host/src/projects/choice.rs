//! Which sources are built, and into which directory of migrations each: the one for which it was begun.
//!
//! All is settled before anything is built: what would not be a step among the migrations is not made.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Error, Project};
use crate::catalog::{Seeds, StepSources, check_components, name_of_migrations};

/// What is to be built.
#[derive(Debug)]
pub struct Wanted<'w> {
    /// The numbers, names or directories of steps; all when there are none.
    pub steps: &'w [String],
    /// Where sources are.
    pub sources: &'w Path,
    /// The directory of migrations that counts.
    pub migrations: &'w Path,
    /// Whether somebody has named it for this command.
    pub is_named: bool,
    /// All directories of migrations that the settings name for any environment, and whose sources are in the same place.
    pub known: &'w [PathBuf],
    /// The directories among the migrations that are none; none where any name is one of a step.
    pub seeds: Option<&'w Seeds>,
}

impl Wanted<'_> {
    /// What is built, in order, with the directory of migrations into which it goes.
    pub fn choose(&self) -> Result<Vec<(Project, PathBuf)>, Error> {
        let mut chosen = Vec::new();
        if self.steps.is_empty() {
            for sources in self.all()? {
                let destination = self.destination(&sources)?;
                // All are those of the directory that was named.
                if !self.is_named || destination == self.migrations {
                    chosen.push((Project::of(sources)?, destination));
                }
            }
        }
        for name in self.steps {
            let sources = self.named(name)?;
            let destination = match sources.migrations() {
                None if self.is_named => self.migrations.to_owned(),
                _ => self.destination(&sources)?,
            };
            if self.is_named && destination != self.migrations {
                return Err(Error::BegunForAnother {
                    directory: sources.directory,
                    migrations: destination,
                });
            }
            chosen.push((Project::of(sources)?, destination));
        }
        if chosen.is_empty() {
            return Err(Error::Nothing {
                directory: self.sources.to_owned(),
            });
        }
        self.refuse_no_steps(&chosen)?;
        Ok(chosen)
    }

    fn all(&self) -> Result<Vec<StepSources>, Error> {
        match StepSources::all(self.sources) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            all => all.map_err(Error::reading(self.sources)),
        }
    }

    /// The one that is meant: by its directory, its name or its number.
    fn named(&self, name: &str) -> Result<StepSources, Error> {
        let path = Path::new(name);
        if path.is_dir() {
            return StepSources::at(path).map_err(Error::reading(path));
        }
        let number = name.trim_start_matches('0');
        let is_meant = |sources: &StepSources| {
            let digits = sources.name.chars().take_while(char::is_ascii_digit);
            let digits: String = digits.collect();
            let is_numbered = !digits.is_empty() && !name.is_empty();
            sources.name == name || (is_numbered && digits.trim_start_matches('0') == number)
        };
        let mut meant = self.all()?;
        meant.retain(is_meant);
        match (meant.pop(), meant.pop()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Error::NoProject {
                directory: self.sources.join(name),
            }),
            (Some(last), Some(first)) => Err(Error::Several {
                name: name.to_owned(),
                first: first.name,
                last: last.name,
            }),
        }
    }

    /// The directory of migrations into which the component goes. Sources that were begun by hand, or for one that is gone, do not say:
    /// they are for the only one that is known.
    fn destination(&self, sources: &StepSources) -> Result<PathBuf, Error> {
        let whole = |path: &Path| std::path::absolute(path).map_err(Error::reading(path));
        let directory = whole(&sources.directory)?;
        let is_here = directory.parent() == Some(&*whole(self.sources)?);
        let own = name_of_migrations(self.migrations);
        match sources.migrations() {
            Some(name) if is_here && own.as_deref() != Some(name) => {
                let noted = self.sources.with_file_name(name);
                let is_named = |known: &PathBuf| name_of_migrations(known).as_deref() == Some(name);
                // One that has another name by now is made by nobody.
                if noted.is_dir() || self.known.iter().any(is_named) {
                    return Ok(noted);
                }
            }
            Some(name) if !is_here => {
                let beside = directory.ancestors().nth(2).unwrap_or(&directory);
                return Ok(beside.join(name));
            }
            None if is_here => {}
            Some(_) | None => return Ok(self.migrations.to_owned()),
        }
        let is_other = |known: &&PathBuf| name_of_migrations(known) != own && known.is_dir();
        match self.known.iter().find(is_other) {
            None => Ok(self.migrations.to_owned()),
            Some(other) => Err(Error::SeveralDirectories {
                directory: sources.directory.clone(),
                one: self.migrations.to_owned(),
                other: other.clone(),
            }),
        }
    }

    /// Refuses what would not be a step afterwards.
    fn refuse_no_steps(&self, chosen: &[(Project, PathBuf)]) -> Result<(), Error> {
        let mut made: BTreeMap<&Path, BTreeMap<String, &Path>> = BTreeMap::new();
        for (project, destination) in chosen {
            let (sources, file) = (&*project.sources.directory, project.sources.component());
            let first = made.entry(destination).or_default().insert(file, sources);
            if let Some(first) = first.filter(|first| *first != sources) {
                return Err(Error::OneOutput {
                    first: first.to_owned(),
                    second: sources.to_owned(),
                });
            }
        }
        let Some(seeds) = self.seeds else {
            return Ok(());
        };
        for (directory, files) in made {
            let files: Vec<String> = files.into_keys().collect();
            check_components(directory, &files, seeds).map_err(|why| Error::Refused {
                directory: directory.to_owned(),
                why: Box::new(why),
            })?;
        }
        Ok(())
    }
}
