//! Many tenants on a PostgreSQL server, against `psql` running the same SQL through one connection in one transaction.
//!
//! The workload is the one that is published for the tool `migrator`: a file for the target, one that begins each tenant,
//! and N files of which every tenth makes a table and the others insert into the latest. T tenants are T × (N + 1) + 1
//! applications.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use wasmigrate_test_server::{Cluster, Durability};

use super::{Place, median};
use crate::cargo::say;

/// How often each side runs.
const ROUNDS: usize = 3;

/// How many files are added to those that were applied.
const FURTHER: usize = 20;

/// How often to look at the memory of a process.
const LOOK: Duration = Duration::from_millis(10);

/// So many tenants with so many files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    tenants: usize,
    files: usize,
}

impl Size {
    /// The sizes that are published.
    pub(super) const PUBLISHED: [Self; 3] = [
        Self {
            tenants: 10,
            files: 1_000,
        },
        Self {
            tenants: 1_000,
            files: 20,
        },
        Self {
            tenants: 1,
            files: 10_000,
        },
    ];
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let read = || {
            let (tenants, files) = text.split_once('x')?;
            Some(Self {
                tenants: tenants.parse().ok()?,
                files: files.parse().ok()?,
            })
        };
        read().ok_or_else(|| "write it as TENANTSxFILES, such as 10x1000".to_owned())
    }
}

pub(super) fn measure(place: &Place, sizes: &[Size]) -> Result<()> {
    let cluster = Cluster::start(Durability::Default)?;
    let bench = Bench {
        directory: place.directory.join("tenants"),
        host: &place.host,
        cache: place.directory.join("cache"),
        cluster,
        made: Cell::new(0),
    };
    for size in sizes {
        bench.measure(*size)?;
    }
    Ok(())
}

struct Bench<'b> {
    directory: PathBuf,
    host: &'b Path,
    cache: PathBuf,
    cluster: Cluster,
    made: Cell<u32>,
}

/// How long a process took, and the most memory that it had, in KiB.
struct Measured {
    took: Duration,
    memory: u64,
}

impl Bench<'_> {
    fn measure(&self, size: Size) -> Result<()> {
        let Size { tenants, files } = size;
        let base = self.directory.join(format!("{tenants}x{files}"));
        write_files(&base, 0..files)?;
        let applications = tenants * (files + 1) + 1;
        let atomic = self.rounds(size, applications, &|| self.ours(&base, &["--atomic"]))?;
        let parallel = self.rounds(size, applications, &|| {
            self.ours(&base, &["--parallel", "4"])
        })?;
        let script = self.write_script(size, 0..files, true)?;
        let psql = self.rounds(size, applications, &|| self.psql_file(&script))?;
        tell(
            &format!("{tenants} × {files}, atomic"),
            &atomic,
            Some(&psql),
            Some(1.1),
        );
        tell(
            &format!("{tenants} × {files}, parallel"),
            &parallel,
            Some(&psql),
            Some(0.7),
        );
        tell("  psql", &psql, None, None);
        // On the last database of `psql` there is no journal: it begins anew.
        self.fresh(size)?;
        run(self.ours(&base, &["--atomic"]))?;
        write_files(&base, files..files + FURTHER)?;
        let further = run(self.ours(&base, &["--atomic"]))?;
        tell_one(
            &format!("  {FURTHER} more files"),
            &further,
            tenants * FURTHER,
        );
        // Digests of files are remembered once these have been left alone for a while.
        std::thread::sleep(Duration::from_secs(4));
        run(self.ours(&base, &["--atomic"]))?;
        let nothing = median_of(|| run(self.ours(&base, &["--atomic"])))?;
        let select = median_of(|| {
            let mut command = self.psql();
            command.args(["-c", "select 1"]);
            run(command)
        })?;
        say(&format!(
            "{:40} {:>9.1} ms, {:.2} times `psql -c 'select 1'` (goal ≤ 5)",
            "  nothing to do",
            nothing.as_secs_f64() * 1e3,
            nothing.as_secs_f64() / select.as_secs_f64()
        ));
        Ok(())
    }

    fn rounds(
        &self,
        size: Size,
        applications: usize,
        command: &dyn Fn() -> Command,
    ) -> Result<(Duration, u64, usize)> {
        let mut times = Vec::new();
        let mut memory = 0;
        for _ in 0..ROUNDS {
            self.fresh(size)?;
            let measured = run(command())?;
            times.push(measured.took);
            memory = memory.max(measured.memory);
        }
        Ok((median(times), memory, applications))
    }

    /// Makes a database with the list of tenants.
    fn fresh(&self, size: Size) -> Result<()> {
        self.made.set(self.made.get() + 1);
        let sql = format!("CREATE DATABASE {} OWNER app", self.database());
        self.cluster.run_sql("postgres", &sql)?;
        let list = format!(
            "ALTER SCHEMA public OWNER TO app; SET ROLE app; CREATE TABLE customer (name text PRIMARY KEY);
             INSERT INTO customer SELECT 'tenant_' || n FROM generate_series(1, {}) AS n",
            size.tenants
        );
        self.cluster.run_sql(&self.database(), &list)?;
        self.cluster.run_sql("postgres", "CHECKPOINT")
    }

    fn database(&self) -> String {
        format!("tenants_{}", self.made.get())
    }

    fn url(&self) -> String {
        self.cluster.url("app", &self.database()) + "?sslmode=disable"
    }

    fn ours(&self, base: &Path, how: &[&str]) -> Command {
        let mut command = Command::new(self.host);
        command
            .arg("finalize")
            .args(how)
            .args(["--database", &self.url()])
            .arg("--cache")
            .arg(&self.cache)
            .env("WASMIGRATE_SOURCES_BASE", base)
            .env("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", "single")
            .env("WASMIGRATE_SOURCES_TENANT_MIGRATIONS", "tenants")
            .env("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer");
        command
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(self.cluster.binaries().join("psql"));
        command
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.url());
        command
    }

    fn psql_file(&self, script: &Path) -> Command {
        let mut command = self.psql();
        command.arg("--single-transaction").arg("-f").arg(script);
        command
    }

    /// All that the files say to all tenants, in the same order.
    fn write_script(
        &self,
        size: Size,
        files: std::ops::Range<usize>,
        begins: bool,
    ) -> Result<PathBuf> {
        let mut script = String::new();
        if begins {
            script.push_str(SINGLE);
        }
        let texts = begins
            .then(|| BEGIN.to_owned())
            .into_iter()
            .chain(files.map(file));
        for text in texts {
            for tenant in 1..=size.tenants {
                script.push_str(&text.replace("{schema}", &format!("tenant_{tenant}")));
            }
        }
        let path = self.directory.join("all.sql");
        fs::write(&path, script)?;
        Ok(path)
    }
}

