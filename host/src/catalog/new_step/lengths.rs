//! How long the names of files may be.

use super::super::Error;

/// How long the name of a file may be, on the file systems that there are.
const MOST_NAME_BYTES: usize = 255;

/// How much of a name that is too long is shown.
const SHOWN_LETTERS: usize = 40;

/// Refuses names that no file system has room for.
pub(super) fn check_lengths<'f>(
    name: &str,
    mut files: impl Iterator<Item = &'f str>,
) -> Result<(), Error> {
    let is_too_long = |file: &str| file.split('/').any(|part| part.len() > MOST_NAME_BYTES);
    if !files.any(is_too_long) {
        return Ok(());
    }
    let start: String = name.chars().take(SHOWN_LETTERS).collect();
    Err(Error::NewName {
        name: format!("{start}…"),
        why: format!(
            "is too long: with its number, the name of a file has at most {MOST_NAME_BYTES} bytes"
        ),
    })
}
