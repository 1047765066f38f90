//! Which process has the write lock of a file: SQLite says only that somebody has it.

use std::fs;
use std::path::Path;

use super::super::LockHolder;
use super::other_connections::{blocking, shared_memory};

/// The byte of the `-shm` file that a writer in WAL mode has locked: `WAL_WRITE_LOCK` at `UNIX_SHM_BASE` in
/// <https://www.sqlite.org/src/file/src/os_unix.c>.
const LOCK_OF_WRITER: u64 = 120;

/// The bytes of the file itself that a writer in the other modes has locked: `PENDING_BYTE` and `RESERVED_BYTE` in the same.
const LOCKS_OF_WRITER_WITHOUT_WAL: [u64; 2] = [0x4000_0000, 0x4000_0001];

/// The process that writes to the database in this file now; none when there is none, or it cannot be told.
pub(super) fn of(database: &Path) -> Option<LockHolder> {
    let in_wal = blocking(&shared_memory(database), LOCK_OF_WRITER);
    let process = in_wal.ok().flatten().or_else(|| {
        LOCKS_OF_WRITER_WITHOUT_WAL
            .iter()
            .find_map(|byte| blocking(database, *byte).ok().flatten())
    })?;
    Some(described(process))
}

fn described(process: u32) -> LockHolder {
    // What it was started with may hold a password.
    let program = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let is_stalled = stat
        .rsplit_once(')')
        .is_some_and(|(_, fields)| matches!(fields.trim_start().get(..1), Some("T" | "t")));
    let named = match program.trim() {
        "" => String::new(),
        program => format!(" ({program})"),
    };
    LockHolder {
        name: format!("process {process}{named}"),
        is_stalled,
    }
}

/// Who has the write lock, in a sentence.
pub(super) fn in_words(holder: Option<LockHolder>) -> String {
    match holder {
        None => "it cannot be told which".to_owned(),
        Some(holder) if holder.is_stalled => format!(
            "it is {}, which is stopped: let it continue (`kill -CONT`), or end it",
            holder.name
        ),
        Some(holder) => format!("it is {}", holder.name),
    }
}
