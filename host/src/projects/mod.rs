//! Steps in compiled languages: directories with sources, of which the language's own tool makes a component.
//!
//! They stand in `steps/` beside the migrations, each named as its step will be: `steps/0007_split_names/`. This room runs tools that
//! the user has installed, and nothing of what they make; it fetches nothing.

mod c;
mod component;
mod error;
mod rust;
mod tool;
mod zig;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::catalog::write_over;
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
    directory: PathBuf,
    name: String,
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
    /// The sources in a directory.
    pub fn at(directory: &Path) -> Result<Self, Error> {
        let no_project = || Error::NoProject {
            directory: directory.to_owned(),
        };
        let name = directory.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(no_project)?.to_owned();
        let language = [
            ("Cargo.toml", Language::Rust),
            ("step.c", Language::C),
            ("step.zig", Language::Zig),
        ]
        .into_iter()
        .find(|(file, _)| directory.join(file).is_file())
        .map(|(_, language)| language)
        .ok_or_else(no_project)?;
        Ok(Self {
            directory: directory.to_owned(),
            name,
            language,
        })
    }

    /// All in a directory of projects, by name.
    pub fn all(projects: &Path) -> Result<Vec<Self>, Error> {
        let entries = fs::read_dir(projects).map_err(|_| Error::Nothing {
            directory: projects.to_owned(),
        })?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(Error::reading(projects))?.path();
            let is_numbered = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().iter().any(u8::is_ascii_digit));
            if path.is_dir() && is_numbered {
                found.extend(Self::at(&path).ok());
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        match found.is_empty() {
            true => Err(Error::Nothing {
                directory: projects.to_owned(),
            }),
            false => Ok(found),
        }
    }

    /// The one that is meant: by its directory, its name or its number.
    pub fn named(projects: &Path, name: &str) -> Result<Self, Error> {
        if Path::new(name).is_dir() {
            return Self::at(Path::new(name));
        }
        let number = name.trim_start_matches('0');
        let all = Self::all(projects)?;
        let mut meant = all.into_iter().filter(|project| {
            let digits: String = project
                .name
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            project.name == name || (!number.is_empty() && digits.trim_start_matches('0') == number)
        });
        match (meant.next(), meant.next()) {
            (Some(project), None) => Ok(project),
            _ => Err(Error::NoProject {
                directory: projects.join(name),
            }),
        }
    }

    /// Builds it, and puts the component among the migrations.
    pub fn build(&self, migrations: &Path) -> Result<Built, Error> {
        let projects = self.directory.join("..");
        let place = Place {
            name: &self.name,
            sources: std::path::absolute(&self.directory).map_err(Error::reading(&projects))?,
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
        let component = component::of(compiled, &self.name)?;
        let path = migrations.join(&self.name).with_extension("wasm");
        let is_new = !fs::read(&path).is_ok_and(|old| old == component);
        if is_new {
            fs::create_dir_all(migrations).map_err(Error::writing(migrations))?;
            write_over(&path, &component).map_err(Error::writing(&path))?;
        }
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
