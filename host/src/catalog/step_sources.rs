//! Sources of steps in compiled languages: directories in `steps/`, beside the migrations, each named as the step that `wasmigrate
//! build` makes of it.
//!
//! This tells which there are, for which directory of migrations each was begun, which were never built, and which have changed
//! since. Several directories of migrations may have their sources in the same `steps/`.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::content::sha256;
use super::file_name::{self, Parts};
use super::whole_file::write_over;
use super::{Catalog, Error};
use crate::database::Kind;
use crate::input;

/// The directory of the sources, beside that of the migrations.
const PROJECTS: &str = "steps";

/// What is in it beside sources: what they are compiled with, and what tools keep.
const NO_SOURCES: [&str; 3] = ["sdk", "target", "wit"];

/// What tools keep among the sources of a step.
const KEPT_BY_TOOLS: [&str; 3] = ["target", "zig-cache", "zig-out"];

/// The file by which the sources of a step are known: one for each language.
const FIRST_FILES: [&str; 3] = ["Cargo.toml", "step.c", "step.zig"];

/// What is written down beside the sources of a step.
const NOTE: &str = ".step.toml";

const NOTE_HEAD: &str = "# By wasmigrate: the directory for which this step was begun, and of what it was built last. Commit it.\n";

/// The sources of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSources {
    /// Where they are.
    pub directory: PathBuf,
    /// What the step will be called.
    pub name: String,
    note: Note,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Note {
    /// The directory of migrations for which it was begun, beside that of the sources.
    migrations: Option<String>,
    /// The SHA-256 over the sources of which the component was built last.
    built: Option<String>,
}

/// A step of which there are sources and no component.
#[derive(Clone, Debug)]
pub(crate) struct Unbuilt {
    /// Its place in the order, if it has a name of a step.
    pub(super) index: Option<u64>,
    /// The sources.
    pub(super) directory: PathBuf,
}

/// Where the sources of the steps of a directory are.
pub fn projects_beside(migrations: &Path) -> io::Result<PathBuf> {
    let name = migrations.file_name();
    let whole = match name {
        Some(_) => std::path::absolute(migrations)?,
        // The end of it is `..` or nothing.
        None => migrations
            .canonicalize()
            .or_else(|_| std::path::absolute(migrations))?,
    };
    if whole.file_name().is_some_and(|name| name == PROJECTS) {
        return Ok(whole.with_file_name(format!("{PROJECTS}-sources")));
    }
    Ok(match (name, migrations.parent()) {
        (Some(_), Some(parent)) => parent.join(PROJECTS),
        _ => whole.with_file_name(PROJECTS),
    })
}

/// What a directory of migrations is called among its neighbours.
pub fn name_of_migrations(migrations: &Path) -> Option<String> {
    let named = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    named(migrations).or_else(|| named(&migrations.canonicalize().ok()?))
}

/// What is to be written beside the sources of a step that is begun for a directory: the name of the file, and its text.
pub(super) fn note_of(migrations: &str) -> (&'static str, String) {
    let note = Note {
        migrations: Some(migrations.to_owned()),
        built: None,
    };
    (NOTE, note.text())
}

impl Note {
    fn text(&self) -> String {
        let lines = [("migrations", &self.migrations), ("built", &self.built)];
        let lines = lines.into_iter().filter_map(|(key, value)| {
            let value = serde_json::Value::from(value.as_deref()?);
            Some(format!("{key} = {value}\n"))
        });
        format!("{NOTE_HEAD}{}", lines.collect::<String>())
    }
}

