//! Benchmarks: whole processes in the release profile, against a plain program doing the same in the same minute.
//!
//! Each pair runs several times by turns, on a fresh database each time; the ratio is that of the medians. These figures
//! depend on the machine and its disk: read the ratios, not the times.

mod examples;
mod languages;
mod postgres;
mod service;
mod tenants;
mod transform;
mod viewers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;

use crate::cargo::{self, say};
use crate::guests;

pub(crate) use tenants::Size;

/// How many steps, and how many rows of bulk data.
const STEPS: u32 = 1_000;
const ROWS: u32 = 1_000_000;

/// How often each pair runs.
const ROUNDS: usize = 7;

/// A pair that takes longer than this runs less often: what disturbs it for a moment counts for less.
const LONG: Duration = Duration::from_secs(5);
const ROUNDS_OF_LONG: usize = 3;

/// One of the two sides of a comparison.
struct Side<'a> {
    name: &'a str,
    /// Makes everything as it was before the first run.
    prepare: &'a dyn Fn() -> Result<()>,
    command: &'a dyn Fn() -> Command,
}

/// What there is to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Many small steps
    Steps,
    /// A run with nothing to do
    Nothing,
    /// Bulk data through a component
    Bulk,
    /// The service under load
    Service,
    /// Twenty people before the dashboard
    Viewers,
    /// The same on a PostgreSQL server
    Postgres,
    /// Transformations of a million rows, on both
    Transform,
    /// Many tenants on a PostgreSQL server
    Tenants,
    /// The same work in each language and in Rust
    Languages,
}

/// Measures the parts, or all of them.
pub(crate) fn run(parts: &[Part], sizes: &[Size]) -> Result<()> {
    let host = cargo::build_host(true)?;
    cargo::run(cargo::cargo().args(["build", "--release", "--package", "wasmigrate-benchmarks"]))?;
    let target = cargo::target_directory()?;
    let built = guests::build(&target)?;
    let place = Place::new(&target.join("bench"), host)?;
    say(&format!(
        "{:58} {:>9} {:>9} {:>6} {:>6}",
        "median of whole processes", "ours", "theirs", "ratio", "goal"
    ));
    let is_meant = |part| parts.is_empty() || parts.contains(&part);
    if is_meant(Part::Steps) {
        many_steps(&place, &built)?;
    }
    if is_meant(Part::Nothing) {
        nothing_to_do(&place)?;
    }
    if is_meant(Part::Bulk) {
        bulk(&place, &built)?;
    }
    if is_meant(Part::Service) {
        service::measure(&place)?;
    }
    if is_meant(Part::Viewers) {
        viewers::measure(&place, &built)?;
    }
    if is_meant(Part::Postgres) {
        postgres::measure(&place, &built)?;
    }
    if is_meant(Part::Transform) {
        transform::measure(&place, &built)?;
    }
    if is_meant(Part::Tenants) {
        let sizes = match sizes {
            [] => &Size::PUBLISHED[..],
            sizes => sizes,
        };
        tenants::measure(&place, sizes)?;
    }
    if is_meant(Part::Languages) {
        languages::measure(&place, &built)?;
        examples::measure(&place, &built)?;
    }
    Ok(())
}

fn many_steps(place: &Place, built: &guests::BuiltGuests) -> Result<()> {
    let sql = place.directory.join("sql-steps");
    let wasm = place.directory.join("wasm-steps");
    write_sql_steps(&sql)?;
    write_wasm_steps(&wasm, &fs::read(built.bench("one"))?)?;
    let prepare = || {
        place.fresh_database(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE one (value INTEGER)",
        )
    };
    let ours = Side {
        name: "1,000 SQL steps",
        prepare: &prepare,
        command: &|| place.host("migrate", &sql),
    };
    for (name, work, goal) in [
        (
            "a rusqlite loop, one transaction each",
            "each-in-transaction",
            Some(0.5),
        ),
        ("the same in WAL mode", "each-in-transaction-wal", None),
        (
            "a rusqlite loop in one transaction",
            "in-one-transaction",
            Some(2.0),
        ),
    ] {
        let theirs = Side {
            name,
            prepare: &prepare,
            command: &|| place.native(&[work, &sql.display().to_string()]),
        };
        compare(&ours, &theirs, goal)?;
    }
    say("  (compiling 1,000 components once)");
    prepare()?;
    time(place.host("migrate", &wasm))?;
    let wasm_steps = Side {
        name: "1,000 wasm steps, warm cache",
        prepare: &prepare,
        command: &|| place.host("migrate", &wasm),
    };
    compare(&wasm_steps, &ours, Some(1.5))
}

fn nothing_to_do(place: &Place) -> Result<()> {
    let sql = place.directory.join("sql-steps");
    write_sql_steps(&sql)?;
    place.fresh_database(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE one (value INTEGER)",
    )?;
    time(place.host("migrate", &sql))?;
    // Digests of files are remembered once these have been left alone for a while.
    std::thread::sleep(Duration::from_secs(4));
    time(place.host("migrate", &sql))?;
    let keep = || Ok(());
    compare(
        &Side {
            name: "nothing to do, 1,000 applied",
            prepare: &keep,
            command: &|| place.host("migrate", &sql),
        },
        &Side {
            name: "sqlite3 FILE 'select count(*) from sqlite_master'",
            prepare: &keep,
            command: &|| {
                let mut command = Command::new("sqlite3");
                command
                    .arg(place.database())
                    .arg("select count(*) from sqlite_master");
                command
            },
        },
        Some(5.0),
    )
}

