//! The host on a PostgreSQL server, against `psql` and against the tools that people use for their migrations.
//!
//! A private server does as a fresh installation does, so that each commit that waits for the disk costs what it costs.
//! `sqlx` and `dbmate` are looked for in the directories of `WASMIGRATE_BENCH_TOOLS` and of `PATH`; lines about a tool that
//! is missing are left out.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use wasmigrate_test_server::{Cluster, Durability};

use super::{Place, ROWS, STEPS, Side, compare, time, write_wasm_steps};
use crate::cargo::say;
use crate::guests::BuiltGuests;

/// The variable with the directories of other people's tools.
const TOOLS: &str = "WASMIGRATE_BENCH_TOOLS";

/// The tables of the bulk data.
const BULK: &str = "
    CREATE TABLE source (id bigint PRIMARY KEY, a bigint, b text, c double precision, d text);
    CREATE TABLE target (id bigint PRIMARY KEY, a bigint, b text, c double precision, d text);";

/// What `rewrite` does, in SQL.
const REWRITTEN: &str = "SELECT id, a + 1, upper(trim(b)), c, d FROM source ORDER BY id";

pub(super) fn measure(place: &Place, built: &BuiltGuests) -> Result<()> {
    let cluster = Cluster::start(Durability::Default)?;
    require_disk(cluster.directory())?;
    let bench = Bench {
        directory: place.directory.join("postgres"),
        place,
        cluster,
        made: Cell::new(0),
    };
    fs::create_dir_all(&bench.directory)?;
    say("on PostgreSQL:");
    many_steps(&bench)?;
    nothing_to_do(&bench)?;
    wasm_steps(&bench, built)?;
    bulk(&bench, built)
}

/// A tool that others use.
struct Tool {
    name: &'static str,
    program: Option<PathBuf>,
}

impl Tool {
    fn find(name: &'static str, how_to_install: &str) -> Self {
        let directories = [TOOLS, "PATH"].into_iter().filter_map(std::env::var_os);
        let program = directories
            .flat_map(|list| std::env::split_paths(&list).collect::<Vec<_>>())
            .map(|directory| directory.join(name))
            .find(|program| program.is_file());
        if program.is_none() {
            say(&format!(
                "  ({name} is missing: {how_to_install}; then put its directory into {TOOLS})"
            ));
        }
        Self { name, program }
    }

    fn sqlx() -> Self {
        Self::find(
            "sqlx",
            "cargo install sqlx-cli --no-default-features --features rustls,postgres --root DIRECTORY",
        )
    }

    fn dbmate() -> Self {
        Self::find(
            "dbmate",
            "npm install --prefix DIRECTORY dbmate, which is in node_modules/@dbmate/SYSTEM/bin",
        )
    }
}

fn many_steps(bench: &Bench<'_>) -> Result<()> {
    let steps = bench.write_steps("steps", &statements())?;
    let script = bench.directory.join("all.sql");
    fs::write(&script, statements().join("\n"))?;
    let prepare = || bench.fresh("");
    let ours = Side {
        name: "1,000 SQL steps",
        prepare: &prepare,
        command: &|| bench.host(&bench.database(), &steps),
    };
    let psql = Side {
        name: "psql, in one transaction",
        prepare: &prepare,
        command: &|| {
            let mut command = bench.psql(&bench.database());
            command.arg("--single-transaction").arg("-f").arg(&script);
            command
        },
    };
    compare(&ours, &psql, Some(1.15))?;
    for tool in [Tool::sqlx(), Tool::dbmate()] {
        let Some(program) = tool.program else {
            continue;
        };
        let theirs = Side {
            name: tool.name,
            prepare: &prepare,
            command: &|| match tool.name {
                "sqlx" => bench.sqlx(&program, &bench.database(), &steps),
                _ => bench.dbmate(&program, &bench.database(), &steps),
            },
        };
        compare(&ours, &theirs, Some(0.5))?;
    }
    Ok(())
}

