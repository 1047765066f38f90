//! The main job, from an old database to a finalized one.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cargo::{self, say};
use crate::{dataset, guests};

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
    for arguments in [
        &["plan"][..],
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