const SINGLE: &str =
    "CREATE TABLE module (id integer, name text);\nINSERT INTO module VALUES (1, 'one');\n";

const BEGIN: &str = "CREATE SCHEMA IF NOT EXISTS {schema};\nCREATE TABLE {schema}.counter (n integer);\n\
                     INSERT INTO {schema}.counter VALUES (0);\n";

/// What the file with this number says.
fn file(number: usize) -> String {
    if number.is_multiple_of(10) {
        return format!(
            "CREATE TABLE {{schema}}.t{number} (a integer, b double precision, c double precision);\n\
             INSERT INTO {{schema}}.t{number} VALUES (1, 2, 3);\n"
        );
    }
    let table = number - number % 10;
    let insert =
        format!("INSERT INTO {{schema}}.t{table} VALUES (1000 * random(), random(), random());\n");
    insert.repeat(10) + &format!("INSERT INTO {{schema}}.counter VALUES ({number});\n")
}

fn write_files(base: &Path, files: std::ops::Range<usize>) -> Result<()> {
    for directory in ["single", "tenants"] {
        fs::create_dir_all(base.join(directory))?;
    }
    fs::write(base.join("single/000000.sql"), SINGLE)?;
    fs::write(base.join("tenants/000001.sql"), BEGIN)?;
    for number in files {
        let path = base.join(format!("tenants/1{number:06}.sql"));
        fs::write(path, file(number))?;
    }
    Ok(())
}

/// Runs a process to its end.
fn run(mut command: Command) -> Result<Measured> {
    let began = Instant::now();
    let process = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let status_file = format!("/proc/{}/status", process.id());
    let watcher = std::thread::spawn(move || {
        let mut memory = 0;
        while let Ok(status) = fs::read_to_string(&status_file) {
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let Some(peak) = peak.and_then(|peak| peak.trim().strip_suffix(" kB")) else {
                break;
            };
            memory = peak.trim().parse().unwrap_or(memory);
            std::thread::sleep(LOOK);
        }
        memory
    });
    let output = process.wait_with_output()?;
    let took = began.elapsed();
    let memory = watcher.join().unwrap_or(0);
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Measured { took, memory })
}

fn median_of(measured: impl Fn() -> Result<Measured>) -> Result<Duration> {
    let times: Result<Vec<Duration>> = (0..7).map(|_| Ok(measured()?.took)).collect();
    Ok(median(times?))
}

fn tell(
    name: &str,
    (took, memory, applications): &(Duration, u64, usize),
    other: Option<&(Duration, u64, usize)>,
    goal: Option<f64>,
) {
    let ratio = other.map_or_else(String::new, |(other, ..)| {
        format!(
            "  {:.2} times psql (goal ≤ {})",
            took.as_secs_f64() / other.as_secs_f64(),
            goal.unwrap_or_default()
        )
    });
    say(&format!(
        "{name:40} {:>9.1} ms  {:>8.0} applications/s  {:>5} MiB{ratio}",
        took.as_secs_f64() * 1e3,
        *applications as f64 / took.as_secs_f64(),
        memory >> 10,
    ));
}

fn tell_one(name: &str, measured: &Measured, applications: usize) {
    tell(
        name,
        &(measured.took, measured.memory, applications),
        None,
        None,
    );
}
