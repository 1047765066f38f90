//! Steps that are scripts: a file, and the files under `lib/` that it imports.
//!
//! What a step imports is a part of it, so its digest covers those files, too. Which they are is told without running
//! anything: in JavaScript every string in the text that is a relative path to a file under `lib/`, in Python whatever reads as an
//! import. That may be one too many, and never
//! one too few, since a script cannot import what the host does not hand to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StepKind;
use super::content::sha256;
use super::inside::check_inside;
use super::python_imports;
use crate::input;

/// The directory beside the steps that scripts import from.
pub(super) const LIBRARY: &str = "lib";

/// How many files a script may import: more is a mistake, or an attack.
const MOST_MODULES: usize = 1_000;

/// How many files a script may name, whether they are there or not: each is looked for.
const MOST_ASKED_FOR: usize = 50_000;

/// How long a script and what it imports may be, in bytes: each instance of its runner reads all of it.
const MOST_BYTES: usize = 8 << 20;

/// Whether a file holds types for editors and nothing that runs, by its name.
pub(super) fn is_declarations(file_name: &str) -> bool {
    file_name.to_ascii_lowercase().ends_with(".d.ts")
}

/// Whether a file is text of a language of scripts, by its ending.
pub(super) fn is_text(file_name: &str) -> bool {
    let name = file_name.to_ascii_lowercase();
    let mut scripts = StepKind::ALL.into_iter().filter(|kind| kind.is_script());
    scripts.any(|kind| name.ends_with(kind.ending()))
}

/// A file of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its path below the directory of the steps, with `/` between its parts.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A script, and after it what it imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The step's own file first.
    pub modules: Vec<Module>,
    /// The SHA-256 of all of them.
    pub digest: String,
}

impl Script {
    /// Its files as the sandbox takes them.
    pub fn modules(&self) -> std::sync::Arc<[(String, String)]> {
        let modules = self.modules.iter();
        modules
            .map(|module| (module.name.clone(), module.text.clone()))
            .collect()
    }

    /// Reads a script and what it imports.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let directory = path.parent().unwrap_or(Path::new(""));
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let main = text(path)?;
        let mut bytes = main.len();
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let mut asked_for = BTreeSet::new();
        let mut open: Vec<(String, String)> = vec![(name.clone(), main.clone())];
        while let Some((base, text)) = open.pop() {
            let paths = match base
                .to_ascii_lowercase()
                .ends_with(StepKind::Python.ending())
            {
                true => python_imports::paths(LIBRARY, &base, &text),
                false => Ok(imported(&base, &text)),
            };
            let paths = paths.map_err(|why| {
                io::Error::other(match base == name {
                    true => why,
                    false => format!("`{base}`, {why}"),
                })
            })?;
            for path in paths {
                if !asked_for.insert(path.clone()) {
                    continue;
                }
                if asked_for.len() > MOST_ASKED_FOR {
                    return Err(io::Error::other(format!(
                        "it names more than {MOST_ASKED_FOR} files that it may import"
                    )));
                }
                let Some(text) = library_text(directory, &path)? else {
                    continue;
                };
                if found.len() == MOST_MODULES {
                    return Err(io::Error::other(format!(
                        "it imports more than {MOST_MODULES} files"
                    )));
                }
                bytes += text.len();
                if bytes > MOST_BYTES {
                    return Err(too_long());
                }
                open.push((path.clone(), text.clone()));
                found.insert(path, text);
            }
        }
        let digest = digest(&main, &found);
        let mut modules = vec![Module { name, text: main }];
        modules.extend(found.into_iter().map(|(name, text)| Module { name, text }));
        Ok(Self { modules, digest })
    }
}

fn too_long() -> io::Error {
    io::Error::other(format!(
        "with what it imports it has more than {} MiB: data belongs into the database",
        MOST_BYTES >> 20
    ))
}

