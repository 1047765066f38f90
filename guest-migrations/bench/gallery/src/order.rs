//! The order of rows, and the borders of batches.

use wasmigrate_sdk::prelude::*;

use crate::insert;

/// Numbers people by note. The mistake: it takes them in the order in which they come.
pub(crate) fn numbers(database: &Database, is_wrong: bool) -> Result<()> {
    let query = match is_wrong {
        true => "SELECT name FROM person WHERE name IS NOT NULL",
        false => "SELECT name FROM person WHERE name IS NOT NULL ORDER BY id",
    };
    for (number, row) in (1..).zip(database.query_rows(query, params![])?) {
        insert(database, number, row.get("name")?)?;
    }
    Ok(())
}

/// Greets everyone. The mistake: it takes the first batch for all there is.
pub(crate) fn reads(database: &Database, is_wrong: bool) -> Result<()> {
    let query = "SELECT id FROM person ORDER BY id";
    for batch in database.query_batches(query, params![], 1_000)? {
        let mut batch = batch?;
        for id in &batch.take_integers(0)?.values {
            insert(database, *id, "hello")?;
        }
        if is_wrong {
            break;
        }
    }
    Ok(())
}

/// Greets each name once. The mistake: it forgets at the border of a batch which name came last.
pub(crate) fn groups(database: &Database, is_wrong: bool) -> Result<()> {
    let query = "SELECT name FROM person WHERE name IS NOT NULL ORDER BY name, id";
    let mut last: Option<String> = None;
    let mut number = 0;
    for batch in database.query_batches(query, params![], 1_000)? {
        let mut batch = batch?;
        if is_wrong {
            last = None;
        }
        for name in batch.take_texts(0)?.iter().flatten() {
            if last.as_deref() != Some(name) {
                number += 1;
                insert(database, number, name)?;
                last = Some(name.to_owned());
            }
        }
    }
    Ok(())
}
