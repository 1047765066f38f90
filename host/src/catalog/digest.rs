//! The SHA-256 of a file, remembered.
//!
//! A thousand steps are not read again at every start: a file's digest is kept with its size, inode and times,
//! in a file of the host's cache directory, and worked out again when any of them differs. A file that changed less than
//! [`SETTLED`] before it was read is not remembered: it could change again within the same tick of the file system's clock.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::content::{read_step_file, sha256, sha256_of_file};
use super::script::Module;
use super::{Error, Script, StepFile, StepKind};
use crate::private;

/// How long a file must have been left alone before its digest is remembered.
const SETTLED: Duration = Duration::from_secs(2);

/// What stands between the digest of a file and that of the one beside it that undoes it, in the text of which the step's is made.
const UNDONE_BY: &str = " undone by ";

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
    known: Mutex<Known>,
    /// What files must have, by their names.
    expected: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Known {
    files: BTreeMap<String, (Stamp, String)>,
    changed: bool,
}

impl Digests {
    /// The digests remembered for `directory` in the host's cache directory. What cannot be read is forgotten: it is only
    /// a memory.
    pub fn load(cache: &Path, directory: &Path) -> Self {
        let directory = directory.canonicalize().unwrap_or(directory.to_owned());
        if cache.as_os_str().is_empty() {
            return Self::forgetful();
        }
        let memories = cache.join("digests");
        // Another user's says of a changed file that it is not.
        if memories.exists() && private::check(&memories).is_err() {
            return Self::forgetful();
        }
        let memory = memories.join(format!(
            "{}.json",
            sha256(directory.as_os_str().as_encoded_bytes())
        ));
        let files = fs::read(&memory)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            memory: Some(memory),
            known: Mutex::new(Known {
                files,
                changed: false,
            }),
            expected: BTreeMap::new(),
        }
    }

    /// Reads every file anew.
    pub fn forgetful() -> Self {
        Self {
            memory: None,
            known: Mutex::default(),
            expected: BTreeMap::new(),
        }
    }

    /// The same, where files with these names must have these digests whenever they are read.
    pub fn expecting(self, expected: BTreeMap<String, String>) -> Self {
        Self { expected, ..self }
    }

    /// Reads a script and what it imports. Nothing of it is remembered: it is short, and has many files.
    pub fn script(&self, file: &StepFile) -> Result<Script, Error> {
        let script = Script::read(&file.path).map_err(|source| unreadable(file, source))?;
        let is_other = |module: &Module| {
            let expected = self.expected.get(&module.name);
            expected.is_none_or(|expected| *expected != sha256(module.text.as_bytes()))
        };
        match !self.expected.is_empty() && script.modules.iter().any(is_other) {
            true => Err(unreadable(file, exchanged())),
            false => Ok(script),
        }
    }

    /// The digest of a step: of its file, and of the one beside it that undoes it.
    pub fn of(&self, file: &StepFile) -> Result<String, Error> {
        Ok(with(&self.own(file)?, undo(file)?.as_deref()))
    }

    /// The digest of a file alone; it is read only when it was not before, or has changed.
    fn own(&self, file: &StepFile) -> Result<String, Error> {
        if file.kind.is_script() {
            return Ok(self.script(file)?.digest);
        }
        match self.recall(file)? {
            Some(digest) => Ok(digest),
            None => self
                .learn(file, || sha256_of_file(&file.path))
                .map_err(|source| unreadable(file, source)),
        }
    }

    /// Whether a file is the one that had this digest. How its lines end, a byte order mark and a missing last line end make
    /// no other file of SQL. Journals of earlier versions have the digest of the file alone.
    pub fn is_same(&self, file: &StepFile, digest: &str) -> Result<bool, Error> {
        let undo = undo(file)?;
        let is_it = |own: &str| own == digest || with(own, undo.as_deref()) == digest;
        if is_it(&self.own(file)?) {
            return Ok(true);
        }
        if file.kind != StepKind::Sql {
            return Ok(false);
        }
        let bytes = read_step_file(&file.path).map_err(|source| unreadable(file, source))?;
        Ok(same_sql(&bytes).any(|same| is_it(&sha256(&same))))
    }

    /// Whether this is the digest of a file as it is or in its normal form, so that nothing needs to be written down anew.
    pub fn is_settled(&self, file: &StepFile, digest: &str) -> Result<bool, Error> {
        let (own, normal, undo) = (self.own(file)?, self.own_normal(file)?, undo(file)?);
        let is_it = |own: &str| own == digest || with(own, undo.as_deref()) == digest;
        Ok(is_it(&own) || is_it(&normal))
    }

    /// The digest of a file in its normal form: of SQL without a byte order mark, with LF at the end of each line.
    pub fn normal(&self, file: &StepFile) -> Result<String, Error> {
        Ok(with(&self.own_normal(file)?, undo(file)?.as_deref()))
    }

    fn own_normal(&self, file: &StepFile) -> Result<String, Error> {
        if file.kind != StepKind::Sql {
            return self.own(file);
        }
        let bytes = read_step_file(&file.path).map_err(|source| unreadable(file, source))?;
        Ok(sha256_of_lines(&bytes))
    }

    /// The remembered digest of a file.
    pub fn recall(&self, file: &StepFile) -> Result<Option<String>, Error> {
        let metadata = fs::metadata(&file.path).map_err(|source| unreadable(file, source))?;
        let stamp = Stamp::of(&metadata);
        Ok(match self.known().files.get(&file.file_name) {
            Some((known, digest)) if *known == stamp && self.is_expected(file, digest) => {
                Some(digest.clone())
            }
            _ => None,
        })
    }

    /// Reads a file; returns its bytes and their digest: of a script, with what it imports.
    pub fn read(&self, file: &StepFile) -> Result<(Vec<u8>, String), Error> {
        if file.kind.is_script() {
            let script = self.script(file)?;
            let text = script.modules.into_iter().next().map(|module| module.text);
            return Ok((text.unwrap_or_default().into_bytes(), script.digest));
        }
        let mut bytes = Vec::new();
        let digest = self.learn(file, || {
            bytes = read_step_file(&file.path)?;
            Ok(sha256(&bytes))
        });
        match digest {
            Ok(digest) => Ok((bytes, with(&digest, undo(file)?.as_deref()))),
            Err(source) => Err(unreadable(file, source)),
        }
    }

    /// Works out a digest, and remembers it when the file was left alone.
    fn learn(
        &self,
        file: &StepFile,
        digest: impl FnOnce() -> io::Result<String>,
    ) -> io::Result<String> {
        let stamp = Stamp::of(&fs::metadata(&file.path)?);
        let digest = digest()?;
        if !self.is_expected(file, &digest) {
            return Err(exchanged());
        }
        if self.memory.is_some()
            && stamp.is_settled()
            && Stamp::of(&fs::metadata(&file.path)?) == stamp
        {
            let mut known = self.known();
            known
                .files
                .insert(file.file_name.clone(), (stamp, digest.clone()));
            known.changed = true;
        }
        Ok(digest)
    }

    fn is_expected(&self, file: &StepFile, digest: &str) -> bool {
        let expected = self.expected.get(&file.file_name);
        expected.is_none_or(|expected| expected == digest)
    }

    /// Writes down what was learned. Failing to is no harm.
    pub fn save(&self) {
        let mut known = self.known();
        if let (Some(memory), true) = (&self.memory, std::mem::take(&mut known.changed)) {
            let _ = write(memory, &known.files);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digest of the file beside a step that undoes it, in its normal form.
fn undo(file: &StepFile) -> Result<Option<String>, Error> {
    let Some(path) = &file.undo else {
        return Ok(None);
    };
    let bytes = read_step_file(path).map_err(|source| Error::File {
        path: path.clone(),
        source,
    })?;
    Ok(Some(sha256_of_lines(&bytes)))
}

/// The digest of a step by those of its files.
fn with(own: &str, undo: Option<&str>) -> String {
    match undo {
        None => own.to_owned(),
        Some(undo) => sha256([own, UNDONE_BY, undo].concat().as_bytes()),
    }
}

fn sha256_of_lines(bytes: &[u8]) -> String {
    sha256(&[&*lines(bytes).join(&b"\n"[..]), b"\n"].concat())
}

/// A byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file of SQL, without what ends them.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let text = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let mut lines: Vec<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
}

/// All that a file of SQL may have been before an editor or a version control system saved it.
fn same_sql(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let lines = lines(bytes);
    let forms = [&b"\n"[..], b"\r\n"].into_iter().flat_map(|end| {
        [&b""[..], end]
            .into_iter()
            .flat_map(move |last| [&b""[..], MARK].map(|mark| (mark, end, last)))
    });
    forms.map(move |(mark, end, last)| [mark, &lines.join(end), last].concat())
}

/// That a file of the cache is not what it was when it was fetched.
fn exchanged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "its bytes are not those of the release any more: another program has changed the cache",
    )
}

fn unreadable(file: &StepFile, source: io::Error) -> Error {
    Error::File {
        path: file.path.clone(),
        source,
    }
}

fn write(memory: &Path, known: &BTreeMap<String, (Stamp, String)>) -> io::Result<()> {
    let directory = memory.parent().unwrap_or(memory);
    private::make(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&serde_json::to_vec(known)?)?;
    file.persist(memory)?;
    Ok(())
}
