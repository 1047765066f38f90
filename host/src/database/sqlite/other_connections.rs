//! Whether other programs have a file open.
//!
//! SQLite keeps nobody in a queue: who finds the file locked looks again now and then. So this process must stop writing
//! for a while to let others in; but only when there are others.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

/// The byte of the `-shm` file on which every connection in WAL mode holds a shared lock as long as it is open:
/// `UNIX_SHM_DMS` in <https://www.sqlite.org/src/file/src/os_unix.c>.
const LOCK_OF_CONNECTIONS: u64 = 128;

/// The files that were asked, by device and number. They are never closed: closing one would take away all locks that
/// SQLite holds on it in this process. <https://www.sqlite.org/howtocorrupt.html#posix_close>
static ASKED: Mutex<BTreeMap<(u64, u64), File>> = Mutex::new(BTreeMap::new());

/// Whether another process has the database in this file open; also when that cannot be known.
pub(super) fn has_other_connections(database: &Path) -> bool {
    blocking(&shared_memory(database), LOCK_OF_CONNECTIONS).map_or(true, |other| other.is_some())
}

/// The file in which those who have a database open in WAL mode keep their locks.
pub(super) fn shared_memory(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-shm");
    PathBuf::from(path)
}

/// Which other process keeps this one from locking a byte of a file for itself; none when nobody does. Its number is 0 where
/// that cannot be seen from here.
pub(super) fn blocking(path: &Path, byte: u64) -> io::Result<Option<u32>> {
    let found = fs::metadata(path)?;
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let file = match asked.entry((found.dev(), found.ino())) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(File::open(path)?),
    };
    // Who wants to write here would have to wait for all others.
    let alone = Flock {
        start: byte,
        length: 1,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let other = fcntl_getlk(file, &alone)?;
    Ok(other.map(|lock| {
        let process = lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get());
        u32::try_from(process).unwrap_or(0)
    }))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::{Command, Stdio};

    use rusqlite::Connection;

    use super::*;

    /// Where this test finds the file when it is the other process.
    const FILE: &str = "WASMIGRATE_TEST_OTHER_CONNECTIONS_OF";

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        let script = "PRAGMA journal_mode = wal; CREATE TABLE IF NOT EXISTS one (value INTEGER)";
        connection.execute_batch(script).unwrap();
        connection
    }

    #[test]
    fn another_process_is_seen_as_long_as_it_has_the_file_open() {
        if let Some(path) = std::env::var_os(FILE) {
            let _connection = open(Path::new(&path));
            std::io::stdout().write_all(b"\nopen\n").unwrap();
            // Until the other has seen enough.
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.db");
        assert!(has_other_connections(&path), "nobody knows");
        let _connection = open(&path);
        assert!(!has_other_connections(&path));
        let mut other = Command::new(std::env::current_exe().unwrap())
            .args([
                std::thread::current().name().unwrap(),
                "--exact",
                "--nocapture",
            ])
            .env(FILE, &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "open"));
        assert!(has_other_connections(&path));
        drop(other.stdin.take());
        assert!(other.wait().unwrap().success());
        assert!(!has_other_connections(&path));
    }
}
