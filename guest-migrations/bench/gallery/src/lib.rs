//! Steps with one mistake each, and the same without it: for the tests of `wasmigrate test`.
//!
//! The setting `gallery.step` says which one this is, `gallery.mistake` whether it makes its mistake. All of them fill
//! `greeting(person_id, greeting)` from `person(id, name, note)`.

mod checkpoints;
mod hoards;
mod order;
mod texts;

use std::collections::HashMap;

use wasmigrate_sdk::{Kind, prelude::*, settings};

struct Gallery;

impl Step for Gallery {
    const SUMMARY: &'static str = "greets everyone, in one of many ways";

    fn migrate(database: &mut Database, resume: Resume) -> Result<()> {
        let is_wrong = settings::get("gallery.mistake").as_deref() == Some("yes");
        let step = settings::get("gallery.step").context("the setting gallery.step is missing")?;
        if resume.is_fresh() {
            database.execute(
                "CREATE TABLE greeting (person_id INTEGER NOT NULL, greeting TEXT)",
                params![],
            )?;
        }
        match step.as_str() {
            "resumes_from_the_start" => checkpoints::resumes(database, &resume, is_wrong),
            "checkpoint_before_its_rows" => checkpoints::saves(database, &resume, is_wrong),
            "reset_of_a_whole_migrate" => checkpoints::marks(database, &resume),
            "order_of_rows" => order::numbers(database, is_wrong),
            "one_batch" => order::reads(database, is_wrong),
            "border_of_batches" => order::groups(database, is_wrong),
            "chance" => chance(database, is_wrong),
            "memory" => hoards::greets(database, is_wrong),
            "null" => texts::greet(database, |name| texts::of_null(name, is_wrong)),
            "empty" => texts::greet(database, |name| texts::of_empty(name, is_wrong)),
            "long" => texts::greet(database, |name| texts::of_long(name, is_wrong)),
            "emoji" => texts::greet(database, |name| texts::of_emoji(name, is_wrong)),
            "year" => texts::greet_by_note(database, |note| texts::of_year(note, is_wrong)),
            other => bail!("there is no step {other}"),
        }
    }
}

impl Reset for Gallery {
    fn reset(database: &Database) -> Result<()> {
        let is_wrong = settings::get("gallery.mistake").as_deref() == Some("yes");
        if settings::get("gallery.step").as_deref() == Some("reset_of_a_whole_migrate") {
            return checkpoints::unmark(database, is_wrong);
        }
        database.execute("DROP TABLE greeting", params![])?;
        Ok(())
    }
}
export!(Gallery);

/// Keeps what comes first in a map, whose order is chance.
fn chance(database: &Database, is_wrong: bool) -> Result<()> {
    let words: HashMap<i64, &str> = (0..100).map(|number| (number, "hello")).collect();
    let first = match is_wrong {
        true => words.keys().next().copied(),
        false => words.keys().min().copied(),
    };
    insert(database, first.unwrap_or_default(), "hello")
}

/// Inserts one greeting.
fn insert(database: &Database, person: i64, greeting: &str) -> Result<()> {
    let statement = match database.server().kind {
        Kind::Sqlite => "INSERT INTO greeting VALUES (?, ?)",
        _ => "INSERT INTO greeting VALUES ($1, $2)",
    };
    database.execute(statement, params![person, greeting])?;
    Ok(())
}
