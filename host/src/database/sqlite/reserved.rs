//! Names that belong to the host stay the host's, also by way of `ALTER TABLE … RENAME TO`, of which the authorizer is
//! told the old name alone.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::super::{Error, JOURNAL_PREFIX};
use super::errors::translate;
use super::guard::Touched;

/// Refuses what a step has named like a table of the journal, in `connection` with its open transaction. A temporary
/// table of such a name would take the journal's place in the host's own statements; any other would be in the way of the
/// journal's next version.
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
    if touched.shape {
        let now = names(connection, "main").map_err(translate)?;
        let known = before()
            .and_then(|before| names(&before, "main"))
            .map_err(translate)?;
        if let Some(name) = now.difference(&known).next() {
            return Err(refused(name));
        }
    }
    Ok(())
}

fn names(connection: &Connection, schema: &str) -> rusqlite::Result<BTreeSet<String>> {
    let pattern = JOURNAL_PREFIX.replace('_', "\\_") + "%";
    connection
        .prepare(&format!(
            "SELECT name FROM {schema}.sqlite_master WHERE name LIKE ?1 ESCAPE '\\'"
        ))?
        .query_map([pattern], |row| row.get(0))?
        .collect()
}

fn refused(name: &str) -> Error {
    Error::not_permitted(format!(
        "not permitted: the step made `{name}`; names that begin with `{JOURNAL_PREFIX}` belong to the host"
    ))
}