/// That of the file alone, as long as it imports nothing.
fn digest(main: &str, imported: &BTreeMap<String, String>) -> String {
    let main = sha256(main.as_bytes());
    if imported.is_empty() {
        return main;
    }
    let lines = imported
        .iter()
        .map(|(name, text)| format!("{}  {name}\n", sha256(text.as_bytes())));
    sha256(format!("{main}\n{}", lines.collect::<String>()).as_bytes())
}

/// A file's text with LF at the end of each line and without a byte order mark: to the language the others are the same, and
/// a checkout on another system is no other step.
fn text(path: &Path) -> io::Result<String> {
    let bytes =
        input::read_at_most(path, MOST_BYTES as u64).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => too_long(),
            _ => error,
        })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(valid);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        io::Error::other(format!("line {line} is not UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// A file below the library; none where there is none.
fn library_text(directory: &Path, path: &str) -> io::Result<Option<String>> {
    let file: PathBuf = directory.join(path);
    let named = |error: io::Error| io::Error::new(error.kind(), format!("`{path}`: {error}"));
    match fs::metadata(&file) {
        Ok(metadata) if metadata.is_dir() => Ok(None),
        Ok(_) => {
            // A link must not lead to what else is on this machine, nor to what else stands beside the steps.
            check_inside(directory, &file).map_err(named)?;
            check_inside(&directory.join(LIBRARY), &file).map_err(named)?;
            text(&file).map(Some).map_err(named)
        }
        Err(error) if is_nothing(error.kind()) => Ok(None),
        Err(error) => Err(named(error)),
    }
}

/// Whether there cannot be such a file: a string need not be a path, even if it begins like one.
fn is_nothing(error: io::ErrorKind) -> bool {
    matches!(
        error,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

/// The paths below the library that strings of a text mean, seen from the module `base`.
fn imported(base: &str, text: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for quote in ['\'', '"', '`'] {
        for part in text.split(quote) {
            if part.starts_with("./") || part.starts_with("../") {
                if part.contains(['\n', '\\', '\0']) {
                    continue;
                }
                if let Some(path) = joined(base, part)
                    && path.starts_with("lib/")
                {
                    paths.insert(path);
                }
            }
        }
    }
    paths
}

/// The path that a relative one means, seen from the module `base`; none above the directory of the steps.
fn joined(base: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_wherever_they_are() {
        let text = "import { a } from './lib/a.js';\nimport b from \"./lib/deep/b.js\";\nawait import(`./lib/c.js`);\n\
                    const no = './elsewhere.js', outside = '../lib/d.js', windows = './lib\\\\e.js';";
        let sorted = |paths: [&str; 3]| BTreeSet::from(paths.map(str::to_owned));
        assert_eq!(
            imported("0001_x.js", text),
            sorted(["lib/a.js", "lib/deep/b.js", "lib/c.js"])
        );
        assert_eq!(
            imported(
                "lib/deep/b.js",
                "'../a.js' './c.js' '../d.js' '../../0001_x.js'"
            ),
            sorted(["lib/a.js", "lib/deep/c.js", "lib/d.js"])
        );
    }

    #[test]
    fn what_is_imported_is_part_of_the_digest() {
        let directory = tempfile::tempdir().unwrap();
        let step = directory.path().join("0001_x.js");
        fs::create_dir(directory.path().join("lib")).unwrap();
        let library = directory.path().join("lib/a.js");
        fs::write(&step, "import './lib/a.js';").unwrap();
        let without = Script::read(&step).unwrap();
        assert_eq!(without.digest, sha256(b"import './lib/a.js';"));
        fs::write(&library, "import './b.js';").unwrap();
        let with = Script::read(&step).unwrap();
        assert_ne!(with.digest, without.digest);
        assert_eq!(with.modules.len(), 2);
        fs::write(directory.path().join("lib/b.js"), "").unwrap();
        let further = Script::read(&step).unwrap();
        assert_ne!(further.digest, with.digest);
        fs::write(&step, "\u{feff}import './lib/a.js';").unwrap();
        assert_eq!(Script::read(&step).unwrap(), further);
        fs::write(&library, "import './b.js';\n").unwrap();
        assert_ne!(Script::read(&step).unwrap().digest, further.digest);
    }
}
