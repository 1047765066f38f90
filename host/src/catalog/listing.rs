//! What stands in a directory of migrations: what migrates, with what undoes it, and everything else.
//!
//! Nothing that is SQL, a component or a numbered script by its ending is passed over: it migrates, it undoes a file beside it, it is meant
//! for another database, or it is *strange*, which is an error.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file_name::{self, Parts};
use super::inside::objection;
use super::meant_for::MeantFor;
use super::nearly::{Nearly, nearly};
use super::other_database;
use super::other_directory::{self, DEPTH, UP, first_file, is_hidden};
use super::role::Role;
use super::version::Version;
use super::{Ignored, StepFile, StepKind, Strange, undoing};
use crate::database::Kind;
use crate::output::printable;

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
    /// Lists a directory in which names are read so. `known` are directories in it that are listed by themselves.
    pub(super) fn of(
        directory: &Path,
        database: Kind,
        known: &BTreeSet<PathBuf>,
        read_name: fn(&str) -> Option<Parts>,
    ) -> io::Result<Self> {
        let is_program = |name: &str| read_name(name).is_some();
        let is_free = read_name("name.js").is_some();
        let mut names = BTreeSet::new();
        // What the directory itself says to be a file, and no link to one: nothing more needs to be asked of it.
        let mut plain_files = HashSet::new();
        let mut listing = Self::default();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            match entry.file_name().into_string() {
                Ok(name) => {
                    if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                        plain_files.insert(name.clone());
                    }
                    names.insert(name);
                }
                Err(name) => listing.unreadable(&name.to_string_lossy()),
            }
        }
        listing
            .strange
            .extend(other_database::objection(directory, database));
        let mut undos = Vec::new();
        let mut elsewhere = BTreeSet::new();
        let mut metadata = BTreeMap::new();
        for file_name in names.clone() {
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
            let followed = (!plain_files.contains(&file_name)).then(|| fs::metadata(&path));
            match followed {
                Some(Ok(metadata)) if metadata.is_dir() => {
                    listing.directory(file_name, path, known, &is_program)?;
                    continue;
                }
                Some(Err(error)) if is_program(&file_name) => {
                    let why = format!("cannot be read: {error}");
                    listing.strange.push(Strange { file_name, why });
                    continue;
                }
                Some(Ok(metadata))
                    if is_program(&file_name) || file_name::strip_conf(&file_name).is_some() =>
                {
                    let is_file = metadata.is_file();
                    if let Some(why) = objection(directory, &path, is_file) {
                        listing.strange.push(Strange { file_name, why });
                        continue;
                    }
                }
                Some(Ok(_) | Err(_)) | None => {}
            }
            if let Some(sql) = file_name::strip_conf(&file_name) {
                metadata.insert(sql.to_owned(), path);
                continue;
            }
            let Some(parts) = read_name(&file_name) else {
                let other = file_name::in_another_language(&file_name).map(Nearly::Strange);
                match other.or_else(|| nearly(&file_name, &names, is_free)) {
                    Some(Nearly::Strange(why)) => listing.strange.push(Strange { file_name, why }),
                    Some(Nearly::Known(what)) => listing.ignore(file_name, what),
                    None => listing.ignore(
                        file_name,
                        "neither .sql, .wasm nor a numbered .js, .ts or .py",
                    ),
                }
                continue;
            };
            if !parts.is_for(database) {
                let meant_for = parts.meant_for.map_or("", MeantFor::display_name);
                let why = format!("meant for {meant_for}");
                elsewhere.insert(parts.stem);
                match parts.meant_for {
                    // Somebody may have taken the wrong directory.
                    Some(MeantFor::Other(_)) => listing.ignore(file_name, &why),
                    _ => listing.ignore_for_another(file_name, &why),
                }
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
        listing.refuse_undos();
        for (sql, path) in metadata {
            match listing.listed.iter_mut().find(|file| file.file_name == sql) {
                Some(file) => file.metadata = Some(path),
                None => listing.refuse_metadata(&sql, &elsewhere),
            }
        }
        Ok(listing)
    }

    /// A name that is no text: what stands for the rest of it is enough to tell whether it is meant.
    fn unreadable(&mut self, file_name: &str) {
        let file_name = printable(file_name);
        let is_meant = file_name::is_program(&file_name)
            || file_name::in_another_language(&file_name).is_some()
            || file_name::is_of_a_step(&file_name);
        let why = "has a name that is not UTF-8: rename it".to_owned();
        match is_meant && !is_hidden(&file_name) {
            true => self.strange.push(Strange { file_name, why }),
            false => self.ignore(file_name, &why),
        }
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
        is_program: &dyn Fn(&str) -> bool,
    ) -> io::Result<()> {
        if known.contains(&path) {
            return Ok(());
        }
        let Some(up) = UP.into_iter().find(|up| path.join(up).is_file()) else {
            match other_directory::objection(&name, &path, is_program)? {
                Some(why) => self.strange.push(Strange {
                    why,
                    file_name: name,
                }),
                None => self.ignore(name, "a directory without steps"),
            }
            return Ok(());
        };
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let inner = entry.file_name().to_string_lossy().into_owned();
            if inner == up || inner == DOWN || is_hidden(&inner) || is_companion(&inner) {
                continue;
            }
            let is_meant = |name: &str| {
                file_name::is_program(name)
                    || file_name::could_migrate(name)
                    || file_name::is_called_as_one(name)
            };
            let found = match entry.path().is_dir() {
                true => first_file(&entry.path(), DEPTH, &file_name::is_program)?
                    .and_then(|found| Some(found.strip_prefix(&path).ok()?.display().to_string())),
                false => is_meant(&inner).then_some(inner),
            };
            if let Some(inner) = found {
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

    /// A file that says how another runs, which is none of those that run: that other may be called otherwise by mistake.
    fn refuse_metadata(&mut self, sql: &str, elsewhere: &BTreeSet<String>) {
        let file_name = format!("{sql}.conf");
        let parts = Parts::of(sql);
        // It is read with the file that undoes.
        let is_undoing =
            |parts: &Parts| parts.undoes || file_name::undone_version(&parts.stem).is_some();
        if parts.as_ref().is_some_and(is_undoing) {
            return;
        }
        let is_known = parts.is_some_and(|parts| {
            self.baselines.iter().any(|file| file.file_name == sql)
                || elsewhere.contains(&parts.stem)
        });
        match is_known {
            true => self.ignore(file_name, "says how a file runs that does not run here"),
            false => self.strange.push(Strange {
                file_name,
                why: format!("says how `{sql}` runs, which is not there"),
            }),
        }
    }

    /// Refuses files that undo others by their names, and not in a form that is known here.
    fn refuse_undos(&mut self) {
        let stems: Vec<String> = self.listed.iter().map(|file| file.stem.clone()).collect();
        let (undos, listed) = std::mem::take(&mut self.listed)
            .into_iter()
            .map(|file| (undoing::undoing(&file.stem, file.form, &stems), file))
            .partition::<Vec<_>, _>(|(why, file)| why.is_some() && !file.file_name.contains('/'));
        self.listed = listed.into_iter().map(|(_, file)| file).collect();
        self.strange
            .extend(undos.into_iter().filter_map(|(why, file)| {
                let file_name = file.file_name;
                why.map(|why| Strange { file_name, why })
            }));
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

/// What a directory holds that has no step, in words; none when nothing shows itself.
pub(super) fn only(ignored: &[Ignored]) -> Option<String> {
    let shown = ignored.iter().filter(|ignored| !ignored.is_hidden);
    let names: Vec<String> = shown
        .map(|ignored| format!("`{}`", ignored.file_name))
        .collect();
    match names.as_slice() {
        [] => None,
        [first, second, third, others @ ..] if !others.is_empty() => Some(format!(
            "{first}, {second}, {third} and {} more",
            others.len()
        )),
        few => Some(few.join(", ")),
    }
}

/// Whether it belongs to steps without being one: what `wasmigrate test` tries them on, and what is declared for that.
fn is_companion(file_name: &str) -> bool {
    file_name == "fixtures" || file_name.ends_with(".test.toml")
}
