//! What stands in a directory of migrations: what migrates, with what undoes it, and everything else.
//!
//! Nothing that is SQL, a component or a numbered script by its ending is passed over: it migrates, it undoes a file beside it, it is meant
//! for another database, or it is *strange*, which is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file_name::{self, Parts};
use super::inside::objection;
use super::role::Role;
use super::script;
use super::version::Version;
use super::{Ignored, StepFile, StepKind, Strange};
use crate::database::Kind;
use crate::output::printable;

/// How deep directories are searched for files that nobody would look at.
const DEPTH: usize = 4;

/// What such a directory of a step holds: diesel's and Prisma's names.
const UP: [&str; 2] = ["up.sql", "migration.sql"];
const DOWN: &str = "down.sql";
const METADATA: &str = "metadata.toml";

/// A file that migrates.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Its name, with that of its directory when it has one of its own.
    pub(super) file_name: String,
    pub(super) path: PathBuf,
    /// What says its index and name.
    pub(super) stem: String,
    pub(super) form: StepKind,
    /// The file that undoes it.
    pub(super) undo: Option<PathBuf>,
    /// The file that says how it runs.
    pub(super) metadata: Option<PathBuf>,
}

impl Listed {
    /// The same as a step.
    pub(super) fn into_step(self, index: u64, name: String, role: Role) -> StepFile {
        StepFile {
            index,
            name,
            kind: self.form,
            file_name: self.file_name,
            path: self.path,
            undo: self.undo,
            metadata: self.metadata,
            role,
        }
    }
}

/// The content of a directory, for one database.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// What migrates, by name.
    pub(super) listed: Vec<Listed>,
    /// What stands for several of these on new databases.
    pub(super) baselines: Vec<Listed>,
    /// What is known not to be meant, and why.
    pub(super) ignored: Vec<Ignored>,
    /// What is not understood, and why that matters.
    pub(super) strange: Vec<Strange>,
}

/// A file that undoes another.
struct Undo {
    file_name: String,
    path: PathBuf,
    parts: Parts,
}