fn nothing_to_do(bench: &Bench<'_>) -> Result<()> {
    let Some(sqlx) = Tool::sqlx().program else {
        return Ok(());
    };
    let steps = bench.write_steps("steps", &statements())?;
    bench.fresh("")?;
    let ours = bench.database();
    bench.fresh("")?;
    let theirs = bench.database();
    time(bench.host(&ours, &steps))?;
    time(bench.sqlx(&sqlx, &theirs, &steps))?;
    // Digests of files are remembered once these have been left alone for a while.
    std::thread::sleep(std::time::Duration::from_secs(4));
    time(bench.host(&ours, &steps))?;
    let keep = || Ok(());
    compare(
        &Side {
            name: "nothing to do, 1,000 applied",
            prepare: &keep,
            command: &|| bench.host(&ours, &steps),
        },
        &Side {
            name: "sqlx",
            prepare: &keep,
            command: &|| bench.sqlx(&sqlx, &theirs, &steps),
        },
        Some(1.5),
    )
}

fn wasm_steps(bench: &Bench<'_>, built: &BuiltGuests) -> Result<()> {
    let insert = "INSERT INTO one (value) VALUES (1);".to_owned();
    let sql = bench.write_steps("inserts", &vec![insert; STEPS as usize])?;
    let wasm = bench.directory.join("components");
    write_wasm_steps(&wasm, &fs::read(built.bench("one"))?)?;
    let prepare = || bench.fresh("CREATE TABLE one (value integer);");
    say("  (compiling 1,000 components once)");
    prepare()?;
    time(bench.host(&bench.database(), &wasm))?;
    compare(
        &Side {
            name: "1,000 wasm steps, warm cache",
            prepare: &prepare,
            command: &|| bench.host(&bench.database(), &wasm),
        },
        &Side {
            name: "1,000 SQL steps with the same statement",
            prepare: &prepare,
            command: &|| bench.host(&bench.database(), &sql),
        },
        Some(1.2),
    )
}

fn bulk(bench: &Bench<'_>, built: &BuiltGuests) -> Result<()> {
    let load = bench.directory.join("load");
    let rewrite = bench.directory.join("rewrite");
    for (name, directory) in [("load", &load), ("rewrite", &rewrite)] {
        fs::create_dir_all(directory)?;
        fs::copy(
            built.bench(name),
            directory.join(format!("0001_{name}.wasm")),
        )?;
    }
    // The rows that `load` makes up, as it makes them up.
    bench.fresh(BULK)?;
    let filled = bench.database();
    bench.run_sql(
        &filled,
        &format!(
            "INSERT INTO source SELECT n, n * 7 % 1000, '  some name ' || n || ' ', n / 3.0::double precision,
             CASE WHEN n % 3 = 0 THEN NULL ELSE 'a remark on ' || n END FROM generate_series(1, {ROWS}) AS n;
             ANALYZE source"
        ),
    )?;
    let rows = bench.directory.join("rows");
    let mut copy = bench.psql(&filled);
    copy.arg("-c")
        .arg(format!(r"\copy source TO '{}'", rows.display()));
    time(copy)?;
    let empty = || bench.fresh(BULK);
    let full = || bench.copy(&filled);
    // Compiled before it is measured.
    empty()?;
    time(bench.host(&bench.database(), &load))?;
    bench.run_sql(
        &bench.database(),
        &format!("SELECT 1 / (count(*) = {ROWS})::int FROM target"),
    )?;
    compare(
        &Side {
            name: "1 million rows that a component makes up and loads",
            prepare: &empty,
            command: &|| bench.host(&bench.database(), &load),
        },
        &Side {
            name: "COPY FROM STDIN by psql",
            prepare: &empty,
            command: &|| {
                let mut command = bench.psql(&bench.database());
                command
                    .arg("-c")
                    .arg(format!(r"\copy target FROM '{}'", rows.display()));
                command
            },
        },
        Some(1.3),
    )?;
    full()?;
    time(bench.host(&bench.database(), &rewrite))?;
    compare(
        &Side {
            name: "1 million rows read, changed and loaded",
            prepare: &full,
            command: &|| bench.host(&bench.database(), &rewrite),
        },
        &Side {
            name: "COPY TO STDOUT | COPY FROM STDIN by psql",
            prepare: &full,
            command: &|| bench.copy_through(&bench.database()),
        },
        Some(1.3),
    )
}

