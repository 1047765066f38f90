//! Flyway: <https://documentation.red-gate.com/flyway/flyway-concepts/migrations>.

use std::collections::BTreeMap;

use super::row::{cells, text, version_from};
use super::{Entry, FileVersion, History, RepeatableEntry, Table, Version};
use crate::database::{Read, Result, Session, TableQuery};

/// What parts the version from the description.
const SEPARATOR: &str = "__";

/// What the type of a migration has in it up to which all was done; it is this word alone where nothing was run.
const BASELINE: &str = "BASELINE";

/// What the name of a SQL file says to Flyway: `V1_2__name.sql` is version 1.2.
pub(super) fn version_of(file_name: &str) -> FileVersion {
    let stem = file_name.split('.').next().unwrap_or_default();
    // A version may have dots.
    let stem = match file_name.split_once(SEPARATOR) {
        Some((version, _)) => version,
        None => stem,
    };
    if file_name.starts_with("R__") {
        return FileVersion::Repeatable;
    }
    for (prefix, what) in [
        (
            'U',
            "undoes a migration that is not there: put its text after a line `-- wasmigrate:reset` of that file, or move it away",
        ),
        (
            'B',
            "is a baseline for new databases, and would run beside what it stands for: move it away",
        ),
    ] {
        if stem.strip_prefix(prefix).and_then(Version::parse).is_some() {
            return FileVersion::Otherwise(what);
        }
    }
    match stem.strip_prefix('V').and_then(Version::parse) {
        Some(version) => FileVersion::Is(version),
        None => FileVersion::Nothing,
    }
}

/// CRC-32 of the lines without what ends them and without a byte order mark, as a signed number: `ChecksumCalculator` of
/// flyway-core.
pub(super) fn checksum(bytes: &[u8]) -> i32 {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut crc = crc32fast::Hasher::new();
    for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
        crc.update(line);
    }
    crc.finalize().cast_signed()
}

pub(super) async fn read(session: &mut dyn Session, table: &Table) -> Result<History> {
    let query = TableQuery {
        table: table.names(),
        columns: &[
            Read::Plain("version"),
            Read::Plain("description"),
            Read::Plain("type"),
            Read::Plain("script"),
            Read::Plain("checksum"),
            Read::Milliseconds("installed_on"),
            Read::Flag("success"),
        ],
        order_by: Some("installed_rank"),
        most_rows: None,
    };
    let mut history = History::default();
    // The last word on a version counts.
    let mut entries: BTreeMap<Version, Entry> = BTreeMap::new();
    let mut repeatable: BTreeMap<String, (usize, RepeatableEntry)> = BTreeMap::new();
    for (number, row) in session.read_table(&query).await?.into_iter().enumerate() {
        let [version, description, kind, script, checksum, at, success] = cells(row)?;
        let kind = text(&kind);
        let script = text(&script);
        let is_done = success.as_integer() == Some(1);
        let Some(label) = version.as_text().map(str::to_owned) else {
            // Repeatable migrations and the making of schemas. The last word on a file counts.
            let file_name = script.rsplit('/').next().unwrap_or_default().to_owned();
            repeatable.remove(&file_name);
            match (is_done, kind.as_str(), checksum.as_integer()) {
                (false, ..) => history.remarks.push(format!("`{script}` failed in Flyway")),
                (true, "SQL", Some(checksum)) => {
                    let entry = RepeatableEntry {
                        file_name: file_name.clone(),
                        checksum: checksum.to_string(),
                        applied_at: at.as_integer(),
                    };
                    repeatable.insert(file_name, (number, entry));
                }
                _ => {}
            }
            continue;
        };
        let version = version_from(&label)?;
        match kind.as_str() {
            kind if kind.contains(BASELINE) && is_done => {
                let description = text(&description);
                history.remarks.push(match kind {
                    BASELINE => format!(
                        "Flyway was told that all up to version {label} was done: {description}"
                    ),
                    _ => format!("Flyway began this database with `{script}`, which stands for all up to version {label}"),
                });
                if kind == "SQL_BASELINE" {
                    history.begun_with = Some(Entry {
                        version: version.clone(),
                        checksum: checksum.as_integer().map(|checksum| checksum.to_string()),
                        applied_at: at.as_integer(),
                        flaw: None,
                        label,
                    });
                }
                history.through = history.through.take().max(Some(version));
            }
            "UNDO_SQL" | "UNDO_SCRIPT" | "UNDO_JDBC" | "DELETE" if is_done => {
                entries.remove(&version);
            }
            "SQL" | "SQL_BASELINE" | BASELINE | "UNDO_SQL" | "UNDO_SCRIPT" | "UNDO_JDBC"
            | "DELETE" => {
                let entry = Entry {
                    version: version.clone(),
                    checksum: checksum.as_integer().map(|checksum| checksum.to_string()),
                    applied_at: at.as_integer(),
                    flaw: (!is_done)
                        .then(|| "failed in Flyway; fix it and run `flyway repair` first".to_owned()),
                    label,
                };
                entries.insert(version, entry);
            }
            // Java and scripts.
            other => history.remarks.push(format!(
                "version {label} was no SQL but {other} (`{script}`): there is no file of it to write down"
            )),
        }
    }
    history.entries = entries.into_values().collect();
    let mut repeatable: Vec<(usize, RepeatableEntry)> = repeatable.into_values().collect();
    repeatable.sort_by_key(|(number, _)| *number);
    let repeatable = repeatable.into_iter().map(|(_, entry)| entry);
    history.repeatable = repeatable.collect();
    Ok(history)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        let version = |name| match version_of(name) {
            FileVersion::Is(version) => version,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(version("V1_2__a.sql"), Version::parse("1.2").unwrap());
        assert_eq!(version("V1.2__a.b.sql"), Version::parse("1.2").unwrap());
        assert_eq!(version("V007.sql"), Version::parse("7").unwrap());
        assert_eq!(version_of("R__views.sql"), FileVersion::Repeatable);
        assert!(matches!(version_of("U1__a.sql"), FileVersion::Otherwise(_)));
        assert_eq!(version_of("Users.sql"), FileVersion::Nothing);
        assert_eq!(version_of("readme.sql"), FileVersion::Nothing);
    }

    #[test]
    fn how_lines_end_does_not_matter_to_a_checksum() {
        let checksum_of = checksum(b"CREATE TABLE a (\n  b INT\n);\n");
        assert_eq!(
            checksum(b"CREATE TABLE a (\r\n  b INT\r\n);\r\n"),
            checksum_of
        );
        assert_eq!(checksum(b"CREATE TABLE a (\r  b INT\r);"), checksum_of);
        assert_eq!(
            checksum(b"\xef\xbb\xbfCREATE TABLE a (\n  b INT\n);\n"),
            checksum_of
        );
        assert_ne!(checksum(b"CREATE TABLE a (\n  b INT \n);\n"), checksum_of);
        // The check value of CRC-32, from its definition.
        assert_eq!(checksum(b"1234\n56789"), 0xcbf4_3926_u32.cast_signed());
    }
}
