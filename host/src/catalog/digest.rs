//! The SHA-256 of a file, remembered.
//!
//! A thousand applied steps are not read again at every start: a file's digest is kept with its size, inode and times,
//! in a file of the host's cache directory, and worked out again when any of them differs. A file that changed less than
//! [`SETTLED`] before it was read is not remembered: it could change again within the same tick of the file system's clock.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How long a file must have been left alone before its digest is remembered.
const SETTLED: Duration = Duration::from_secs(2);

/// The SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            Some([]) | None => return Ok(hexadecimal(&hasher.finalize())),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What tells one version of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            size: metadata.size(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let newest = self.changed.0.max(self.modified.0);
        u64::try_from(newest).is_ok_and(|newest| newest + SETTLED.as_secs() < now.as_secs())
    }
}

/// Digests of the files of one directory.
#[derive(Debug)]
pub struct Digests {
    /// Where they are remembered; none to remember nothing.
    memory: Option<PathBuf>,
    known: BTreeMap<String, (Stamp, String)>,
    changed: bool,
}

impl Digests {
    /// The digests remembered for `directory` in the host's cache directory. What cannot be read is forgotten: it is only
    /// a memory.
    pub fn load(cache: &Path, directory: &Path) -> Self {
        let directory = directory.canonicalize().unwrap_or(directory.to_owned());
        let memory = cache.join("digests").join(format!(
            "{}.json",
            sha256(directory.as_os_str().as_encoded_bytes())
        ));
        let known = fs::read(&memory)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            memory: Some(memory),
            known,
            changed: false,
        }
    }

    /// Reads every file anew.
    pub fn forgetful() -> Self {
        Self {
            memory: None,
            known: BTreeMap::new(),
            changed: false,
        }
    }

    /// The digest of the file at `path`, by its name in the directory.
    pub fn of(&mut self, name: &str, path: &Path) -> io::Result<String> {
        let stamp = Stamp::of(&fs::metadata(path)?);
        if let Some((known, digest)) = self.known.get(name)
            && *known == stamp
        {
            return Ok(digest.clone());
        }
        let digest = sha256_of_file(path)?;
        if self.memory.is_some() && stamp.is_settled() && Stamp::of(&fs::metadata(path)?) == stamp {
            self.known.insert(name.to_owned(), (stamp, digest.clone()));
            self.changed = true;
        }
        Ok(digest)
    }

    /// Writes down what was learned. Failing to is no harm.
    pub fn save(&self) {
        let Some(memory) = self.memory.as_ref().filter(|_| self.changed) else {
            return;
        };
        let _ = write(memory, &self.known);
    }
}

fn write(memory: &Path, known: &BTreeMap<String, (Stamp, String)>) -> io::Result<()> {
    let directory = memory.parent().unwrap_or(memory);
    crate::private_directory(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer(&mut file, known)?;
    file.persist(memory)?;
    Ok(())
}
