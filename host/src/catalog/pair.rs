//! Pairs of files: `name.up.sql` migrates, `name.down.sql` beside it undoes that. So sqlx and golang-migrate name them:
//! the second is the reset section of the first, and no step.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::sql::{self, Section, SqlStep};
use super::{Error, StepFile};

const UP: &str = ".up.sql";
const DOWN: &str = ".down.sql";

/// The name of the file that another undoes, when its name says that it does so.
pub(super) fn undone_by(file_name: &str) -> Option<String> {
    let stem = file_name.strip_suffix(DOWN)?;
    Some(format!("{stem}{UP}"))
}

/// A step's name without what says that it is the first of a pair.
pub(super) fn without_direction(stem: &str) -> &str {
    stem.strip_suffix(".up").unwrap_or(stem)
}

/// Where the file is that undoes another, if there is one.
fn undoing(path: &Path) -> Option<PathBuf> {
    let stem = path.file_name()?.to_str()?.strip_suffix(UP)?;
    Some(path.with_file_name(format!("{stem}{DOWN}")))
}

impl SqlStep {
    /// Takes a step's file apart, and adds the file beside it that undoes it.
    pub fn of(file: &StepFile, bytes: &[u8]) -> Result<Self, Error> {
        Self::at(&file.path, &file.file_name, bytes)
    }

    /// The same for the file at `path`; `label` names it in errors.
    pub fn at(path: &Path, label: &str, bytes: &[u8]) -> Result<Self, Error> {
        let mut step = Self::parse(label, bytes)?;
        let Some(undoing) = undoing(path) else {
            return Ok(step);
        };
        let bytes = match fs::read(&undoing) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(step),
            Err(source) => {
                return Err(Error::File {
                    path: undoing,
                    source,
                });
            }
        };
        let file_name = undoing.file_name().unwrap_or_default().to_string_lossy();
        if let Some(reset) = &step.reset {
            return Err(Error::Sql {
                label: label.to_owned(),
                line: reset.first_line - 1,
                why: format!("`{file_name}` undoes this step already: keep one of the two"),
            });
        }
        step.reset = Some(Section {
            text: sql::text(&file_name, &bytes)?.to_owned(),
            first_line: 1,
        });
        Ok(step)
    }
}