impl StepSources {
    /// The sources in a directory.
    pub fn at(directory: &Path) -> io::Result<Self> {
        let name = directory.file_name().map(|name| name.to_string_lossy());
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let name = name.ok_or_else(|| invalid("it has no name of a step".to_owned()))?;
        let path = directory.join(NOTE);
        let note = match input::read_text(&path) {
            Ok(text) => toml::from_str::<Note>(&text)
                .map_err(|error| invalid(format!("`{}`: {}", path.display(), error.message())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Note::default(),
            Err(error) => return Err(error),
        };
        let is_beside = |name: &String| {
            let mut parts = Path::new(name).components();
            matches!(
                (parts.next(), parts.next()),
                (Some(Component::Normal(_)), None)
            )
        };
        if let Some(elsewhere) = note.migrations.as_ref().filter(|name| !is_beside(name)) {
            return Err(invalid(format!(
                "`{}`: `{elsewhere}` names no directory beside that of the sources",
                path.display()
            )));
        }
        Ok(Self {
            directory: directory.to_owned(),
            name: name.into_owned(),
            note,
        })
    }

    /// All directories among the sources of steps that are there for a step, by name. Nothing says yet that one is in it.
    pub fn all(projects: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(projects)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with('.') && !NO_SOURCES.contains(&&*name) && path.is_dir() {
                found.push(Self::at(&path)?);
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The name of the file by which a language is known, if one of them is there.
    pub fn first_file(&self) -> Option<&'static str> {
        FIRST_FILES
            .into_iter()
            .find(|file| self.directory.join(file).is_file())
    }

    /// The name of the directory of migrations for which it was begun, beside that of the sources, if that was written down.
    pub fn migrations(&self) -> Option<&str> {
        self.note.migrations.as_deref()
    }

    /// The name of the file that is made of it. A point is a part of the name.
    pub fn component(&self) -> String {
        format!("{}.wasm", self.name)
    }

    /// Writes down that it was built for a directory of migrations of this name.
    pub fn note_built(&self, migrations: &str) -> io::Result<()> {
        let note = Note {
            migrations: Some(migrations.to_owned()),
            built: Some(self.digest()?),
        };
        match note == self.note {
            true => Ok(()),
            false => write_over(&self.directory.join(NOTE), note.text()),
        }
    }

    /// The SHA-256 over the names and contents of all files, but for what is hidden and what tools keep.
    fn digest(&self) -> io::Result<String> {
        let mut all = String::new();
        add_digests(&self.directory, "", &mut all)?;
        Ok(sha256(all.as_bytes()))
    }

    /// Whether it belongs to a directory of migrations. What was begun by hand, or for one that is gone, is for the one that has its
    /// component, or for any.
    fn is_for(&self, migrations: &Path) -> io::Result<bool> {
        match self.migrations() {
            Some(name) if name_of_migrations(migrations).is_some_and(|own| own == name) => Ok(true),
            Some(name) if self.directory.join("../..").join(name).is_dir() => Ok(false),
            _ if migrations.join(self.component()).is_file() => Ok(true),
            _ => {
                let beside = self.directory.join("../..");
                for entry in fs::read_dir(beside)? {
                    if entry?.path().join(self.component()).is_file() {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

fn add_digests(directory: &Path, within: &str, all: &mut String) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        let path = directory.join(&name);
        if name.starts_with('.') || KEPT_BY_TOOLS.contains(&&*name) {
            continue;
        }
        match path.symlink_metadata()?.is_dir() {
            true => add_digests(&path, &format!("{within}{name}/"), all)?,
            false if path.is_file() => {
                let digest = sha256(&input::read(&path)?);
                all.push_str(&format!("{within}{name}\n{digest}\n"));
            }
            false => {}
        }
    }
    Ok(())
}

/// The sources of the steps of a directory, which may have none.
fn of(migrations: &Path) -> io::Result<Vec<StepSources>> {
    let all = match StepSources::all(&projects_beside(migrations)?) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        all => all?,
    };
    let mut own = Vec::new();
    for sources in all {
        if sources.first_file().is_some() && sources.is_for(migrations)? {
            own.push(sources);
        }
    }
    Ok(own)
}

/// What the components of the sources will be called that are there for a directory of migrations.
pub(super) fn components(migrations: &Path) -> io::Result<Vec<String>> {
    let own = of(migrations)?;
    Ok(own.iter().map(StepSources::component).collect())
}

/// The steps of a directory that were begun for this kind of database, and never built.
pub(super) fn unbuilt(migrations: &Path, database: Kind) -> io::Result<Vec<Unbuilt>> {
    let mut unbuilt = Vec::new();
    for sources in of(migrations)? {
        let component = sources.component();
        let parts = Parts::of(&component);
        let is_meant = parts.as_ref().is_none_or(|parts| parts.is_for(database));
        if is_meant && !migrations.join(&component).is_file() {
            let index = parts.and_then(|parts| file_name::index_and_name(&parts.stem).ok());
            unbuilt.push(Unbuilt {
                index: index.map(|(index, _)| index),
                directory: sources.directory,
            });
        }
    }
    Ok(unbuilt)
}

/// What to say of the first of them, where there is one.
pub(super) fn first_unbuilt(migrations: &Path, database: Kind) -> Result<Option<Error>, Error> {
    let unbuilt = unbuilt(migrations, database).map_err(Error::StepSources)?;
    let mut unbuilt = unbuilt.into_iter();
    Ok(unbuilt.next().map(|step| Error::NotBuilt {
        directory: step.directory,
    }))
}

/// The sources of steps of a directory that have changed since their components were built.
pub fn changed_since_built(migrations: &Path) -> io::Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    for sources in of(migrations)? {
        let is_there = migrations.join(sources.component()).is_file();
        if let Some(built) = &sources.note.built
            && is_there
            && *built != sources.digest()?
        {
            changed.push(sources.directory);
        }
    }
    Ok(changed)
}

impl Catalog {
    /// Refuses a directory of which steps up to this one would be left out because they were never built.
    pub fn refuse_unbuilt(&self, through: u64) -> Result<(), Error> {
        let is_after = |index| index > through;
        self.not_built(is_after).next().map_or(Ok(()), Err)
    }

    /// The steps that were never built, but for some.
    pub(super) fn not_built(
        &self,
        is_no_matter: impl Fn(u64) -> bool,
    ) -> impl Iterator<Item = Error> {
        let unbuilt = self.unbuilt.iter();
        let unbuilt = unbuilt.filter(move |step| !step.index.is_some_and(&is_no_matter));
        unbuilt.map(|step| Error::NotBuilt {
            directory: step.directory.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_beside_the_migrations() {
        for (migrations, projects) in [
            ("migrations", "steps"),
            ("db/migrations", "db/steps"),
            ("/a/b", "/a/steps"),
        ] {
            assert_eq!(
                projects_beside(Path::new(migrations)).unwrap(),
                Path::new(projects)
            );
        }
        let same = projects_beside(Path::new("/a/steps")).unwrap();
        assert_eq!(same, Path::new("/a/steps-sources"));
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let name = "a \"b\" \\ c";
        let (_, text) = note_of(name);
        let note: Note = toml::from_str(&text).unwrap();
        assert_eq!(note.migrations.as_deref(), Some(name));
        assert_eq!(note.built, None);
    }
}