impl Listing {
    /// Lists a directory. `known` are directories in it that are listed by themselves.
    pub(super) fn of(
        directory: &Path,
        database: Kind,
        known: &BTreeSet<PathBuf>,
    ) -> io::Result<Self> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(directory)? {
            names.insert(entry?.file_name().to_string_lossy().into_owned());
        }
        let mut listing = Self::default();
        let mut undos = Vec::new();
        let mut elsewhere = BTreeSet::new();
        let mut metadata = BTreeMap::new();
        for file_name in names {
            let path = directory.join(&file_name);
            if is_companion(&file_name) {
                continue;
            }
            let shown = printable(&file_name);
            if is_hidden(&file_name) {
                listing.ignore(shown, "hidden, or the copy of an editor");
                continue;
            }
            if shown != file_name || file_name.contains('\t') {
                let why = "has characters in its name that steer a terminal: rename it".to_owned();
                let file_name = shown;
                listing.strange.push(Strange { file_name, why });
                continue;
            }
            // Followed, when it is a link.
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {
                    listing.directory(file_name, path, known)?;
                    continue;
                }
                Err(error) if file_name::is_program(&file_name) => {
                    let why = format!("cannot be read: {error}");
                    listing.strange.push(Strange { file_name, why });
                    continue;
                }
                Ok(metadata)
                    if file_name::is_program(&file_name) || strip_conf(&file_name).is_some() =>
                {
                    let is_file = metadata.is_file();
                    if let Some(why) = objection(directory, &path, is_file) {
                        listing.strange.push(Strange { file_name, why });
                        continue;
                    }
                }
                Ok(_) | Err(_) => {}
            }
            if let Some(sql) = strip_conf(&file_name) {
                metadata.insert(sql.to_owned(), path);
                continue;
            }
            let Some(parts) = Parts::of(&file_name) else {
                match file_name::in_another_language(&file_name) {
                    Some(why) => listing.strange.push(Strange { file_name, why }),
                    None => listing.ignore(file_name, "neither .sql, .wasm nor a numbered .js"),
                }
                continue;
            };
            if !parts.is_for(database) {
                let meant_for = parts.meant_for.map_or("", Kind::display_name);
                elsewhere.insert(parts.stem);
                listing.ignore_for_another(file_name, &format!("meant for {meant_for}"));
                continue;
            }
            if parts.undoes || file_name::undone_version(&parts.stem).is_some() {
                if parts.form != StepKind::Sql {
                    let why = "undoes another file, and is no SQL: put that into the step itself, as its `reset`".to_owned();
                    listing.strange.push(Strange { file_name, why });
                    continue;
                }
                undos.push(Undo {
                    file_name,
                    path,
                    parts,
                });
                continue;
            }
            let is_baseline =
                parts.is_baseline || file_name::baselined_version(&parts.stem).is_some();
            let listed = match is_baseline {
                true => &mut listing.baselines,
                false => &mut listing.listed,
            };
            listed.push(Listed {
                file_name,
                path,
                stem: parts.stem,
                form: parts.form,
                undo: None,
                metadata: None,
            });
        }
        listing.pair(undos, &elsewhere);
        for (sql, path) in metadata {
            match listing.listed.iter_mut().find(|file| file.file_name == sql) {
                Some(file) => file.metadata = Some(path),
                None => listing.ignore(
                    format!("{sql}.conf"),
                    "says how a file runs that is not there",
                ),
            }
        }
        Ok(listing)
    }

    fn ignore(&mut self, file_name: String, why: &str) {
        self.ignored.push(Ignored {
            is_hidden: is_hidden(&file_name),
            is_for_another_database: false,
            file_name,
            why: why.to_owned(),
        });
    }

    fn ignore_for_another(&mut self, file_name: String, why: &str) {
        self.ignore(file_name, why);
        if let Some(ignored) = self.ignored.last_mut() {
            ignored.is_for_another_database = true;
        }
    }

    /// A directory is a step, or nothing must be in it that could be one.
    fn directory(
        &mut self,
        name: String,
        path: PathBuf,
        known: &BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        if known.contains(&path) {
            return Ok(());
        }
        let Some(up) = UP.into_iter().find(|up| path.join(up).is_file()) else {
            let is_program: fn(&str) -> bool = match name == script::LIBRARY {
                // What scripts import may be called anything.
                true => |name| {
                    file_name::is_program(name) && !name.to_ascii_lowercase().ends_with(".js")
                },
                false => file_name::is_program,
            };
            match first_program(&path, DEPTH, is_program)? {
                Some(inner) => self.strange.push(Strange {
                    why: format!(
                        "is a directory with `{}` in it, and not looked into: pass it with `--migrations`, or move that file up",
                        inner.strip_prefix(&path).unwrap_or(&inner).display()
                    ),
                    file_name: name,
                }),
                None => self.ignore(name, "a directory without steps"),
            }
            return Ok(());
        };
        for entry in fs::read_dir(&path)? {
            let inner = entry?.file_name().to_string_lossy().into_owned();
            if inner != up && inner != DOWN && !is_hidden(&inner) && file_name::is_program(&inner) {
                self.strange.push(Strange {
                    file_name: format!("{name}/{inner}"),
                    why: format!("stands beside `{up}`, and would not be run: move it into that file, or away"),
                });
            }
        }
        let beside = |inner: &str| Some(path.join(inner)).filter(|path| path.is_file());
        let above = path.parent().unwrap_or(&path);
        for inner in [up, DOWN, METADATA] {
            let Some(file) = beside(inner) else { continue };
            if let Some(why) = objection(above, &file, true) {
                let file_name = format!("{name}/{inner}");
                self.strange.push(Strange { file_name, why });
            }
        }
        self.listed.push(Listed {
            file_name: format!("{name}/{up}"),
            stem: name,
            form: StepKind::Sql,
            undo: beside(DOWN),
            metadata: beside(METADATA),
            path: path.join(up),
        });
        Ok(())
    }

    /// Gives each file the one that undoes it: of several, the one for this database alone.
    fn pair(&mut self, mut undos: Vec<Undo>, elsewhere: &BTreeSet<String>) {
        undos.sort_by_key(|undo| undo.parts.meant_for.is_none());
        let mut taken: BTreeMap<usize, Undo> = BTreeMap::new();
        for undo in undos {
            let version = file_name::undone_version(&undo.parts.stem);
            let undoes = |file: &Listed| match &version {
                Some(version) if !undo.parts.undoes => {
                    file_name::is_flyways(&file.stem)
                        && file_name::version(&file.stem).as_ref() == Some(version)
                }
                _ => file.stem == undo.parts.stem,
            };
            let Some(place) = self.listed.iter().position(undoes) else {
                match elsewhere.contains(&undo.parts.stem) {
                    true => self.ignore_for_another(
                        undo.file_name,
                        "undoes a file that is meant for another database",
                    ),
                    false => self.strange.push(Strange {
                        why: orphan(&undo, version.as_ref()),
                        file_name: undo.file_name,
                    }),
                }
                continue;
            };
            if let Some(undone) = self.listed.get(place)
                && undone.form != StepKind::Sql
            {
                self.strange.push(Strange {
                    why: format!(
                        "undoes `{}`, which undoes itself: put that into its `reset`",
                        undone.file_name
                    ),
                    file_name: undo.file_name,
                });
                continue;
            }
            match taken.get(&place) {
                Some(first) if first.parts.meant_for == undo.parts.meant_for => {
                    self.strange.push(Strange {
                        why: format!(
                            "undoes the same as `{}`: keep one of the two",
                            first.file_name
                        ),
                        file_name: undo.file_name,
                    });
                }
                Some(_) => self.ignore(undo.file_name, "there is another one for this database"),
                None => {
                    taken.insert(place, undo);
                }
            }
        }
        for (place, undo) in taken {
            if let Some(file) = self.listed.get_mut(place) {
                file.undo = Some(undo.path);
            }
        }
    }
}

