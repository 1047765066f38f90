//! Files that are written as a whole or not at all: half of a step would be taken for one.

use std::io::{Result, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Makes a file that is not there yet.
pub fn write_new(path: &Path, text: &str) -> Result<()> {
    written(path, text)?.persist_noclobber(path)?;
    Ok(())
}

/// Writes a file, which takes the place of the one that is there.
pub fn write_over(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let file = written(path, content)?;
    if let Ok(there) = std::fs::metadata(path) {
        file.as_file().set_permissions(there.permissions())?;
    }
    file.persist(path)?;
    Ok(())
}

/// Writes a file where somebody has said. A link is followed as long as it leads to a file in the same directory or below it: one that
/// came with the files of others must not overwrite what is elsewhere. What is no file, such as a pipe, is written to.
pub fn write_where_told(path: &Path, text: &str) -> Result<()> {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
    let there = std::fs::metadata(path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return std::fs::write(path, text);
    }
    let mut place = path.to_owned();
    if is_link && there.is_some() {
        place = path.canonicalize()?;
        let directory = directory_of(path).canonicalize()?;
        if !place.starts_with(directory) {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "it is a link to a file outside of its directory, which is not followed: name that file instead",
            ));
        }
    }
    if there.is_some() {
        // Whoever has closed a file to writing means it.
        std::fs::OpenOptions::new().append(true).open(&place)?;
    }
    write_over(&place, text)
}

fn directory_of(path: &Path) -> &Path {
    let parent = path.parent();
    parent
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The content in a file beside the place where it is to be, which goes when it does not come there. Nothing that begins with a dot
/// is taken for a step.
fn written(path: &Path, content: impl AsRef<[u8]>) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".new");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory_of(path))?;
    file.write_all(content.as_ref())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes several files, or none of them.
pub(super) fn write_all_new<'f>(
    files: impl IntoIterator<Item = (&'f Path, &'f str)>,
) -> std::result::Result<(), (&'f Path, std::io::Error)> {
    let mut made: Vec<&Path> = Vec::new();
    for (path, text) in files {
        if let Err(error) = write_new(path, text) {
            for path in made {
                // The error is what matters.
                let _ = std::fs::remove_file(path);
            }
            return Err((path, error));
        }
        made.push(path);
    }
    Ok(())
}
