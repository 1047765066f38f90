//! Whether a directory is understood in which a step is to be begun: a file with a number of ours among those of another tool
//! would be run by neither as it is meant.

use std::fs;
use std::path::Path;

use super::super::content::read_step_file;
use super::super::file_name::Parts;
use super::super::undoing::undoing;
use super::super::{Catalog, Error, Seeds, SqlStep, StepKind, Strange, file_name};
use crate::database::Kind;

/// What tools leave in a directory whose migrations are in other files than steps, or elsewhere.
const MARKS: [&str; 14] = [
    "__init__.py",
    "_journal.json",
    "alembic.ini",
    "atlas.hcl",
    "db.changelog-master.json",
    "db.changelog-master.xml",
    "db.changelog-master.yaml",
    "db.changelog-master.yml",
    "env.py",
    "meta",
    "migration_lock.toml",
    "script.py.mako",
    "sqitch.plan",
    "versions",
];

/// What a script has that is a step.
const OURS: [&str; 2] = ["migrate", "transform"];

/// Refuses a name of a new file by which that, or one that is there, would be taken for what undoes the other.
pub(super) fn check_name(
    directory: &Path,
    stem: &str,
    form: StepKind,
    seeds: &Seeds,
) -> Result<(), Error> {
    let new = [stem.to_owned()];
    for kind in Kind::ALL {
        let catalog = match Catalog::scan(directory, kind, seeds) {
            Err(Error::NoStep { .. }) => continue,
            scanned => scanned?,
        };
        let in_files = catalog.steps.values();
        let in_files = in_files.filter(|step| !step.file_name.contains('/'));
        let mut others = Vec::new();
        for step in in_files {
            let Some(parts) = Parts::of(&step.file_name) else {
                continue;
            };
            if undoing(&parts.stem, step.kind, &new).is_some() {
                let why = format!(
                    "would be taken for what `{}` undoes, which would run no more: choose another name",
                    step.file_name
                );
                let name = stem.to_owned();
                return Err(Error::NewName { name, why });
            }
            others.push(parts.stem);
        }
        if let Some(why) = undoing(stem, form, &others) {
            let name = stem.to_owned();
            return Err(Error::NewName { name, why });
        }
    }
    Ok(())
}

/// Refuses a directory in which a command would refuse what is there, or in which there is no step but what other tools have.
pub(super) fn check(directory: &Path, seeds: &Seeds) -> Result<(), Error> {
    let mut steps = 0;
    for kind in Kind::ALL {
        let catalog = match Catalog::scan(directory, kind, seeds) {
            // What is there besides steps is looked at below.
            Err(Error::NoStep { .. }) => continue,
            scanned => scanned?,
        };
        for step in catalog
            .steps
            .values()
            .filter(|step| step.kind == StepKind::Sql)
        {
            let bytes = read_step_file(&step.path).map_err(|source| Error::File {
                path: step.path.clone(),
                source,
            })?;
            SqlStep::parse(&step.file_name, &bytes)?;
        }
        for step in catalog.steps.values().filter(|step| step.kind.is_script()) {
            let text = fs::read(&step.path).map_err(|source| Error::File {
                path: step.path.clone(),
                source,
            })?;
            let text = String::from_utf8_lossy(&text);
            if !OURS.iter().any(|word| text.contains(word)) {
                return Err(Error::Strange {
                    directory: directory.to_owned(),
                    files: vec![Strange {
                        file_name: step.file_name.clone(),
                        why: format!(
                            "is a migration of another form ({}): it exports neither `migrate` nor a `transform`",
                            step.kind.ending()
                        ),
                    }],
                    hint: "write it as a step, or move it away",
                });
            }
        }
        steps += catalog.steps.len();
    }
    if steps > 0 {
        return Ok(());
    }
    let failed = |source| Error::Directory {
        directory: directory.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry
            .map_err(failed)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if MARKS.contains(&&*name) || file_name::is_in_another_language(&name) {
            found.push(format!("`{name}`"));
        }
    }
    found.sort();
    match found.is_empty() {
        true => Ok(()),
        false => Err(Error::NoStep {
            directory: directory.to_owned(),
            found: found.join(", "),
        }),
    }
}
