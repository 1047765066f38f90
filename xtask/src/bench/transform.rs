//! A million rows transformed: against the same function built into the host, which is what the sandbox costs; against a
//! program that does nothing else; against one statement; and against the script that people write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use rusqlite::Connection;
use wasmigrate_test_server::{Cluster, Durability};

use super::{Place, ROWS, Side, compare, time};
use crate::cargo::say;
use crate::guests::BuiltGuests;

/// What the component does, as one statement of each database.
const SQLITE_UPDATE: &str = "
    PRAGMA journal_mode = wal; PRAGMA synchronous = normal;
    ALTER TABLE customer ADD COLUMN given_name TEXT;
    ALTER TABLE customer ADD COLUMN family_name TEXT;
    ALTER TABLE customer ADD COLUMN address TEXT;
    ALTER TABLE customer ADD COLUMN balance BIGINT;
    UPDATE customer SET
        given_name = nullif(rtrim(rtrim(trim(name), replace(trim(name), ' ', ''))), ''),
        family_name = replace(trim(name), rtrim(trim(name), replace(trim(name), ' ', '')), ''),
        address = lower(trim(email)), balance = credit - debit;";
const POSTGRES_UPDATE: &str = "
    ALTER TABLE customer ADD COLUMN given_name TEXT, ADD COLUMN family_name TEXT, ADD COLUMN address TEXT,
        ADD COLUMN balance BIGINT;
    UPDATE customer SET
        given_name = CASE WHEN strpos(trim(name), ' ') > 0 THEN rtrim(regexp_replace(trim(name), ' [^ ]*$', '')) END,
        family_name = regexp_replace(trim(name), '^.* ', ''),
        address = lower(trim(email)), balance = credit - debit;";

/// The script: batches of 10,000 rows, read, computed and written back.
const SCRIPT: &str = r#"
import sys

def normalize(row):
    id, name, email, debit, credit = row
    name = name.strip()
    given, space, family = name.rpartition(" ")
    return (given.rstrip() if space else None, family, email.strip().lower() if email else None, credit - debit, id)

database = sys.argv[1]
if database.startswith("postgres:"):
    import psycopg
    connection = psycopg.connect(database)
    mark = "%s"
else:
    import sqlite3
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = normal")
    mark = "?"
for column in ["given_name TEXT", "family_name TEXT", "address TEXT", "balance BIGINT"]:
    connection.execute(f"ALTER TABLE customer ADD COLUMN {column}")
connection.commit()
read = f"SELECT id, name, email, debit, credit FROM customer WHERE id > {mark} ORDER BY id LIMIT 10000"
write = f"UPDATE customer SET given_name = {mark}, family_name = {mark}, address = {mark}, balance = {mark} WHERE id = {mark}"
last = 0
while rows := connection.execute(read, (last,)).fetchall():
    cursor = connection.cursor()
    cursor.executemany(write, [normalize(row) for row in rows])
    connection.commit()
    last = rows[-1][0]
"#;

pub(super) fn measure(place: &Place, built: &BuiltGuests) -> Result<()> {
    let directory = place.directory.join("transform");
    let steps = directory.join("steps");
    fs::create_dir_all(&steps)?;
    fs::copy(built.bench("normalize"), steps.join("0001_normalize.wasm"))?;
    let script = directory.join("script.py");
    fs::write(&script, SCRIPT)?;
    let bench = Bench {
        place,
        directory,
        steps,
        script,
    };
    bench.on_sqlite()?;
    bench.on_postgres()
}

struct Bench<'p> {
    place: &'p Place,
    directory: PathBuf,
    steps: PathBuf,
    script: PathBuf,
}

