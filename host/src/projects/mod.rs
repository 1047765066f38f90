//! Steps in compiled languages: directories with sources, of which the language's own tool makes a component.
//!
//! They stand in `steps/` beside the migrations, each named as its step will be: `steps/0007_split_names/`. This room runs tools that
//! the user has installed, and nothing of what they make; it fetches nothing.

mod c;
mod choice;
mod component;
mod error;
mod rust;
mod tool;
mod zig;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::catalog::{StepSources, name_of_migrations, write_over};
pub use choice::Wanted;
pub use error::Error;

/// A compiled language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    C,
    Zig,
}

/// The sources of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    sources: StepSources,
    language: Language,
}

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// Where the component is.
    pub path: PathBuf,
    /// How many bytes it has.
    pub bytes: usize,
    /// Whether it is another one than was there before.
    pub is_new: bool,
}

impl Project {
    /// What is built of these sources.
    fn of(sources: StepSources) -> Result<Self, Error> {
        let language = match sources.first_file() {
            Some("Cargo.toml") => Language::Rust,
            Some("step.c") => Language::C,
            Some("step.zig") => Language::Zig,
            _ => {
                return Err(Error::NoProject {
                    directory: sources.directory,
                });
            }
        };
        Ok(Self { sources, language })
    }

    /// Builds it, and puts the component among the migrations.
    pub fn build(&self, migrations: &Path) -> Result<Built, Error> {
        let directory = &self.sources.directory;
        let projects = directory.join("..");
        let place = Place {
            name: &self.sources.name,
            sources: std::path::absolute(directory).map_err(Error::reading(&projects))?,
            sdk: projects.join("sdk"),
            target: projects.join("target"),
        };
        fs::create_dir_all(&place.target).map_err(Error::writing(&place.target))?;
        // Two builds at once would write to the same files. Given back when the file is closed.
        let lock = File::open(&place.target).map_err(Error::reading(&place.target))?;
        lock.lock().map_err(Error::reading(&place.target))?;
        let compiled = match self.language {
            Language::Rust => rust::compile(&place),
            Language::C => c::compile(&place),
            Language::Zig => zig::compile(&place),
        }?;
        let component = component::of(compiled, &self.sources.name)?;
        let path = migrations.join(self.sources.component());
        let is_new = !fs::read(&path).is_ok_and(|old| old == component);
        if is_new {
            fs::create_dir_all(migrations).map_err(Error::writing(migrations))?;
            write_over(&path, &component).map_err(Error::writing(&path))?;
        }
        let name = name_of_migrations(migrations).unwrap_or_default();
        let noted = self.sources.note_built(&name);
        noted.map_err(Error::writing(directory))?;
        Ok(Built {
            path,
            bytes: component.len(),
            is_new,
        })
    }
}

/// Where the tool of a language finds what it needs.
struct Place<'p> {
    /// What the step is called.
    name: &'p str,
    /// The sources, as an absolute path.
    sources: PathBuf,
    /// The SDKs of all languages.
    sdk: PathBuf,
    /// What tools keep from one time to the next.
    target: PathBuf,
}

impl Place<'_> {
    /// The SDK of a language, as an absolute path.
    fn sdk_of(&self, language: &str) -> Result<PathBuf, Error> {
        let directory = self.sdk.join(language);
        directory.canonicalize().map_err(|_| Error::NoSdk {
            directory: directory.clone(),
        })
    }

    /// The directory of what tools keep, as an absolute path.
    fn target(&self) -> Result<PathBuf, Error> {
        let target = self.target.canonicalize();
        target.map_err(Error::reading(&self.target))
    }

    /// A file that a tool is to write. What the last one has written there is of another step.
    fn output(&self) -> Result<PathBuf, Error> {
        let output = self.target()?.join("made.wasm");
        match fs::remove_file(&output) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::writing(&output)(error))
            }
            _ => Ok(output),
        }
    }
}
