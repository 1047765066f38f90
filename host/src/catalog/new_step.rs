//! A new step: the next file in the manner in which a directory's other files are named and written.
//!
//! The directory is locked meanwhile, and a file that is there is never written over: two people who begin a step at the same
//! time get two numbers.

mod lengths;
mod manner;
mod project;
mod script;
mod sdk;
mod sections;
mod template;
mod understood;
mod wanted;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::step_sources::{components, name_of_migrations, projects_beside};
use super::whole_file::make_all;
use super::{Error, Seeds, file_name, undoing};
use lengths::check_lengths;
use manner::{Manner, Spread};
pub use wanted::{Language, NewStep};

/// Makes the files of a new step; returns their paths. `now` is in seconds since 1970; `seeds` may stand in the directory.
pub fn new_step(
    directory: &Path,
    name: &str,
    step: NewStep,
    now: i64,
    seeds: &Seeds,
) -> Result<Vec<PathBuf>, Error> {
    let name = cleaned(name)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| Error::New { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    // Given back when the file is closed.
    let lock = File::open(directory).map_err(failed(directory))?;
    lock.lock().map_err(failed(directory))?;
    understood::check(directory, seeds)?;
    let begun = components(directory).map_err(Error::StepSources)?;
    let manner = Manner::of(directory, &begun).map_err(failed(directory))?;
    let stem = manner.next(&name, now)?;
    // What it is to be called must be understood when it is read again.
    let form = step.language.form();
    let undoes = undoing::undoing(&stem, form, &[]).map_or(Ok(()), Err);
    let understood = file_name::index_and_name(&stem).and(undoes);
    understood.map_err(|why| Error::NewName {
        name: stem.clone(),
        why,
    })?;
    if step.language != Language::Sql || matches!(manner.spread, Spread::File { .. }) {
        understood::check_name(directory, &stem, form, seeds)?;
    }
    let files = match step.language {
        Language::Sql if step.is_transformation => {
            return Err(Error::NewName {
                name,
                why: "would be a transformation in SQL: it is a function, so choose another language by `--lang`".to_owned(),
            });
        }
        Language::Sql => template::files(&manner, &stem, step.with_reset),
        Language::JavaScript => script::javascript(&stem, &name, step),
        Language::TypeScript => script::typescript(&stem, &name, step),
        Language::Python => script::python(&stem, &name, step),
        Language::Rust | Language::C | Language::Zig => {
            let projects = projects_beside(directory).map_err(failed(directory))?;
            let migrations = name_of_migrations(directory).unwrap_or_default();
            return project::make(&projects, &migrations, &stem, &name, step);
        }
    };
    check_lengths(&name, files.iter().map(|(file_name, _)| file_name.as_str()))?;
    let mut new: Vec<(PathBuf, String)> = Vec::new();
    for (file_name, text) in files {
        let path = directory.join(file_name);
        // The types are there from the second script on.
        let is_types = script::TYPES.iter().any(|types| path.ends_with(types));
        if is_types && path.exists() {
            continue;
        }
        new.push((path, text));
    }
    let files = new
        .iter()
        .map(|(path, text)| (path.as_path(), text.as_str()));
    make_all(directory, files).map_err(|(path, source)| Error::New { path, source })?;
    Ok(new.into_iter().map(|(path, _)| path).collect())
}

/// A name as files have it: small letters, digits and underscores.
fn cleaned(name: &str) -> Result<String, Error> {
    let stem = [".sql", ".js", ".ts", ".py"]
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    let letters: String = stem
        .chars()
        .flat_map(char::to_lowercase)
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                ' '
            }
        })
        .collect();
    let words: Vec<&str> = letters.split(' ').filter(|word| !word.is_empty()).collect();
    match words.is_empty() {
        false => Ok(words.join("_")),
        true => Err(Error::NewName {
            name: name.to_owned(),
            why: "holds no letter and no digit".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the next file is called after these.
    fn next(there: &[&str]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for file in there {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "SELECT 1;\n").unwrap();
        }
        let now = 1_798_761_599; // 2026-12-31 23:59:59
        let made = new_step(
            directory.path(),
            "Add  the Users!",
            NewStep::default(),
            now,
            &Seeds::default(),
        )
        .unwrap();
        let relative = |path: PathBuf| {
            let relative = path.strip_prefix(directory.path()).unwrap();
            relative.display().to_string()
        };
        made.into_iter().map(relative).collect()
    }

    #[test]
    fn a_name_follows_those_that_are_there() {
        for (there, expected) in [
            (&[][..], &["0001_add_the_users.sql"][..]),
            (&["README.md"], &["0001_add_the_users.sql"]),
            (&["0009_a.sql", "0010_b.wasm"], &["0011_add_the_users.sql"]),
            (&["7_a.sql"], &["8_add_the_users.sql"]),
            (&["001-a.sql"], &["002-add_the_users.sql"]),
            (&["9999_a.sql"], &["10000_add_the_users.sql"]),
            (&["0001_a.postgres.sql"], &["0002_add_the_users.sql"]),
            (
                &["20240101090000_a.sql"],
                &["20261231235959_add_the_users.sql"],
            ),
            (
                &["20240101090000123_a.sql"],
                &["20261231235959000_add_the_users.sql"],
            ),
            (
                &["20201110175414000001_a.sql"],
                &["20261231235959000000_add_the_users.sql"],
            ),
            (
                &["0007_a.sql", "20991110175414000001_b.sql"],
                &["20991110175414000002_add_the_users.sql"],
            ),
            (
                &["20991231235959_a.sql"],
                &["20991231235960_add_the_users.sql"],
            ),
            (&["20240101_a.sql"], &["20261231_add_the_users.sql"]),
            (&["20261231_a.sql"], &["20261232_add_the_users.sql"]),
            (&["1481574547_a.sql"], &["1798761599_add_the_users.sql"]),
            (&["0042_x.baseline.sql"], &["0043_add_the_users.sql"]),
            (
                &["0041_a.sql", "0042_x.baseline.postgres.sql"],
                &["0043_add_the_users.sql"],
            ),
            (
                &["041-a.sql", "042_x.baseline.sql"],
                &["043-add_the_users.sql"],
            ),
            (
                &["20240101000000_x.baseline.sql"],
                &["20261231235959_add_the_users.sql"],
            ),
            (
                &["20240101000000_a.sql", "20991231235959_x.baseline.sql"],
                &["20991231235960_add_the_users.sql"],
            ),
            (
                &[
                    "2024-01-01-090000_a/up.sql",
                    "20990101000000_x.baseline.sql",
                ],
                &["2099-01-01-000001_add_the_users/up.sql"],
            ),
            (&["B1_2__x.sql"], &["V1_3__add_the_users.sql"]),
            (&["V1_1__a.sql", "B9__x.sql"], &["V10__add_the_users.sql"]),
            (
                &["V1_3__a.sql", "B1_2__x.sqlite.sql"],
                &["V1_4__add_the_users.sql"],
            ),
            (&["V1__a.sql"], &["V2__add_the_users.sql"]),
            (
                &["V1_2__a.sql", "V1_10__b.sql"],
                &["V1_11__add_the_users.sql"],
            ),
            (
                &["V1.2__a.sql", "U1.2__a.sql"],
                &["V1.3__add_the_users.sql", "U1.3__add_the_users.sql"],
            ),
            (
                &["V20240101090000__a.sql"],
                &["V20261231235959__add_the_users.sql"],
            ),
            (
                &["0001_a.up.sql", "0001_a.down.sql"],
                &["0002_add_the_users.up.sql", "0002_add_the_users.down.sql"],
            ),
            (
                &["0001_a.sql", "0001_a.undo.sql"],
                &["0002_add_the_users.sql", "0002_add_the_users.undo.sql"],
            ),
            (
                &["2024-01-01-090000_a/up.sql", "2024-01-01-090000_a/down.sql"],
                &[
                    "2026-12-31-235959_add_the_users/up.sql",
                    "2026-12-31-235959_add_the_users/down.sql",
                ],
            ),
            (
                &["2024-01-01-090000-000a_a/up.sql"],
                &["2026-12-31-235959-0000_add_the_users/up.sql"],
            ),
            (
                &["20240101090000_a/migration.sql"],
                &["20261231235959_add_the_users/migration.sql"],
            ),
        ] {
            assert_eq!(next(there), expected, "{there:?}");
        }
    }

    #[test]
    fn a_name_without_letters_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let error = new_step(
            directory.path(),
            "../",
            NewStep::default(),
            0,
            &Seeds::default(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("no letter"), "{error}");
    }
}
