//! What is said of a disk that is full, or that fails.
//!
//! SQLite has many words for it: it writes the file, the `-wal` and `-shm` beside it, and temporary files elsewhere, and says
//! something else for each.

use std::path::{Path, PathBuf};

use super::super::Error;

/// Less than this is no room: a page and what a file system needs for itself.
const LITTLE: u64 = 64 << 10;

/// An error of SQLite's, in words that say what to do where a disk is the cause.
pub(super) fn explain(database: &Path, error: Error) -> Error {
    let is_full = match &*error.code {
        "SQLITE_FULL" => true,
        "SQLITE_IOERR" | "SQLITE_CANTOPEN" => {
            let mut left = places(database).filter_map(|place| left(&place));
            left.any(|left| left < LITTLE)
        }
        _ => return error,
    };
    let message = match (is_full, &*error.code) {
        (true, _) => format!(
            "the disk is full: SQLite cannot write {}, the files beside it whose names go on with -wal and -shm, or its temporary \
             files ({}; a quota or `PRAGMA max_page_count` may allow less): make room and run the command again; nothing of the \
             open transaction is kept",
            database.display(),
            in_words(database)
        ),
        (false, "SQLITE_IOERR") => format!(
            "{}: SQLite cannot read or write {}, the files beside it whose names go on with -wal and -shm, or its temporary files \
             ({}): see what the system says of the disk, or of a quota; nothing of the open transaction is kept",
            error.message,
            database.display(),
            in_words(database)
        ),
        (false, _) => return error,
    };
    Error { message, ..error }
}

/// The directories in which SQLite writes.
fn places(database: &Path) -> impl Iterator<Item = PathBuf> {
    let directory = match database.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    [directory.to_owned(), temporary()].into_iter()
}

/// Where SQLite puts its temporary files: <https://www.sqlite.org/tempfiles.html#temporary_file_storage_locations>
fn temporary() -> PathBuf {
    let named = ["SQLITE_TMPDIR", "TMPDIR"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from);
    let usual = ["/var/tmp", "/usr/tmp", "/tmp"].map(PathBuf::from);
    let mut all = named.chain(usual);
    all.find(|place| place.is_dir())
        .unwrap_or_else(|| PathBuf::from("."))
}

/// How many bytes may still be written there.
fn left(place: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(place).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

fn in_words(database: &Path) -> String {
    let words = places(database).map(|place| {
        let left = match left(&place) {
            Some(left) if left < 1 << 20 => format!("{} KiB", left >> 10),
            Some(left) => format!("{} MiB", left >> 20),
            None => "an unknown number of bytes".to_owned(),
        };
        format!("{left} are left in {}", place.display())
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::super::ErrorKind;
    use super::*;

    fn said(code: &str) -> String {
        let error = Error {
            code: code.to_owned(),
            ..Error::new(ErrorKind::Other, "what SQLite says")
        };
        explain(Path::new("app.db"), error).message
    }

    #[test]
    fn a_disk_is_named_where_it_is_the_cause() {
        assert!(said("SQLITE_FULL").starts_with("the disk is full: SQLite cannot write app.db"));
        assert!(said("SQLITE_FULL").contains(" are left in ., "));
        assert!(
            said("SQLITE_IOERR").contains("what SQLite says: SQLite cannot read or write app.db")
        );
        assert_eq!(said("SQLITE_ERROR"), "what SQLite says");
    }
}
