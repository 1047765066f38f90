//! An empty copy of the schema, on which changes of it are tried: on the file itself they would write whole tables anew.

use rusqlite::Connection;

use crate::database::sqlite::errors::translate;
use crate::database::sqlite::{math, readable};
use crate::database::transform::text_of;
use crate::database::{Error, Result, Session};

/// Tables first, then what stands on them.
const DEFINITIONS: &str = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid";

/// Runs statements on the copy. Of a schema that cannot be made again, such as one with modules of the application, nothing is
/// found out. An error comes with the place of its statement.
pub(super) async fn run(
    session: &mut dyn Session,
    statements: &[String],
) -> std::result::Result<(), (usize, Error)> {
    let definitions = session.rows(DEFINITIONS, &[]).await;
    let definitions = definitions.map_err(|error| (0, error))?;
    let made = make(
        definitions
            .iter()
            .map(|row| (text_of(row.first()), text_of(row.get(1)))),
    );
    let Ok(copy) = made else {
        return Ok(());
    };
    for (place, statement) in statements.iter().enumerate() {
        let done = copy.execute_batch(statement);
        done.map_err(|error| (place, translate(error)))?;
    }
    Ok(())
}

fn make(definitions: impl Iterator<Item = (String, String)>) -> Result<Connection> {
    let made = || {
        let copy = Connection::open_in_memory()?;
        math::add(&copy)?;
        readable::add(&copy)?;
        for (name, sql) in definitions {
            // A virtual table has made those that it stores its rows in.
            let is_there = "SELECT count(*) FROM sqlite_master WHERE name = ?1";
            if copy.query_row(is_there, [&name], |row| row.get::<_, i64>(0))? == 0 {
                copy.execute_batch(&sql)?;
            }
        }
        rusqlite::Result::Ok(copy)
    };
    made().map_err(translate)
}