impl Bench<'_> {
    fn on_sqlite(&self) -> Result<()> {
        say("transforming 1 million rows of a SQLite file:");
        let full = self.directory.join("full.db");
        if full.exists() {
            fs::remove_file(&full)?;
        }
        Connection::open(&full)?.execute_batch(&format!(
            "PRAGMA synchronous = OFF;
             CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, debit BIGINT NOT NULL,
                 credit BIGINT NOT NULL);
             INSERT INTO customer
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {ROWS})
             SELECT n, {VALUES} FROM number;"
        ))?;
        let prepare = || {
            self.place.remove_database()?;
            fs::copy(&full, self.place.database())?;
            Ok(())
        };
        let update = self.directory.join("update.sql");
        fs::write(&update, SQLITE_UPDATE)?;
        let database = self.place.database();
        self.against(
            &prepare,
            &|| format!("sqlite:{}", database.display()),
            &|| database.display().to_string(),
            &|| {
                let mut command = Command::new("sqlite3");
                command
                    .arg(&database)
                    .arg(format!(".read {}", update.display()));
                command
            },
        )
    }

    fn on_postgres(&self) -> Result<()> {
        say("transforming 1 million rows on PostgreSQL:");
        let cluster = Cluster::start(Durability::Default)?;
        let run = |database: &str, sql: &str| cluster.run_sql(database, sql);
        run("postgres", "CREATE DATABASE full_table OWNER app")?;
        run("full_table", "ALTER SCHEMA public OWNER TO app")?;
        run(
            "full_table",
            &format!(
                "SET ROLE app;
                 CREATE TABLE customer (id BIGINT PRIMARY KEY, name TEXT NOT NULL, email TEXT, debit BIGINT NOT NULL,
                     credit BIGINT NOT NULL);
                 INSERT INTO customer SELECT n, {VALUES} FROM generate_series(1, {ROWS}) AS n;
                 ANALYZE customer"
            ),
        )?;
        let prepare = || {
            run("postgres", "DROP DATABASE IF EXISTS bench WITH (FORCE)")?;
            run(
                "postgres",
                "CREATE DATABASE bench OWNER app TEMPLATE full_table",
            )?;
            run("postgres", "CHECKPOINT")
        };
        let url = || cluster.url("app", "bench") + "?sslmode=disable";
        self.against(&prepare, &url, &url, &|| {
            let mut command = Command::new(cluster.binaries().join("psql"));
            command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &url()]);
            command.args(["-c", POSTGRES_UPDATE]);
            command
        })
    }

    fn against(
        &self,
        prepare: &dyn Fn() -> Result<()>,
        target: &dyn Fn() -> String,
        address: &dyn Fn() -> String,
        update: &dyn Fn() -> Command,
    ) -> Result<()> {
        let workers = std::thread::available_parallelism()?.get();
        let migrate = |host: &Path| self.host(host, &target(), workers);
        let ours = Side {
            name: "migrate",
            prepare,
            command: &|| migrate(&self.place.host),
        };
        // Compiled before it is measured.
        prepare()?;
        time(migrate(&self.place.host))?;
        let built_in = Side {
            name: "the function built into the host",
            prepare,
            command: &|| migrate(&self.place.native_host),
        };
        compare(&ours, &built_in, Some(1.15))?;
        let native = Side {
            name: "a native program, the table alone",
            prepare,
            command: &|| {
                let mut command = Command::new(&self.place.native);
                let workers = workers.to_string();
                command.args([&address(), "transform", &workers]);
                command
            },
        };
        compare(&ours, &native, None)?;
        let statement = Side {
            name: "one UPDATE statement",
            prepare,
            command: update,
        };
        compare(&ours, &statement, Some(1.0))?;
        if self.has_python(&address()) {
            let script = Side {
                name: "a script in Python, batches of 10,000",
                prepare,
                command: &|| {
                    let mut command = Command::new("python3");
                    command.arg(&self.script).arg(address());
                    command
                },
            };
            compare(&ours, &script, Some(0.25))?;
        }
        for workers in [1, 2, 4] {
            prepare()?;
            let took = time(self.host(&self.place.host, &target(), workers))?;
            say(&format!(
                "  {workers} workers: {:.0} rows a second",
                f64::from(ROWS) / took.as_secs_f64()
            ));
        }
        Ok(())
    }

    fn host(&self, host: &Path, target: &str, workers: usize) -> Command {
        let mut command = Command::new(host);
        command
            .args([
                "migrate",
                "--database",
                target,
                "--workers",
                &workers.to_string(),
            ])
            .arg("--migrations")
            .arg(&self.steps)
            .arg("--cache")
            .arg(self.place.directory.join("cache"));
        command
    }

    fn has_python(&self, address: &str) -> bool {
        let module = match Path::new(address).is_absolute() {
            true => "sqlite3",
            false => "psycopg",
        };
        let found = Command::new("python3")
            .args(["-c", &format!("import {module}")])
            .output()
            .is_ok_and(|output| output.status.success());
        if !found {
            say(&format!(
                "  (python3 has no module {module}: that line is left out)"
            ));
        }
        found
    }
}

/// What stands in the columns besides the key, by its number `n`.
pub(super) const VALUES: &str = "'Given' || n || ' van Family' || (n % 1000) || ' ', ' Mail' || n || '@Example.ORG', n % 100, n % 77";
