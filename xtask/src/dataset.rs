//! Makes the "legacy" database that the example steps migrate, from the data in `guest-migrations/data/`.
//!
//! It is what an application might have that grew for years: texts from elsewhere stored as they came, JSON in a column,
//! and a short list of languages that another table refers to.
//!
//! | table | rows | what it holds |
//! |---|---|---|
//! | `registry_record(id, body)` | 9,173 | the records of the language subtag registry, its header first, as text |
//! | `territory_document(code, body)` | 258 | what is known of a territory, as JSON |
//! | `language(code, name)` | 323 | the languages that the application has locales for |
//! | `locale(tag, language)` | 766 | those locales; they refer to `language` and cascade |

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, Transaction};
use serde_json::{Map, Value};

use crate::guests;

const SCHEMA: &str = "
    CREATE TABLE registry_record (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE territory_document (code TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE language (code TEXT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE locale (
        tag TEXT PRIMARY KEY,
        language TEXT NOT NULL REFERENCES language (code) ON DELETE CASCADE
    );
";

/// How many rows the legacy database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LegacyRows {
    /// Rows of `registry_record`.
    pub(crate) records: usize,
    /// Rows of `territory_document`.
    pub(crate) territories: usize,
    /// Rows of `language`.
    pub(crate) languages: usize,
    /// Rows of `locale`.
    pub(crate) locales: usize,
}

/// Makes the legacy database as a new SQLite file.
///
/// # Errors
/// When there is such a file already, or the data cannot be read.
pub(crate) fn build(path: &Path) -> Result<LegacyRows> {
    ensure!(
        !path.exists(),
        "could not make the legacy database: {} exists already",
        path.display()
    );
    let registry = data("language-subtag-registry.txt")?;
    let records: Vec<_> = registry.split("%%\n").map(str::trim_end).collect();
    let territories = json("territoryInfo.json", "/supplemental/territoryInfo")?;
    let locales = json("availableLocales.json", "/availableLocales")?;
    let locales: Vec<_> = locales
        .get("full")
        .and_then(Value::as_array)
        .context("availableLocales.json has no list of locales")?
        .iter()
        .filter_map(Value::as_str)
        .collect();

    let mut connection =
        Connection::open(path).with_context(|| format!("could not create {}", path.display()))?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    insert_records(&transaction, &records)?;
    insert_territories(&transaction, &territories)?;
    let languages = insert_locales(&transaction, &locales, &names(&records))?;
    transaction.commit()?;
    Ok(LegacyRows {
        records: records.len(),
        territories: territories.len(),
        languages,
        locales: locales.len(),
    })
}

fn insert_records(transaction: &Transaction<'_>, records: &[&str]) -> Result<()> {
    let mut insert = transaction.prepare("INSERT INTO registry_record (id, body) VALUES (?, ?)")?;
    for (id, body) in (1_i64..).zip(records) {
        insert.execute((id, body))?;
    }
    Ok(())
}

fn insert_territories(
    transaction: &Transaction<'_>,
    territories: &Map<String, Value>,
) -> Result<()> {
    let mut insert =
        transaction.prepare("INSERT INTO territory_document (code, body) VALUES (?, ?)")?;
    for (code, document) in territories {
        insert.execute((code, document.to_string()))?;
    }
    Ok(())
}

/// Inserts the locales and their languages, and returns how many languages there are.
fn insert_locales(
    transaction: &Transaction<'_>,
    locales: &[&str],
    names: &BTreeMap<&str, &str>,
) -> Result<usize> {
    let mut insert_language =
        transaction.prepare("INSERT OR IGNORE INTO language (code, name) VALUES (?, ?)")?;
    let mut insert_locale =
        transaction.prepare("INSERT INTO locale (tag, language) VALUES (?, ?)")?;
    let mut languages = 0;
    for tag in locales {
        let code = tag.split_once('-').map_or(*tag, |(code, _)| code);
        languages += insert_language.execute((code, names.get(code).unwrap_or(&code)))?;
        insert_locale.execute((tag, code))?;
    }
    Ok(languages)
}

/// The first description of each language. Naive, as legacy code is: it knows nothing of folded lines.
fn names<'records>(records: &[&'records str]) -> BTreeMap<&'records str, &'records str> {
    let field = |record: &'records str, name: &str| {
        record
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    records
        .iter()
        .filter(|record| field(record, "Type") == Some("language"))
        .filter_map(|record| Some((field(record, "Subtag")?, field(record, "Description")?)))
        .collect()
}

fn data(name: &str) -> Result<String> {
    let path = guests::sources().join("data").join(name);
    fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
}

fn json(name: &str, pointer: &str) -> Result<Map<String, Value>> {
    let document: Value = serde_json::from_str(&data(name)?)
        .with_context(|| format!("could not read {name} as JSON"))?;
    document
        .pointer(pointer)
        .and_then(Value::as_object)
        .cloned()
        .with_context(|| format!("{name} has no {pointer}"))
}
