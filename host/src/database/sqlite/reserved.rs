//! Names that belong to the host stay the host's, also by way of `ALTER TABLE … RENAME TO`, of which the authorizer is
//! told the old name alone.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::super::{Error, JOURNAL_PREFIX};
use super::errors::translate;
use super::guard::{PRAGMA_PREFIX, Touched};

/// Refuses what a step has named like a table of the journal, in `connection` with its open transaction. A temporary
/// table of such a name would take the journal's place in the host's own statements; any other would be in the way of the
/// journal's next version. Names of SQLite's own table-valued functions are refused alike. A trigger that names the journal
/// is refused, too: it would change it with the application's next write.
pub(super) fn check(
    connection: &Connection,
    before: impl FnOnce() -> rusqlite::Result<Connection>,
    touched: &Touched,
) -> Result<(), Error> {
    if touched.temporary
        && let Some(name) = names(connection, "temp").map_err(translate)?.first()
    {
        return Err(refused(name));
    }
    if !touched.shape && !touched.triggers {
        return Ok(());
    }
    let now = names(connection, "main").map_err(translate)?;
    let triggers = triggers(connection).map_err(translate)?;
    if !touched.shape && triggers.is_empty() {
        return Ok(());
    }
    let before = before().map_err(translate)?;
    let known = names(&before, "main").map_err(translate)?;
    if let Some(name) = now.difference(&known).next() {
        return Err(refused(name));
    }
    let known = self::triggers(&before).map_err(translate)?;
    if let Some((name, _)) = triggers.difference(&known).next() {
        return Err(Error::not_permitted(format!(
            "not permitted: the step made the trigger `{name}`, whose text names tables that begin with `{JOURNAL_PREFIX}`: it \
             would change the journal, which belongs to the host, with the application's next write"
        )));
    }
    Ok(())
}

fn names(connection: &Connection, schema: &str) -> rusqlite::Result<BTreeSet<String>> {
    let pattern = |prefix: &str| prefix.replace('_', "\\_") + "%";
    connection
        .prepare(&format!(
            "SELECT name FROM {schema}.sqlite_master WHERE name LIKE ?1 ESCAPE '\\' OR name LIKE ?2 ESCAPE '\\'"
        ))?
        .query_map([pattern(JOURNAL_PREFIX), pattern(PRAGMA_PREFIX)], |row| row.get(0))?
        .collect()
}

/// The triggers that name a table of the journal, and their texts. SQLite has no words that are put together only when they
/// run: whatever a trigger writes to, its text names.
fn triggers(connection: &Connection) -> rusqlite::Result<BTreeSet<(String, String)>> {
    let pattern = format!("%{}%", JOURNAL_PREFIX.replace('_', "\\_"));
    connection
        .prepare(
            "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND sql LIKE ?1 ESCAPE '\\'",
        )?
        .query_map([pattern], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn refused(name: &str) -> Error {
    Error::not_permitted(format!(
        "not permitted: the step made `{name}`; names that begin with `{JOURNAL_PREFIX}` belong to the host, and those with \
         `{PRAGMA_PREFIX}` to SQLite"
    ))
}