fn bulk(place: &Place, built: &guests::BuiltGuests) -> Result<()> {
    let steps = place.directory.join("bulk-steps");
    fs::create_dir_all(&steps)?;
    fs::copy(built.bench("rewrite"), steps.join("0001_rewrite.wasm"))?;
    let full = place.directory.join("full.db");
    make_source(&full)?;
    let prepare = || {
        place.remove_database()?;
        fs::copy(&full, place.database())?;
        Ok(())
    };
    prepare()?;
    time(place.host("migrate", &steps))?;
    compare(
        &Side {
            name: "1 million rows through column batches",
            prepare: &prepare,
            command: &|| place.host("migrate", &steps),
        },
        &Side {
            name: "a rusqlite loop in one transaction",
            prepare: &prepare,
            command: &|| place.native(&["rewrite"]),
        },
        Some(1.25),
    )
}

fn compare(ours: &Side<'_>, theirs: &Side<'_>, goal: Option<f64>) -> Result<()> {
    let mut times = [Vec::new(), Vec::new()];
    let mut rounds = ROUNDS;
    let mut round = 0;
    while round < rounds {
        for (side, times) in [ours, theirs].into_iter().zip(&mut times) {
            (side.prepare)()?;
            times.push(time((side.command)())?);
        }
        round += 1;
        if round == 1 && times.iter().flatten().sum::<Duration>() > LONG {
            rounds = ROUNDS_OF_LONG;
        }
    }
    let [ours_median, theirs_median] = times.map(median);
    say(&format!(
        "{:58} {:>6.1} ms {:>6.1} ms {:>6.2} {:>6}",
        format!("{} : {}", ours.name, theirs.name),
        ours_median.as_secs_f64() * 1e3,
        theirs_median.as_secs_f64() * 1e3,
        ours_median.as_secs_f64() / theirs_median.as_secs_f64(),
        goal.map_or_else(|| "–".to_owned(), |goal| format!("≤ {goal}")),
    ));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn time(mut command: Command) -> Result<Duration> {
    command.stdout(Stdio::null());
    let began = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let took = began.elapsed();
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(took)
}

/// A directory with one database, and the two programs that work on it.
struct Place {
    directory: PathBuf,
    host: PathBuf,
    /// A program that does without the host.
    native: PathBuf,
    /// The host with a function built in.
    native_host: PathBuf,
}

impl Place {
    fn new(directory: &Path, host: PathBuf) -> Result<Self> {
        // Compiled components are kept from one benchmark to the next, nothing else.
        for folder in [
            "sql-steps",
            "wasm-steps",
            "bulk-steps",
            "service-steps",
            "viewers-steps",
            "postgres",
            "tenants",
            "transform",
            "languages",
        ] {
            let folder = directory.join(folder);
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
        }
        fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            native: host.with_file_name("native"),
            native_host: host.with_file_name("native-host"),
            host,
        })
    }

    fn database(&self) -> PathBuf {
        self.directory.join("bench.db")
    }

    fn remove_database(&self) -> Result<()> {
        for ending in ["", "-wal", "-shm"] {
            let path = self.directory.join(format!("bench.db{ending}"));
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn fresh_database(&self, schema: &str) -> Result<()> {
        self.remove_database()?;
        Ok(Connection::open(self.database())?.execute_batch(schema)?)
    }

    fn host(&self, command: &str, steps: &Path) -> Command {
        let mut process = Command::new(&self.host);
        process
            .arg(command)
            .arg("--create")
            .args([
                "--database",
                &format!("sqlite:{}", self.database().display()),
            ])
            .arg("--migrations")
            .arg(steps)
            .arg("--cache")
            .arg(self.directory.join("cache"));
        process
    }

    fn native(&self, work: &[&str]) -> Command {
        let mut process = Command::new(&self.native);
        process.arg(self.database()).args(work);
        process
    }
}

fn write_sql_steps(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    for index in 1..=STEPS {
        fs::write(
            directory.join(format!("{index:04}_insert.sql")),
            format!("INSERT INTO item (id, name) VALUES ({index}, 'item {index}');\n"),
        )?;
    }
    Ok(())
}

/// Components that differ in nothing but a custom section, so that each is compiled, cached and loaded by itself.
fn write_wasm_steps(directory: &Path, component: &[u8]) -> Result<()> {
    fs::create_dir_all(directory)?;
    for index in 1..=STEPS {
        let name = format!("step-{index:04}");
        let mut bytes = component.to_vec();
        // A custom section: id 0, size, length of its name, name. All lengths are below 128, one byte each.
        let length = u8::try_from(name.len())?;
        bytes.extend([0, length + 1, length]);
        bytes.extend(name.as_bytes());
        fs::write(directory.join(format!("{index:04}_one.wasm")), bytes)?;
    }
    Ok(())
}

fn make_source(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA synchronous = OFF;
         CREATE TABLE source (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL, d TEXT);
         CREATE TABLE target (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL, d TEXT);
         INSERT INTO source
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {ROWS})
         SELECT n, n * 7 % 1000, '  some name ' || n || ' ', n / 3.0,
                CASE WHEN n % 3 = 0 THEN NULL ELSE 'a remark on ' || n END FROM number;"
    ))?;
    Ok(())
}
