//! Directories that are this user's alone: whoever can put another one in their place can plant what is read from them.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The bit of a directory in which nobody removes or renames what is not his own, such as `/tmp`.
const STICKY: u32 = 0o1000;

/// The user in whose name this process works.
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The group in whose name this process works.
fn group() -> u32 {
    rustix::process::getegid().as_raw()
}

/// Makes a directory that only this user may enter, with what is missing above it.
pub(crate) fn make(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// The directory without links on the way, when it and all above it belong to this user or to the superuser, and nobody else
/// can put something in their place.
pub(crate) fn check(directory: &Path) -> io::Result<PathBuf> {
    let directory = fs::canonicalize(directory)?;
    let own = fs::metadata(&directory)?;
    if own.uid() != user() {
        return Err(belongs_to_another(&directory, &own));
    }
    if own.permissions().mode() & 0o077 != 0 {
        return Err(refused(format!(
            "`{}` is open to other users (mode {:o}), who could plant something in it: make it 0700",
            directory.display(),
            own.permissions().mode() & 0o777
        )));
    }
    for above in directory.ancestors().skip(1) {
        let its = fs::metadata(above)?;
        if its.uid() != user() && its.uid() != 0 {
            return Err(belongs_to_another(above, &its));
        }
        let mode = its.permissions().mode();
        // A volume of a container is open to all who are in it.
        let is_volume = above.parent().is_some_and(|parent| {
            fs::metadata(parent).is_ok_and(|parent| parent.dev() != its.dev())
        });
        let is_of_others = its.gid() != group();
        let who = match mode & 0o022 {
            0o020 if is_of_others => "its group",
            0o002 | 0o022 => "everybody",
            _ => continue,
        };
        if mode & STICKY == 0 && !is_volume {
            return Err(refused(format!(
                "`{}` can be written by {who} (mode {:o}), who could put another directory in the place of the cache: name \
                 another one with `--cache`",
                above.display(),
                mode & 0o7777
            )));
        }
    }
    Ok(directory)
}

/// Whether a file is this user's.
pub(crate) fn is_own(file: &Metadata) -> bool {
    file.uid() == user()
}

fn belongs_to_another(directory: &Path, its: &Metadata) -> io::Error {
    refused(format!(
        "`{}` belongs to another user (number {}), who could plant something in it: name a directory of your own with `--cache`",
        directory.display(),
        its.uid()
    ))
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}
