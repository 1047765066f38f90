//! Whether a directory of migrations does by the host what it does by the database's own shell.
//!
//! The shell is the oracle: each file that goes forward is fed to it as it is, in the order of versions. What it knows of other
//! tools is written here once more, and on purpose not taken from the host.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use wasmigrate_test_server::{Cluster, Durability, binaries};

use crate::cargo::{self, say};

/// The shell that says what is right.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Oracle {
    Psql,
    Sqlite3,
}

/// What begins the part of a file that undoes it, in the marks of dbmate, goose, sql-migrate, node-pg-migrate and rambler, in
/// lower case and without blanks.
const UNDO: [&str; 5] = [
    "--migrate:down",
    "--+goosedown",
    "--+migratedown",
    "--downmigration",
    "--ramblerdown",
];

/// Every table with the number of its rows.
const COUNTS: &str = "SELECT table_schema || '.' || table_name || ' ' || (xpath('/row/rows/text()', query_to_xml(
        format('SELECT count(*) AS rows FROM %I.%I', table_schema, table_name), false, true, '')))[1]
    FROM information_schema.tables WHERE table_type = 'BASE TABLE'
    AND table_schema NOT IN ('pg_catalog', 'information_schema', 'wasmigrate') ORDER BY 1";

pub(crate) fn run(directory: &Path, oracle: Oracle) -> Result<()> {
    let host = cargo::build_host(false)?;
    let files = forward(directory)?;
    ensure!(!files.is_empty(), "no SQL file in {}", directory.display());
    let (theirs, ours) = match oracle {
        Oracle::Psql => on_postgres(&host, directory, &files)?,
        Oracle::Sqlite3 => on_sqlite(&host, directory, &files)?,
    };
    if theirs == ours {
        let lines = ours.lines().count();
        say(&format!(
            "{}: equal after {} files ({lines} lines of schema and counts of rows)",
            directory.display(),
            files.len()
        ));
        return Ok(());
    }
    for (name, one, other) in [
        ("by the shell alone", &theirs, &ours),
        ("by the host alone", &ours, &theirs),
    ] {
        let known: Vec<&str> = other.lines().collect();
        for line in one.lines().filter(|line| !known.contains(line)) {
            say(&format!("{name}: {line}"));
        }
    }
    bail!("{}: the results differ", directory.display())
}

/// Runs the files by both in databases of one server; returns what each has left, that of the shell first.
fn on_postgres(host: &Path, directory: &Path, files: &[PathBuf]) -> Result<(String, String)> {
    let server = Cluster::start(Durability::None)?;
    let programs = binaries()?;
    for name in ["theirs", "ours"] {
        server.run_sql("postgres", &format!("CREATE DATABASE {name}"))?;
    }
    let [theirs, ours] = ["theirs", "ours"].map(|name| server.url("postgres", name));
    for file in files {
        let mut psql = Command::new(programs.join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &theirs]);
        feed(&mut psql, file)?;
    }
    migrate(host, directory, &ours)?;
    let left = |url: &str| -> Result<String> {
        let mut dump = Command::new(programs.join("pg_dump"));
        dump.args(["--schema-only", "--no-owner", "--exclude-schema=wasmigrate"]);
        let schema = text(dump.args(["-d", url]))?;
        let mut counts = Command::new(programs.join("psql"));
        let counts = text(counts.args(["-X", "-A", "-t", "-d", url, "-c", COUNTS]))?;
        // What keeps a hostile dump from commands of psql is another word each time.
        let lines = schema.lines().chain(counts.lines());
        let lines = lines
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    };
    Ok((left(&theirs)?, left(&ours)?))
}

/// The same in two files.
fn on_sqlite(host: &Path, directory: &Path, files: &[PathBuf]) -> Result<(String, String)> {
    let place = cargo::target_directory()?.join("compare");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    let [theirs, ours] = ["theirs.db", "ours.db"].map(|name| place.join(name));
    for file in files {
        let mut shell = Command::new("sqlite3");
        feed(shell.arg("-bail").arg(&theirs), file)?;
    }
    migrate(host, directory, &format!("sqlite:{}", ours.display()))?;
    Ok((left_in(&theirs)?, left_in(&ours)?))
}