/// The statements of the steps: of four, one makes a table, one adds a column to it, one an index, one a row.
fn statements() -> Vec<String> {
    (1..=STEPS)
        .map(|index| {
            let table = index.div_ceil(4);
            match index % 4 {
                1 => format!(
                    "CREATE TABLE item_{table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, \
                     made_at timestamptz NOT NULL DEFAULT now());"
                ),
                2 => format!("ALTER TABLE item_{table} ADD COLUMN amount integer NOT NULL DEFAULT 0;"),
                3 => format!("CREATE INDEX item_{table}_name ON item_{table} (name);"),
                _ => format!("INSERT INTO item_{table} (name) VALUES ('item {index}');"),
            }
        })
        .collect()
}

/// In memory, waiting for the disk costs nothing.
fn require_disk(directory: &Path) -> Result<()> {
    let output = Command::new("stat")
        .args(["--file-system", "--format=%T"])
        .arg(directory)
        .output()
        .context("cannot run stat")?;
    let kind = String::from_utf8_lossy(&output.stdout);
    ensure!(
        kind.trim() != "tmpfs",
        "{} is in memory: set TMPDIR to a directory on a disk",
        directory.display()
    );
    Ok(())
}

/// A server, and the programs that work on it.
struct Bench<'p> {
    directory: PathBuf,
    place: &'p Place,
    cluster: Cluster,
    /// How many databases there were.
    made: Cell<u32>,
}

impl Bench<'_> {
    /// Makes a database with these tables, and forgets earlier ones.
    fn fresh(&self, schema: &str) -> Result<()> {
        self.copy("template0")?;
        let database = self.database();
        self.run_sql(&database, "ALTER SCHEMA public OWNER TO app")?;
        if !schema.is_empty() {
            self.run_sql(&database, &format!("SET ROLE app; {schema}"))?;
        }
        self.run_sql("postgres", "CHECKPOINT")
    }

    /// Makes a database as another one is, and forgets earlier ones. These stay where they are: where many files have
    /// just been removed, making some takes long.
    fn copy(&self, from: &str) -> Result<()> {
        self.made.set(self.made.get() + 1);
        self.run_sql(
            "postgres",
            &format!(
                "CREATE DATABASE {} OWNER app TEMPLATE {from}",
                self.database()
            ),
        )?;
        self.run_sql("postgres", "CHECKPOINT")
    }

    /// The database that was made last.
    fn database(&self) -> String {
        format!("bench_{}", self.made.get())
    }

    fn run_sql(&self, database: &str, sql: &str) -> Result<()> {
        self.cluster.run_sql(database, sql)
    }

    fn url(&self, database: &str) -> String {
        self.cluster.url("app", database) + "?sslmode=disable"
    }

    /// Writes each statement into a file of its own, which every tool takes.
    fn write_steps(&self, name: &str, statements: &[String]) -> Result<PathBuf> {
        let directory = self.directory.join(name);
        fs::create_dir_all(&directory)?;
        for (index, statement) in (1..).zip(statements) {
            fs::write(
                directory.join(format!("{index:04}_step.sql")),
                format!("-- migrate:up\n{statement}\n-- migrate:down\n"),
            )?;
        }
        Ok(directory)
    }

    fn host(&self, database: &str, steps: &Path) -> Command {
        let mut command = Command::new(&self.place.host);
        command
            // The host knows its own variables, and takes others with its prefix for mistakes.
            .env_remove(TOOLS)
            .args(["migrate", "--database", &self.url(database)])
            .arg("--migrations")
            .arg(steps)
            .arg("--cache")
            .arg(self.place.directory.join("cache"));
        command
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.cluster.binaries().join("psql"));
        command
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.url(database));
        command
    }

    fn copy_through(&self, database: &str) -> Command {
        let psql = self.cluster.binaries().join("psql");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(r#""$1" -X -q -d "$2" -c "COPY ($3) TO STDOUT" | "$1" -X -q -d "$2" -c "COPY target FROM STDIN""#)
            .arg("sh")
            .arg(psql)
            .args([&self.url(database), REWRITTEN]);
        command
    }

    fn sqlx(&self, program: &Path, database: &str, steps: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(["migrate", "run", "--no-dotenv", "--source"])
            .arg(steps)
            .args(["--database-url", &self.url(database)]);
        command
    }

    fn dbmate(&self, program: &Path, database: &str, steps: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--url", &self.url(database), "--migrations-dir"])
            .arg(steps)
            .args(["--no-dump-schema", "up"]);
        command
    }
}
