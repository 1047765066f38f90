//! What of a directory becomes a release: its steps, for whichever database, each with the file that undoes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::file_name::{self, Parts};
use super::repeatable::is_repeatable_name;
use super::script::{LIBRARY, Script, is_declarations, is_text};
use super::{Catalog, Error, Seeds, StepFile, StepKind, Strange};
use crate::database::Kind;

const FORMS: &str = "a release has files NNNN_name.sql, NNNN_name.wasm, scripts with what they import, each with one NNNN_name.down.sql or \
                     none, R__name.sql and baselines";

/// The ending of the file of Flyway that says how a file of SQL runs.
const CONF: &str = ".conf";

/// What a file's name says in a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackedName {
    /// It is a step with this place in the order.
    Step {
        /// Its place; those without a number have the last one together.
        index: u64,
    },
    /// It undoes a step.
    Undo,
}

/// What a name says in a release; why it has no place there when it has none.
pub fn packed_name(file_name: &str) -> Result<PackedName, String> {
    let parts = Parts::of(file_name).ok_or("is no .sql, no .wasm and no script")?;
    if parts.undoes || file_name::undone_version(&parts.stem).is_some() {
        return match parts.form {
            StepKind::Sql => Ok(PackedName::Undo),
            _ => Err("undoes another file, and is no SQL".to_owned()),
        };
    }
    if is_repeatable_name(&parts.stem) {
        return Ok(PackedName::Step { index: u64::MAX });
    }
    let index = match file_name::baselined_version(&parts.stem) {
        Some(version) => version.index().ok_or("has a version that is too long")?,
        None => file_name::index_and_name(&parts.stem)?.0,
    };
    Ok(PackedName::Step { index })
}

/// Whether a file undoes this very step, as a directory of both is read.
pub fn is_packed_undo(step: &str, file_name: &str) -> bool {
    let (Some(step), Some(undo)) = (Parts::of(step), Parts::of(file_name)) else {
        return false;
    };
    if undo.undoes {
        return undo.stem == step.stem;
    }
    let version = file_name::undone_version(&undo.stem);
    version.is_some()
        && file_name::is_flyways(&step.stem)
        && file_name::version(&step.stem) == version
}

/// Whether a file may be a part of a step beside it: what a script imports, or what says how SQL runs. `undo` is the file that
/// undoes the step.
pub fn is_packed_beside(step: &str, undo: Option<&str>, file_name: &str) -> bool {
    if let Some(sql) = file_name.strip_suffix(CONF) {
        let is_sql = Parts::of(sql).is_some_and(|parts| parts.form == StepKind::Sql);
        return is_sql && (sql == step || Some(sql) == undo);
    }
    let is_script = Parts::of(step).is_some_and(|parts| parts.form.is_script());
    let in_library = file_name
        .strip_prefix(LIBRARY)
        .and_then(|rest| rest.strip_prefix('/'));
    is_script && in_library.is_some() && is_text(file_name)
}

/// A file that becomes a part of a release.
#[derive(Clone, Debug)]
pub struct FileToPack {
    /// What it is called there.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it holds, where that is not to the letter what the file does: scripts are the same on every system.
    pub text: Option<String>,
}

impl FileToPack {
    fn of(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or_default();
        Self {
            name: name.to_string_lossy().into_owned(),
            path,
            text: None,
        }
    }
}

/// The files of a step.
#[derive(Clone, Debug)]
pub struct StepToPack {
    /// Its own.
    pub step: FileToPack,
    /// The one that undoes it.
    pub undo: Option<FileToPack>,
    /// What a script imports, and what says how SQL runs, in the order of their names.
    pub beside: Vec<FileToPack>,
}

impl StepToPack {
    fn of(directory: &Path, step: StepFile) -> Result<Self, Error> {
        let mut beside: Vec<FileToPack> = step.metadata.into_iter().map(FileToPack::of).collect();
        if let Some(undo) = &step.undo {
            let mut conf = undo.as_os_str().to_owned();
            conf.push(CONF);
            let conf = PathBuf::from(conf);
            beside.extend(conf.is_file().then(|| FileToPack::of(conf)));
        }
        let mut own = FileToPack::of(step.path);
        if step.kind.is_script() {
            let script = Script::read(&own.path).map_err(|source| Error::File {
                path: own.path.clone(),
                source,
            })?;
            let mut modules = script.modules.into_iter();
            own.text = modules.next().map(|module| module.text);
            beside.extend(modules.map(|module| FileToPack {
                path: directory.join(&module.name),
                name: module.name,
                text: Some(module.text),
            }));
        }
        beside.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            step: own,
            undo: step.undo.map(FileToPack::of),
            beside,
        })
    }
}

/// The files of a directory that make a release.
#[derive(Clone, Debug, Default)]
pub struct PackedFiles {
    /// The steps in order.
    pub steps: Vec<StepToPack>,
    /// What is left out, and why.
    pub left_out: Vec<(String, String)>,
}

