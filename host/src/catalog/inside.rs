//! What is read from a directory of steps: files that are in it, and nothing that a link leads to elsewhere.

use std::fs;
use std::io;
use std::path::Path;

use super::content::read_step_file;

/// Why what has the name of a file is not to be read, when it is not: a pipe never ends, and what a link leads to elsewhere on
/// this machine may be a secret, of which a failure would show the first statement.
pub(super) fn objection(directory: &Path, path: &Path, is_file: bool) -> Option<String> {
    if !is_file {
        return Some("is a pipe, a socket or a device, and no file".to_owned());
    }
    let inside = |directory: &Path| -> io::Result<bool> {
        Ok(fs::canonicalize(path)?.starts_with(fs::canonicalize(directory)?))
    };
    let is_linked = |part: &Path| fs::symlink_metadata(part).is_ok_and(|it| it.is_symlink());
    let is_on_the_way = path.ancestors().take_while(|part| *part != directory);
    if !is_on_the_way.into_iter().any(is_linked) || inside(directory).unwrap_or(false) {
        return None;
    }
    Some(
        "is a link to a file outside of this directory, which is not followed: copy the file here"
            .to_owned(),
    )
}

/// Refuses what is not a file inside the directory.
pub fn check_inside(directory: &Path, path: &Path) -> io::Result<()> {
    let is_file = fs::metadata(path)?.is_file();
    match objection(directory, path, is_file) {
        None => Ok(()),
        Some(why) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("it {why}"),
        )),
    }
}

/// Refuses a directory that links lead out of the one in which it is to be, before something is written there. It need not be
/// there yet.
pub fn check_directory_inside(directory: &Path, inner: &Path) -> io::Result<()> {
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    let there = inner
        .ancestors()
        .find(|part| part.symlink_metadata().is_ok());
    let is_inside = match there {
        Some(there) => fs::canonicalize(there)?.starts_with(fs::canonicalize(directory)?),
        None => true,
    };
    match is_inside || there.is_some_and(|there| directory.starts_with(there)) {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "it is a link to a place outside of `{}`, which is not followed",
                directory.display()
            ),
        )),
    }
}

/// The text of what belongs to the steps of a directory, in which it stands.
pub fn read_text_inside(directory: &Path, path: &Path) -> io::Result<String> {
    check_inside(directory, path)?;
    String::from_utf8(read_step_file(path)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
}
