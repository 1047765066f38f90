//! Files that are written as a whole or not at all: half of a step would be taken for one.

use std::io::{Error, ErrorKind, Result, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::inside::check_directory_inside;
use crate::temporary::without_temporary_path;

/// Where the system has devices, and links to the streams of a process.
const STREAMS: [&str; 2] = ["/dev", "/proc"];

/// Where what is written goes nowhere.
const NOTHING: &str = "/dev/null";

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
/// came with the files of others must not write elsewhere. What is no file, such as a pipe, is written to.
pub fn write_where_told(path: &Path, text: &str) -> Result<()> {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
    let there = std::fs::metadata(path).ok();
    let mut place = path.to_owned();
    // The system's own links to streams are no files of others.
    let is_streams = STREAMS.iter().any(|streams| path.starts_with(streams));
    if is_link && there.is_some() && !is_streams {
        place = path.canonicalize()?;
        let directory = directory_of(path).canonicalize()?;
        if !place.starts_with(directory) && place != Path::new(NOTHING) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "it is a link to a file outside of its directory, which is not followed: name that file instead",
            ));
        }
    }
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return std::fs::write(place, text);
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
    let file = builder
        .tempfile_in(directory_of(path))
        .and_then(|mut file| {
            file.write_all(content.as_ref())?;
            file.as_file().sync_all()?;
            Ok(file)
        });
    file.map_err(without_temporary_path)
}

/// Makes several files, and the directories in which they are to be, or nothing at all. No directory is made where a link leads out of
/// `root`. An error comes with the path of what could not be made.
pub(super) fn make_all<'f>(
    root: &Path,
    files: impl IntoIterator<Item = (&'f Path, &'f str)>,
) -> std::result::Result<(), (PathBuf, Error)> {
    let mut made = Made::default();
    for (path, text) in files {
        let failed = |error| (path.to_owned(), error);
        made.directories_of(root, path).map_err(failed)?;
        write_new(path, text).map_err(failed)?;
        made.files.push(path.to_owned());
    }
    made.keep();
    Ok(())
}

/// What was made so far, and goes again unless it is to be kept.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Made {
    /// Makes the directories in which a file is to be.
    fn directories_of(&mut self, root: &Path, file: &Path) -> Result<()> {
        let parent = directory_of(file);
        let is_missing = |directory: &&Path| {
            !directory.as_os_str().is_empty() && directory.symlink_metadata().is_err()
        };
        let missing: Vec<&Path> = parent.ancestors().take_while(is_missing).collect();
        let there = parent.ancestors().nth(missing.len());
        if let Some(there) = there.filter(|there| !there.as_os_str().is_empty() && !there.is_dir())
        {
            let why = format!("`{}` is no directory", there.display());
            return Err(Error::new(ErrorKind::NotADirectory, why));
        }
        check_directory_inside(root, parent)?;
        for directory in missing.into_iter().rev() {
            match std::fs::create_dir(directory) {
                // Somebody else has made it meanwhile.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
                made => {
                    made?;
                    self.directories.push(directory.to_owned());
                }
            }
        }
        Ok(())
    }

    fn keep(mut self) {
        self.files.clear();
        self.directories.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // The error before is what matters; a directory in which somebody has put something else stays.
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        for directory in self.directories.iter().rev() {
            let _ = std::fs::remove_dir(directory);
        }
    }
}