/// Lists the files of a directory that make a release. What runs here and has no place in a release is an error.
pub fn packed_files(directory: &Path) -> Result<PackedFiles, Error> {
    let mut steps: BTreeMap<(u64, String), StepFile> = BTreeMap::new();
    let mut strange = Vec::new();
    let mut left_out = BTreeMap::new();
    for kind in Kind::ALL {
        let catalog = Catalog::scan(directory, kind, &Seeds::default())?;
        if let Some(order) = &catalog.text_order
            && let Some(problem) = order.problems(&catalog.steps, |_| false)
        {
            return Err(problem);
        }
        let baselines = catalog
            .baselines
            .into_values()
            .map(|baseline| baseline.file);
        for step in catalog.steps.into_values().chain(baselines) {
            match place(&step) {
                Ok(place) => {
                    let other = steps.insert(place, step.clone());
                    if other.is_some_and(|other| other.undo != step.undo) {
                        let why = "is undone by another file on each database, and a release has one: write two steps, \
                                   .sqlite.sql and .postgres.sql, each with its own";
                        strange.push((step.file_name, why.to_owned()));
                    }
                }
                Err(why) => strange.push((step.file_name, why)),
            }
        }
        for file in catalog.ignored {
            if !file.is_hidden && !file.is_for_another_database {
                left_out.insert(file.file_name, file.why);
            }
        }
    }
    strange.sort();
    strange.dedup();
    if !strange.is_empty() {
        return Err(Error::Strange {
            directory: directory.to_owned(),
            files: strange
                .into_iter()
                .map(|(file_name, why)| Strange { file_name, why })
                .collect(),
            hint: FORMS,
        });
    }
    let steps = steps.into_values();
    let steps = steps.map(|step| StepToPack::of(directory, step));
    let steps = steps.collect::<Result<Vec<_>, _>>()?;
    let library = directory.join(LIBRARY);
    look_at_library(directory, &steps, &mut left_out).map_err(|source| Error::File {
        path: library,
        source,
    })?;
    Ok(PackedFiles {
        steps,
        left_out: left_out.into_iter().collect(),
    })
}

/// Where steps import something, what no step imports is left out, and not the library as a whole.
fn look_at_library(
    directory: &Path,
    steps: &[StepToPack],
    left_out: &mut BTreeMap<String, String>,
) -> io::Result<()> {
    let beside = steps.iter().flat_map(|step| &step.beside);
    let imported: BTreeSet<&str> = beside
        .filter(|file| file.text.is_some())
        .map(|file| &*file.name)
        .collect();
    if imported.is_empty() {
        return Ok(());
    }
    left_out.remove(LIBRARY);
    let mut open = vec![LIBRARY.to_owned()];
    while let Some(place) = open.pop() {
        for entry in fs::read_dir(directory.join(&place))? {
            let entry = entry?;
            let own = entry.file_name().to_string_lossy().into_owned();
            let name = format!("{place}/{own}");
            if own.starts_with('.') || is_declarations(&own) || imported.contains(&*name) {
                continue;
            }
            match entry.file_type()?.is_dir() {
                true => open.push(name),
                false => _ = left_out.insert(name, "no step imports it".to_owned()),
            }
        }
    }
    Ok(())
}

/// The place of a step in a release; why it has none.
fn place(step: &StepFile) -> Result<(u64, String), String> {
    if step.file_name.contains('/') {
        return Err(
            "stands in a directory of its own, and a release has files alone: make files `NNNN_name.sql` and `NNNN_name.down.sql` of it, of \
             the same order, in a directory for releases"
                .to_owned(),
        );
    }
    match packed_name(&step.file_name)? {
        PackedName::Step { index } => Ok((index, step.file_name.clone())),
        PackedName::Undo => Err("undoes another file".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is_in_a_release() {
        let step = |index| Ok(PackedName::Step { index });
        assert_eq!(packed_name("0002_split.wasm"), step(2));
        assert_eq!(packed_name("0002_split.postgres.sql"), step(2));
        assert_eq!(packed_name("R__view.sql"), step(u64::MAX));
        assert_eq!(packed_name("0005_all.baseline.sql"), step(5));
        assert_eq!(packed_name("0002_split.down.sql"), Ok(PackedName::Undo));
        assert_eq!(packed_name("0002_split.js"), step(2));
        for name in [
            "README.md",
            "0002_a.down.wasm",
            "0002_a.down.js",
            "name.sql",
            ".sql",
        ] {
            assert!(packed_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_file_undoes_the_step_that_it_is_called_after() {
        for (step, undo) in [
            ("0001_a.sql", "0001_a.down.sql"),
            ("0001_a.up.sql", "0001_a.undo.sql"),
            ("0001_a.postgres.sql", "0001_a.down.sql"),
            ("V1_2__a.sql", "U1_2__other.sql"),
        ] {
            assert!(is_packed_undo(step, undo), "{step} {undo}");
        }
        for (step, undo) in [
            ("0002_b.sql", "0001_a.down.sql"),
            ("0001_b.sql", "0001_a.down.sql"),
            ("V1_2__a.sql", "U1__a.sql"),
            ("R__a.sql", "U1__a.sql"),
            ("0001_a.sql", "0001_a.sql"),
        ] {
            assert!(!is_packed_undo(step, undo), "{step} {undo}");
        }
    }

    #[test]
    fn only_what_belongs_to_a_step_stands_beside_it() {
        let beside = |step, name| is_packed_beside(step, Some("0001_a.down.sql"), name);
        assert!(beside("0001_a.sql", "0001_a.sql.conf"));
        assert!(beside("0001_a.sql", "0001_a.down.sql.conf"));
        assert!(beside("0001_a.js", "lib/names/first.js"));
        for (step, name) in [
            ("0001_a.sql", "0002_b.sql.conf"),
            ("0001_a.js", "0001_a.js.conf"),
            ("0001_a.sql", "lib/first.js"),
            ("0001_a.js", "lib/first.sql"),
            ("0001_a.js", "library/first.js"),
            ("0001_a.js", "first.js"),
        ] {
            assert!(!beside(step, name), "{step} {name}");
        }
    }
}
