//! Takes the text records of the language subtag registry apart.
//!
//! A record is a text of its own making: fields that repeat, lines that are folded, ranges such as `qaa..qtz` that stand
//! for hundreds of subtags. SQL has no words for that.

mod entry;
mod range;
mod record;

use std::collections::BTreeSet;

use wasmigrate_sdk::{Loader, prelude::*};

use crate::entry::{Entry, Subtag};

struct ParseRegistry;

impl Step for ParseRegistry {
    const SUMMARY: &'static str = "takes the text records of the language subtag registry apart";

    fn check(database: &Database) -> Result<()> {
        for table in ["registry_release", "subtag"] {
            let count = format!("SELECT count(*) FROM {table}");
            let rows: i64 = database.query_value(&count, params![])?;
            ensure!(
                rows == 0,
                "the table {table}, which the records are taken apart into, has {rows} rows already: remove them"
            );
        }
        let mut releases = BTreeSet::new();
        let mut subtags = BTreeSet::new();
        for row in database.query("SELECT id, body FROM registry_record", params![])? {
            match parse(&row?)? {
                Entry::Header { file_date } => {
                    ensure!(
                        releases.insert(file_date.clone()),
                        "two records of the registry have the file date {file_date}"
                    );
                }
                Entry::Subtag(subtag) => {
                    for code in range::codes(&subtag.code)? {
                        ensure!(
                            subtags.insert((subtag.kind.clone(), code.clone())),
                            "two records of the registry have the {} {code}",
                            subtag.kind
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn count(database: &Database) -> Result<Option<u64>> {
        database.query_value("SELECT count(*) FROM registry_record", params![])
    }

    fn migrate(database: &mut Database, _: Resume) -> Result<()> {
        let added = parse_records_after(database, 0)?;
        info!("{} records are {} subtags", added.records, added.subtags);
        if added.expanded > 0 {
            info!("{} of them come from ranges", added.expanded);
        }
        Ok(())
    }
}

impl Finalize for ParseRegistry {
    fn finalize(database: &Database) -> Result<()> {
        // The application went on writing to the old table until now. Records are only ever added to it.
        let last: Option<i64> =
            database.query_value("SELECT max(record_id) FROM subtag", params![])?;
        let added = parse_records_after(database, last.unwrap_or(0))?;
        if added.records > 0 {
            info!("{} records were added since", added.records);
        }
        database.execute("DROP TABLE registry_record", params![])?;
        Ok(())
    }
}

impl Reset for ParseRegistry {
    fn reset(database: &Database) -> Result<()> {
        for table in [
            "subtag_prefix",
            "subtag_description",
            "subtag",
            "registry_release",
        ] {
            let removed = database.execute(&format!("DELETE FROM {table}"), params![])?;
            debug!("removed {removed} rows of {table}");
        }
        Ok(())
    }
}
export!(ParseRegistry);

/// What came out of some records.
#[derive(Default)]
struct Added {
    records: u64,
    subtags: i64,
    expanded: i64,
}

fn parse_records_after(database: &Database, last_record: i64) -> Result<Added> {
    let mut tables = Tables::open(database)?;
    let mut added = Added::default();
    let records = database.query(
        "SELECT id, body FROM registry_record WHERE id > $1 ORDER BY id",
        params![last_record],
    )?;
    for row in records {
        let row = row?;
        match parse(&row)? {
            Entry::Header { file_date } => tables.add_release(&file_date)?,
            Entry::Subtag(subtag) => {
                let count = tables.add(row.get("id")?, &subtag)?;
                added.subtags += count;
                if count > 1 {
                    added.expanded += count;
                }
            }
        }
        added.records += 1;
        if added.records.is_multiple_of(500) {
            progress(added.records, None);
        }
    }
    tables.finish()?;
    progress(added.records, None);
    Ok(added)
}

fn parse(row: &Row) -> Result<Entry> {
    let id: i64 = row.get("id")?;
    let body: &str = row.get("body")?;
    Entry::parse(body).with_context(|| format!("could not read the registry record {id}"))
}

/// The tables that a record is taken apart into.
struct Tables<'database> {
    next_id: i64,
    releases: Loader<'database>,
    subtags: Loader<'database>,
    descriptions: Loader<'database>,
    prefixes: Loader<'database>,
}

impl<'database> Tables<'database> {
    fn open(database: &'database Database) -> Result<Self> {
        let last: Option<i64> = database.query_value("SELECT max(id) FROM subtag", params![])?;
        Ok(Self {
            next_id: last.unwrap_or(0) + 1,
            releases: database.loader("registry_release", &["file_date"]),
            subtags: database.loader(
                "subtag",
                &[
                    "id",
                    "record_id",
                    "kind",
                    "code",
                    "added",
                    "deprecated",
                    "preferred_value",
                    "suppress_script",
                    "macrolanguage",
                    "scope",
                    "comments",
                ],
            ),
            descriptions: database.loader("subtag_description", &["subtag_id", "position", "text"]),
            prefixes: database.loader("subtag_prefix", &["subtag_id", "position", "prefix"]),
        })
    }

    fn add_release(&mut self, file_date: &str) -> Result<()> {
        self.releases.push(params![file_date])
    }

    /// Adds each subtag of a record and returns how many there were.
    fn add(&mut self, record: i64, subtag: &Subtag) -> Result<i64> {
        let first = self.next_id;
        for code in range::codes(&subtag.code)? {
            let id = self.next_id;
            self.next_id += 1;
            self.subtags.push(params![
                id,
                record,
                subtag.kind,
                code,
                subtag.added,
                subtag.deprecated,
                subtag.preferred_value,
                subtag.suppress_script,
                subtag.macrolanguage,
                subtag.scope,
                subtag.comments
            ])?;
            for (position, text) in (1_i64..).zip(&subtag.descriptions) {
                self.descriptions.push(params![id, position, text])?;
            }
            for (position, prefix) in (1_i64..).zip(&subtag.prefixes) {
                self.prefixes.push(params![id, position, prefix])?;
            }
        }
        Ok(self.next_id - first)
    }

    fn finish(self) -> Result<()> {
        // Parents first, for databases that look at once.
        self.releases.finish()?;
        self.subtags.finish()?;
        self.descriptions.finish()?;
        self.prefixes.finish()?;
        Ok(())
    }
}
