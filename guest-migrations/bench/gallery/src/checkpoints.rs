//! Checkpoints, and what is found again after them.

use wasmigrate_sdk::{Kind, prelude::*};

use crate::insert;

/// The ids after one: a few at a time of the first, so that a small fixture has several checkpoints, then more.
fn some_after(database: &Database, last: i64) -> Result<Vec<i64>> {
    let query = match database.server().kind {
        Kind::Sqlite => {
            "SELECT id FROM person WHERE id > ?1 ORDER BY id LIMIT CASE WHEN ?1 < 100 THEN 2 ELSE 100 END"
        }
        _ => {
            "SELECT id FROM person WHERE id > CAST($1 AS BIGINT) ORDER BY id
             LIMIT CASE WHEN CAST($1 AS BIGINT) < 100 THEN 2 ELSE 100 END"
        }
    };
    let rows = database.query_rows(query, params![last])?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// The mistake: it begins from the start although it is told where it was.
pub(crate) fn resumes(database: &mut Database, resume: &Resume, is_wrong: bool) -> Result<()> {
    let mut last = match is_wrong {
        true => i64::MIN,
        false => resume.position()?.unwrap_or(i64::MIN),
    };
    loop {
        let people = some_after(database, last)?;
        let Some(newest) = people.last() else {
            return Ok(());
        };
        for person in &people {
            insert(database, *person, "hello")?;
        }
        last = *newest;
        database.checkpoint(&last)?;
    }
}

/// The mistake: it says that rows are done before they are.
pub(crate) fn saves(database: &mut Database, resume: &Resume, is_wrong: bool) -> Result<()> {
    let mut last = resume.position()?.unwrap_or(i64::MIN);
    loop {
        let people = some_after(database, last)?;
        let Some(newest) = people.last() else {
            return Ok(());
        };
        last = *newest;
        if is_wrong {
            database.checkpoint(&last)?;
        }
        for person in &people {
            insert(database, *person, "hello")?;
        }
        if !is_wrong {
            database.checkpoint(&last)?;
        }
    }
}

/// Makes a second table behind its last checkpoint.
pub(crate) fn marks(database: &mut Database, resume: &Resume) -> Result<()> {
    resumes(database, resume, false)?;
    database.execute("CREATE TABLE greeted (day TEXT)", params![])?;
    Ok(())
}

/// The mistake: it takes for granted that the second table is there.
pub(crate) fn unmark(database: &Database, is_wrong: bool) -> Result<()> {
    let drop = match is_wrong {
        true => "DROP TABLE greeted",
        false => "DROP TABLE IF EXISTS greeted",
    };
    database.execute(drop, params![])?;
    database.execute("DROP TABLE greeting", params![])?;
    Ok(())
}
