//! The main job, from an old database to a finalized one.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cargo::{self, say};
use crate::{dataset, guests};

/// The name of a fixture with a part of the rows.
const FEW_ROWS: &str = "few_rows.db";

/// Queries that show what became of the data.
const SAMPLES: [(&str, &str); 3] = [
    (
        "three languages, as the application now finds them in `language`",
        "SELECT * FROM language WHERE code IN ('de', 'haw', 'sw') ORDER BY code",
    ),
    (
        "official languages of Switzerland, out of a JSON document",
        "SELECT * FROM official_language WHERE territory = 'CH' LIMIT 5",
    ),
    (
        "rows now",
        "SELECT (SELECT count(*) FROM language) AS languages, (SELECT count(*) FROM subtag) AS subtags,
         (SELECT count(*) FROM territory_language) AS territory_languages,
         (SELECT count(*) FROM search_word) AS search_words",
    ),
];

pub(crate) fn run() -> Result<()> {
    let host = cargo::build_host(false)?;
    let target = cargo::target_directory()?;
    let steps = guests::build(&target)?.migrations;
    let directory = target.join("demo");
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    fs::create_dir_all(&directory)?;
    let rows = dataset::build(&directory.join("languages.db"))?;
    say(&format!(
        "an old database, made from IANA's language subtag registry and Unicode's CLDR: {} records, {} JSON documents, \
         {} languages, {} locales",
        rows.records, rows.territories, rows.languages, rows.locales
    ));
    few_rows(&directory)?;
    for arguments in [
        &["test", "3", "--fixture", FEW_ROWS][..],
        &["plan"],
        &["plan", "--dry-run"],
        &["migrate"],
        &["status"],
        &["finalize"],
        &["history"],
    ] {
        say(&format!("\n$ wasmigrate {}", arguments.join(" ")));
        cargo::run(
            Command::new(&host)
                .args(arguments)
                .current_dir(&directory)
                .env("WASMIGRATE_DATABASE", "sqlite:languages.db")
                .env("WASMIGRATE_MIGRATIONS", &steps)
                .env("WASMIGRATE_CACHE", target.join("demo-cache")),
        )?;
    }
    show_samples(&directory.join("languages.db"))
}

/// Makes a fixture: the old database with a part of its rows, so that a step can be tried on it hundreds of times.
fn few_rows(directory: &Path) -> Result<()> {
    let fixture = directory.join(FEW_ROWS);
    fs::copy(directory.join("languages.db"), &fixture)?;
    rusqlite::Connection::open(&fixture)?.execute_batch(
        "DELETE FROM registry_record WHERE id % 20 > 0;
         DELETE FROM territory_document WHERE rowid % 10 > 0;",
    )?;
    Ok(())
}

fn show_samples(database: &Path) -> Result<()> {
    let connection = rusqlite::Connection::open(database)?;
    for (title, query) in SAMPLES {
        say(&format!("\n{title}:"));
        let mut statement = connection.prepare(query)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut cells = Vec::new();
            for (position, name) in names.iter().enumerate() {
                let value: rusqlite::types::Value = row.get(position)?;
                let text = match value {
                    rusqlite::types::Value::Null => continue,
                    rusqlite::types::Value::Integer(value) => value.to_string(),
                    rusqlite::types::Value::Real(value) => value.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    rusqlite::types::Value::Blob(bytes) => format!("{} bytes", bytes.len()),
                };
                cells.push(format!("{name}={text}"));
            }
            say(&format!("  {}", cells.join("  ")));
        }
    }
    Ok(())
}
