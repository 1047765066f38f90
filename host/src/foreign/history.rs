//! What tools keep that know a migration by its version.

use super::Version;

/// What one of these tools did.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// One migration each, in the order of the table.
    pub entries: Vec<Entry>,
    /// Migrations that the tool runs again when they change, as it ran them last.
    pub repeatable: Vec<RepeatableEntry>,
    /// Every migration up to this version was applied, whether it has an entry or not.
    pub through: Option<Version>,
    /// The file that was run in the place of the first migrations, where one was.
    pub begun_with: Option<Entry>,
    /// What its operator ought to know.
    pub remarks: Vec<String>,
}

/// One migration that was applied, or that was begun.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its version.
    pub version: Version,
    /// Its version, as the tool writes it.
    pub label: String,
    /// The checksum of its file, in the tool's own spelling, where it keeps one.
    pub checksum: Option<String>,
    /// When it was applied, in milliseconds since 1970, where the tool keeps that.
    pub applied_at: Option<i64>,
    /// Why it is not known what was done, when it is not.
    pub flaw: Option<String>,
}

/// A migration that runs again when it has changed.
#[derive(Clone, Debug)]
pub struct RepeatableEntry {
    /// The name of its file.
    pub file_name: String,
    /// The checksum of its file when it ran last.
    pub checksum: String,
    /// When that was, in milliseconds since 1970.
    pub applied_at: Option<i64>,
}

/// What a file's name says to a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileVersion {
    /// It is the migration with this version.
    Is(Version),
    /// It runs again whenever it has changed.
    Repeatable,
    /// It is run in another way than migrations are; what it is.
    Otherwise(&'static str),
    /// It is nothing to the tool.
    Nothing,
}
