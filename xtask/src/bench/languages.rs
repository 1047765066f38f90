//! The same step and the same transformation in JavaScript and in Rust; and many scripts, in an empty cache and in a full one.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rusqlite::Connection;

use super::transform::VALUES;
use super::{Place, Side, compare, time};
use crate::cargo::say;
use crate::guests::BuiltGuests;

const ROWS: u32 = 200_000;
const SCRIPTS: u32 = 100;

/// What the guest `rewrite` does.
const REWRITE: &str = r"
import { progress } from 'wasmigrate';

export function migrate(db) {
  let done = 0;
  for (const rows of db.batches('SELECT id, a, b, c, d FROM source ORDER BY id', [], 10000)) {
    for (const row of rows) {
      row.a += 1;
      row.b = row.b === null ? null : row.b.trim().toUpperCase();
    }
    done += db.load('target', ['id', 'a', 'b', 'c', 'd'], rows);
    progress(done);
  }
}
";

/// What the guest `normalize` does.
const NORMALIZE: &str = r"
import { transform } from 'wasmigrate';

export default transform({
  table: 'customer',
  inputs: ['name', 'email', 'debit', 'credit'],
  derives: {
    given_name: 'TEXT',
    family_name: 'TEXT NOT NULL',
    address: { type: 'TEXT', replaces: 'email' },
    balance: 'BIGINT NOT NULL',
  },
  drops: ['debit', 'credit'],
  row({ name, email, debit, credit }) {
    name = name.trim();
    const space = name.lastIndexOf(' ');
    return {
      given_name: space < 0 ? null : name.slice(0, space).trimEnd(),
      family_name: name.slice(space + 1),
      address: email === null ? null : email.trim().toLowerCase(),
      balance: credit - debit,
    };
  },
});
";

pub(super) fn measure(place: &Place, built: &BuiltGuests) -> Result<()> {
    let directory = place.directory.join("languages");
    fs::create_dir_all(&directory)?;
    let full = directory.join("full.db");
    Connection::open(&full)?.execute_batch(&format!(
        "PRAGMA synchronous = OFF;
         CREATE TABLE source (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL, d TEXT);
         CREATE TABLE target (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL, d TEXT);
         CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, debit BIGINT NOT NULL,
             credit BIGINT NOT NULL);
         CREATE TABLE number AS WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {ROWS})
             SELECT n FROM number;
         INSERT INTO source SELECT n, n * 7 % 1000, '  some name ' || n || ' ', n / 3.0,
             CASE WHEN n % 3 = 0 THEN NULL ELSE 'a remark on ' || n END FROM number;
         INSERT INTO customer SELECT n, {VALUES} FROM number;
         DROP TABLE number"
    ))?;
    let prepare = || {
        place.remove_database()?;
        fs::copy(&full, place.database())?;
        Ok(())
    };
    for (work, guest, script) in [
        ("200,000 rows through a step", "rewrite", REWRITE),
        (
            "200,000 rows through a transformation",
            "normalize",
            NORMALIZE,
        ),
    ] {
        let (rust, javascript) = (
            directory.join(format!("{guest}-rust")),
            directory.join(format!("{guest}-javascript")),
        );
        fs::create_dir_all(&rust)?;
        fs::copy(built.bench(guest), rust.join("0001_work.wasm"))?;
        write(&javascript, 1, script)?;
        for steps in [&rust, &javascript] {
            // Compiled before it is measured.
            prepare()?;
            time(place.host("migrate", steps))?;
        }
        compare(
            &Side {
                name: &format!("{work}, JavaScript"),
                prepare: &prepare,
                command: &|| place.host("migrate", &javascript),
            },
            &Side {
                name: "Rust",
                prepare: &prepare,
                command: &|| place.host("migrate", &rust),
            },
            None,
        )?;
    }
    many_scripts(place, &directory)
}

/// All of them share one runner.
fn many_scripts(place: &Place, directory: &Path) -> Result<()> {
    let (one, many) = (directory.join("one"), directory.join("many"));
    let script = "export function migrate() {}\n";
    write(&one, 1, script)?;
    write(&many, SCRIPTS, script)?;
    let cache = place.directory.join("cache");
    let prepare = || place.remove_database();
    for (what, is_cold, steps) in [
        ("1 script, empty cache", true, &one),
        ("1 script", false, &one),
        ("100 scripts, empty cache", true, &many),
        ("100 scripts", false, &many),
    ] {
        if is_cold {
            fs::remove_dir_all(&cache)?;
        }
        prepare()?;
        let took = time(place.host("migrate", steps))?;
        say(&format!("  {what}: {:.0} ms", took.as_secs_f64() * 1e3));
    }
    compare(
        &Side {
            name: "100 scripts, warm",
            prepare: &prepare,
            command: &|| place.host("migrate", &many),
        },
        &Side {
            name: "1 script, warm",
            prepare: &prepare,
            command: &|| place.host("migrate", &one),
        },
        None,
    )
}

fn write(directory: &Path, count: u32, script: &str) -> Result<()> {
    fs::create_dir_all(directory)?;
    for index in 1..=count {
        fs::write(directory.join(format!("{index:04}_work.js")), script)?;
    }
    Ok(())
}
