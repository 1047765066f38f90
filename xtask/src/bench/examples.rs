//! The two examples of every SDK, each language against Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;

use super::{Place, Side, compare, time};
use crate::cargo::say;
use crate::guests::{self, BuiltGuests};
use crate::{cargo, python, zig};

const ROWS: u32 = 200_000;

/// Each example: what is told of it, its file's name, and the component of it in Rust.
const EXAMPLES: [(&str, &str, &str); 2] = [
    ("a step, 200,000 lines", "0002_parse_orders", "parse_orders"),
    ("a transformation, 200,000 rows", "0003_people", "people"),
];

pub(super) fn measure(place: &Place, built: &BuiltGuests) -> Result<()> {
    let directory = place.directory.join("examples");
    fs::create_dir_all(&directory)?;
    let full = directory.join("full.db");
    let _ = fs::remove_file(&full);
    Connection::open(&full)?.execute_batch(&format!(
        "PRAGMA synchronous = OFF;
         CREATE TABLE number AS WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {ROWS})
             SELECT n FROM number;
         CREATE TABLE order_line (id BIGINT PRIMARY KEY, line TEXT NOT NULL);
         INSERT INTO order_line SELECT n, ' Customer  ' || n % 5000 || ' |' || (n % 9 + 1) || ' x item ' || n % 300 || '| 1.' || (100 + n % 900) ||
             ',' || (10 + n % 90) || CASE WHEN n % 97 = 0 THEN ' USD' ELSE ' EUR' END FROM number;
         CREATE TABLE person (id BIGINT PRIMARY KEY, name TEXT NOT NULL, phone TEXT);
         INSERT INTO person SELECT n, 'Given Name' || n % 700 || '  Family' || n, CASE WHEN n % 11 = 0 THEN NULL ELSE '0' || (30 + n % 50) || ' / ' || (1000000 + n) END
             FROM number;
         DROP TABLE number"
    ))?;
    let prepare = || {
        place.remove_database()?;
        fs::copy(&full, place.database())?;
        Ok(())
    };
    let has_python = match python::runner(&cargo::target_directory()?) {
        None => false,
        Some(runner) => install(place, &runner)?,
    };
    for (what, example, crate_name) in EXAMPLES {
        let rust = directory.join(example).join("rust");
        fs::create_dir_all(&rust)?;
        fs::copy(
            built.bench(crate_name),
            rust.join(format!("{example}.wasm")),
        )?;
        for (language, folder, ending) in [
            ("C", "c", None),
            ("Zig", "zig", None),
            ("TypeScript", "typescript", Some("ts")),
            ("Python", "python", Some("py")),
        ] {
            if folder == "python" && !has_python {
                say(&format!(
                    "  {what}, {language}: left out: there is no runner of Python"
                ));
                continue;
            }
            let steps = directory.join(example).join(folder).join("migrations");
            let sources = guests::sources()
                .join("../sdk")
                .join(folder)
                .join("examples");
            let made = match ending {
                None => build(place, folder, &sources.join(example), &steps),
                Some(ending) => script(&sources, example, ending, &steps),
            };
            if let Err(why) = made {
                say(&format!("  {what}, {language}: left out: {why:#}"));
                continue;
            }
            // Compiled before it is measured.
            for steps in [&steps, &rust] {
                prepare()?;
                time(place.host("migrate", steps))?;
            }
            compare(
                &Side {
                    name: &format!("{what}, {language}"),
                    prepare: &prepare,
                    command: &|| place.host("migrate", &steps),
                },
                &Side {
                    name: "Rust",
                    prepare: &prepare,
                    command: &|| place.host("migrate", &rust),
                },
                None,
            )?;
        }
    }
    Ok(())
}

/// Puts the runner of Python where the host looks for it.
fn install(place: &Place, runner: &Path) -> Result<bool> {
    let mut host = Command::new(&place.host);
    host.args(["runner", "install"]).arg(runner);
    host.arg("--cache").arg(place.directory.join("cache"));
    Ok(host.output()?.status.success())
}

fn script(sources: &Path, example: &str, ending: &str, steps: &Path) -> Result<()> {
    fs::create_dir_all(steps)?;
    let name = format!("{example}.{ending}");
    fs::copy(sources.join(&name), steps.join(&name))?;
    Ok(())
}

/// Builds an example as a user does, with the SDK that the host writes beside it.
fn build(place: &Place, language: &str, source: &Path, steps: &Path) -> Result<()> {
    let project = steps.parent().context("no parent")?;
    let _ = fs::remove_dir_all(project);
    fs::create_dir_all(steps)?;
    let run = |arguments: &[&str]| {
        let mut host = Command::new(&place.host);
        host.args(arguments).arg("--migrations").arg(steps);
        if let Some(program) = zig::prepare(&cargo::target_directory()?) {
            host.env(zig::VARIABLE, program);
        }
        let said = host.output()?;
        ensure!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        anyhow::Ok(())
    };
    run(&["new", "first", "--lang", language])?;
    let sources: PathBuf = project.join("steps");
    fs::remove_dir_all(sources.join("0001_first"))?;
    let name = source.file_name().context("no name")?;
    fs::create_dir_all(sources.join(name))?;
    for file in fs::read_dir(source)? {
        let file = file?;
        fs::copy(file.path(), sources.join(name).join(file.file_name()))?;
    }
    run(&["build"])
}