fn orphan(undo: &Undo, version: Option<&Version>) -> String {
    match version {
        Some(_) if !undo.parts.undoes => {
            "undoes a file V… of the same version, which is not there: put that back, move this one away, or name it V… when \
             it migrates"
                .to_owned()
        }
        _ => format!(
            "undoes `{}.sql` or `{}.up.sql`, neither of which is there: put that back, or move this one away",
            undo.parts.stem, undo.parts.stem
        ),
    }
}

/// Whether it belongs to steps without being one: what `wasmigrate test` tries them on, and what is declared for that.
fn is_companion(file_name: &str) -> bool {
    file_name == "fixtures" || file_name.ends_with(".test.toml")
}

fn is_hidden(file_name: &str) -> bool {
    file_name.starts_with(['.', '#']) || file_name.ends_with(['~', '#'])
}

/// The file of which this is Flyway's script configuration.
fn strip_conf(file_name: &str) -> Option<&str> {
    file_name
        .strip_suffix(".conf")
        .filter(|name| file_name::is_program(name))
}

/// A file that could be a step somewhere in a directory.
fn first_program(
    directory: &Path,
    depth: usize,
    is_program: fn(&str) -> bool,
) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_hidden(&name) {
            continue;
        }
        let path = entry.path();
        match path.is_dir() {
            true if depth > 0 => {
                if let Some(found) = first_program(&path, depth - 1, is_program)? {
                    return Ok(Some(found));
                }
            }
            true => {}
            false if is_program(&name) => return Ok(Some(path)),
            false => {}
        }
    }
    Ok(None)
}
