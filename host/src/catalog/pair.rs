//! What stands beside a step: the file that undoes it, which is its reset section, and the one that says how it runs.

use std::path::{Path, PathBuf};

use super::annotation::Part;
use super::content::read_step_file;
use super::sql::{self, Section, SqlStep};
use super::{Error, StepFile};

impl SqlStep {
    /// Takes a step's file apart, and adds what stands beside it.
    pub fn of(file: &StepFile, bytes: &[u8]) -> Result<Self, Error> {
        let mut step = Self::parse(&file.file_name, bytes)?;
        if let Some(metadata) = &file.metadata {
            step.transactional &= is_transactional(metadata)?;
        }
        if !file.role.has_phases() {
            step.refuse_what_runs_once(file)?;
            return Ok(step);
        }
        let Some(undo) = &file.undo else {
            return Ok(step);
        };
        let bytes = read(undo)?;
        let file_name = undo.file_name().unwrap_or_default().to_string_lossy();
        if let Some(reset) = &step.reset {
            return Err(Error::Sql {
                label: file.file_name.clone(),
                line: reset.first_line - 1,
                why: format!("`{file_name}` undoes this step already: keep one of the two"),
            });
        }
        let (text, is_transactional) = undoing(&file_name, &bytes)?;
        step.is_undone_outside |= !is_transactional || !is_transactional_by_conf(undo)?;
        step.undo_by(Section {
            text,
            first_line: 1,
            file_name: Some(file_name.into_owned()),
        });
        Ok(step)
    }
}

impl SqlStep {
    /// What runs after all else has neither a cut-over nor a way back: it would never be used.
    fn refuse_what_runs_once(&self, file: &StepFile) -> Result<(), Error> {
        let sections = [(&self.finalize, "finalize"), (&self.reset, "reset")];
        let found = sections
            .into_iter()
            .find_map(|(section, name)| Some((section.as_ref()?.first_line - 1, name)));
        let undo = file.undo.as_ref().map(|_| (1, "reset"));
        let Some((line, name)) = found.or(undo) else {
            return Ok(());
        };
        Err(Error::Sql {
            label: file.file_name.clone(),
            line,
            why: format!(
                "{} is neither finalized nor reset: put what is to {name} into a step with a number",
                file.role.called()
            ),
        })
    }
}

/// The text of a file that undoes another as a whole, and whether it runs in a transaction.
fn undoing(label: &str, bytes: &[u8]) -> Result<(String, bool), Error> {
    let step = SqlStep::parse_in(label, bytes, Some(Part::Reset))?;
    match step {
        SqlStep {
            migrate: Some(section),
            finalize: None,
            reset: None,
            transactional,
            ..
        } if section.first_line == 1 => Ok((section.text, transactional)),
        _ => Err(Error::Sql {
            label: label.to_owned(),
            line: 1,
            why: "the file undoes another by its name, and is taken apart into sections, too: keep to one".to_owned(),
        }),
    }
}

/// The same of a file that has Flyway's script configuration beside it.
fn is_transactional_by_conf(file: &Path) -> Result<bool, Error> {
    let mut conf = file.as_os_str().to_owned();
    conf.push(".conf");
    let conf = PathBuf::from(conf);
    match conf.is_file() {
        true => is_transactional(&conf),
        false => Ok(true),
    }
}

/// Whether a file runs in a transaction by the file beside it: `run_in_transaction = false` of diesel's `metadata.toml`, or
/// `executeInTransaction=false` of Flyway's script configuration. Anything else in it is refused: it would not hold.
fn is_transactional(path: &Path) -> Result<bool, Error> {
    let bytes = read(path)?;
    let label = path.display().to_string();
    let text = sql::text(&label, &bytes)?;
    let mut transactional = true;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let pair = text
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()));
        transactional = match pair {
            Some(("run_in_transaction" | "executeInTransaction", "true")) => true,
            Some(("run_in_transaction" | "executeInTransaction", "false")) => false,
            _ => {
                return Err(Error::Sql {
                    label,
                    line,
                    why: "only `run_in_transaction` (diesel) and `executeInTransaction` (Flyway), with true or false, are \
                          understood here"
                        .to_owned(),
                });
            }
        };
    }
    Ok(transactional)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    read_step_file(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_file_that_undoes_another_has_no_sections() {
        let undoing = |text: &str| super::undoing("0001_a.down.sql", text.as_bytes());
        let text = "DROP TABLE a;".to_owned();
        assert_eq!(undoing(&text).unwrap(), (text, true));
        assert!(undoing("-- migrate:up\nA;\n-- migrate:down\nB;\n").is_err());
        assert!(undoing("-- +goose Down\nB;\n").is_err());
        for mark in [
            "-- no-transaction",
            "-- wasmigrate:no-transaction",
            "-- atlas:txmode none",
        ] {
            let text = format!("{mark}\nDROP TABLE a;");
            assert_eq!(undoing(&text).unwrap(), (text, false));
        }
    }
}
