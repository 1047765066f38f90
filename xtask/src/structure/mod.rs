//! What the structure of the code must keep: no circles, no long files, databases told apart in one room, SQL in two; and the
//! documentation: no dead links, no messages that nobody says.

mod imports;
mod journal;
mod links;
mod messages;

use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

/// How long a file may be.
const MOST_LINES: usize = 500;

/// Where code may ask which database it has to do with, outside of `database/`, and why. Everywhere else it asks for a
/// capability. The number is that of the places in the file; all together are fewer than [`FEW`].
const ASKS_FOR_THE_KIND: &[(&str, usize, &str)] = &[
    (
        "host/src/rehearsal/scratch.rs",
        2,
        "makes a scratch server of each kind",
    ),
    (
        "host/src/sandbox/database.rs",
        2,
        "spells the kind in the words of the contract",
    ),
];

/// More places than these would make the next database a search through the whole host.
const FEW: usize = 10;

/// Where SQL is written, and why. (Every database's own is in `database/`, what is remembered in `journal/`.)
const WRITES_SQL: &[(&str, &str)] = &[
    ("host/src/database/", "each database's own words"),
    (
        "host/src/journal/",
        "what is remembered, in the words that all databases share",
    ),
];

/// A source file.
struct Source {
    /// Its path from the root of the repository.
    path: String,
    text: String,
}

impl Source {
    /// Its lines up to its unit tests, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_code = |line: &&str| line.trim() != "#[cfg(test)]";
        (1..).zip(self.text.lines().take_while(is_code))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of Rust below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root()).unwrap();
                found.push(Source {
                    path: path.to_str().unwrap().to_owned(),
                    text,
                });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

const EVERYTHING: [&str; 6] = [
    "host/src",
    "tests/suite",
    "tests/server/src",
    "benchmarks/src",
    "xtask/src",
    "guest-migrations/sdk/src",
];

#[test]
fn no_file_is_long() {
    let long: Vec<String> = sources(&EVERYTHING)
        .iter()
        .map(|source| (source.text.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "more than {MOST_LINES} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn databases_are_told_apart_in_one_room() {
    let allowed: usize = ASKS_FOR_THE_KIND.iter().map(|(_, places, _)| places).sum();
    assert!(allowed < FEW, "{allowed} places are allowed");
    let mut wrong = Vec::new();
    for source in sources(&["host/src"]) {
        if source.path.starts_with("host/src/database/") {
            continue;
        }
        let places: Vec<usize> = source
            .lines()
            .filter(|(_, line)| line.contains("Kind::Sqlite") || line.contains("Kind::Postgres"))
            .map(|(number, _)| number)
            .collect();
        let exception = ASKS_FOR_THE_KIND
            .iter()
            .find(|(path, ..)| *path == source.path);
        let expected = exception.map_or(0, |(_, places, _)| *places);
        if places.len() != expected {
            wrong.push(format!(
                "{}: asks which database it is on the lines {places:?}; {expected} places are allowed",
                source.path
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "ask for a capability instead:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn sql_is_written_in_two_rooms() {
    let begins = [
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "CREATE TRIGGER ",
        "ALTER TABLE ",
        "DROP TABLE ",
        "DROP TRIGGER ",
        "LOCK TABLE ",
        "SET LOCAL ",
        "PRAGMA ",
    ];
    let mut wrong = Vec::new();
    for source in sources(&["host/src"]) {
        if WRITES_SQL
            .iter()
            .any(|(path, _)| source.path.starts_with(path))
        {
            continue;
        }
        for (number, line) in source.lines() {
            let line = line.trim();
            if line.starts_with("//") {
                continue;
            }
            // The key of a file of expected results, not a statement that runs.
            if source.path == "host/src/rehearsal/expected.rs" {
                continue;
            }
            if begins
                .iter()
                .any(|begin| line.contains(&format!("\"{begin}")))
            {
                wrong.push(format!("{}:{number}: {line}", source.path));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "SQL belongs into `database/` or `journal/`:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_files_need_each_other() {
    let mut circles = Vec::new();
    for folder in [
        "host/src",
        "xtask/src",
        "tests/server/src",
        "benchmarks/src",
        "guest-migrations/sdk/src",
    ] {
        let sources = sources(&[folder]);
        let files = sources.iter().map(|source| (&*source.path, &*source.text));
        circles.extend(Imports::read(folder, files).circles());
    }
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}
