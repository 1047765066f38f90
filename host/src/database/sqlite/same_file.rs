//! Whether the path of a database still names the file that is open: one that was removed or replaced meanwhile takes commits
//! that nobody will find.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::{Error, ErrorKind, Result};

/// A file as its file system knows it: the device and the number on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileNumber(u64, u64);

impl FileNumber {
    /// That of the file of this name; none when there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }
}

/// Refuses to work on when the path names another file than the one that was opened, or none.
pub(super) fn demand(path: &Path, opened: Option<FileNumber>) -> Result<()> {
    if opened.is_none() || FileNumber::of(path) == opened {
        return Ok(());
    }
    let what = match path.exists() {
        true => "was replaced by another file",
        false => "was removed",
    };
    Err(Error::new(
        ErrorKind::Other,
        format!(
            "the database `{}` {what} while the run was at work: what was done since is in the file that was opened, and not in \
             this one; put the right file there, and run the command again",
            path.display()
        ),
    ))
}