/// The schema of a SQLite file, and how many rows each table has.
fn left_in(file: &Path) -> Result<String> {
    let database = rusqlite::Connection::open(file)?;
    let mut schema = database.prepare(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_master
         WHERE tbl_name NOT LIKE 'wasmigrate\\_%' ESCAPE '\\' ORDER BY type, name",
    )?;
    let objects = schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let objects: Vec<(String, String, String)> = objects.collect::<rusqlite::Result<_>>()?;
    let mut left = String::new();
    for (kind, name, sql) in objects {
        left.push_str(&format!("{kind} {name} {sql}\n"));
        if kind == "table" {
            let quoted = name.replace('"', "\"\"");
            let count = format!("SELECT count(*) FROM \"{quoted}\"");
            let rows: i64 = database.query_row(&count, [], |row| row.get(0))?;
            left.push_str(&format!("{name} {rows}\n"));
        }
    }
    Ok(left)
}

fn migrate(host: &Path, directory: &Path, database: &str) -> Result<()> {
    let place = cargo::target_directory()?.join("compare-cache");
    cargo::run(
        Command::new(host)
            .args(["finalize", "--database", database, "--migrations"])
            .arg(directory)
            .arg("--cache")
            .arg(place)
            .stdout(Stdio::null()),
    )
}

/// Gives the part of a file that goes forward to a shell.
fn feed(shell: &mut Command, file: &Path) -> Result<()> {
    use std::io::Write as _;
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut child = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {:?}", shell.get_program()))?;
    if let Some(mut input) = child.stdin.take() {
        // Who stops at an error reads no further.
        let _ = input.write_all(without_undo(&bytes));
    }
    let status = child.wait()?;
    ensure!(
        status.success(),
        "{}: the shell ended with {status}",
        file.display()
    );
    Ok(())
}

fn without_undo(bytes: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line).to_lowercase();
        let mark: String = text
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .collect();
        if UNDO.iter().any(|undo| mark.starts_with(undo)) {
            break;
        }
        end += line.len();
    }
    bytes.get(..end).unwrap_or_default()
}

fn text(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}",
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The files that go forward, in the order of versions: each is a file of the directory, or the only such file of one in it.
fn forward(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(directory);
    for entry in entries.with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            let inside = ["up.sql", "migration.sql"].map(|name| path.join(name));
            files.extend(inside.into_iter().find(|file| file.exists()));
        } else if goes_forward(&name(&path)) {
            files.push(path);
        }
    }
    files.sort_by(|one, other| by_version(&key(directory, one), &key(directory, other)));
    Ok(files)
}

fn goes_forward(name: &str) -> bool {
    let name = name.to_lowercase();
    let undoes = [".down.sql", ".undo.sql", ".rollback.sql"];
    let is_undo_of_flyway = name.starts_with('u') && name.contains("__");
    name.ends_with(".sql") && !undoes.iter().any(|end| name.ends_with(end)) && !is_undo_of_flyway
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The first part of the path below the directory, which begins with the version.
fn key(directory: &Path, file: &Path) -> String {
    let below = file.strip_prefix(directory).unwrap_or(file);
    let first = below.components().next();
    first.map_or_else(String::new, |part| {
        part.as_os_str().to_string_lossy().into_owned()
    })
}

/// Compares numbers as numbers and the rest as text.
fn by_version(one: &str, other: &str) -> Ordering {
    let numbers = |name: &str| -> Vec<u128> {
        let version = name.trim_start_matches(['V', 'v']);
        let version = version.split("__").next().unwrap_or(version);
        version
            .split(['_', '.', '-'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    numbers(one)
        .cmp(&numbers(other))
        .then_with(|| one.cmp(other))
}
