//! A file as SQL that makes it again, in the form of SQLite's own shell. <https://www.sqlite.org/cli.html#dump>

use std::fmt::Write as _;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::super::content::is_journal;
use super::super::{Error, ErrorKind, Result, quote};
use super::Sqlite;
use super::errors::translate;

/// What is made before the rows are there, and what after them.
const TABLES: &str = "type = 'table'";
const OTHERS: &str = "type <> 'table'";

impl Sqlite {
    /// The whole content without the journal, as SQL.
    pub fn dump_content(&self) -> Result<String> {
        let connection = self.plain()?;
        let mut text = String::new();
        let tables = definitions(&connection, TABLES)?;
        for (name, definition) in &tables {
            if definition.to_lowercase().starts_with("create virtual") {
                return Err(Error::new(
                    ErrorKind::Other,
                    format!(
                        "`{name}` is a virtual table, whose content no script can make again: write it by hand"
                    ),
                ));
            }
            push(&mut text, definition);
        }
        for (name, _) in &tables {
            write_rows(&connection, name, &mut text)?;
        }
        write_keys(&connection, &mut text)?;
        for (_, definition) in definitions(&connection, OTHERS)? {
            push(&mut text, &definition);
        }
        for pragma in ["user_version", "application_id"] {
            let value: i64 = connection
                .pragma_query_value(None, pragma, |row| row.get(0))
                .map_err(translate)?;
            if value != 0 {
                push(&mut text, &format!("PRAGMA {pragma} = {value}"));
            }
        }
        Ok(text)
    }
}

fn push(text: &mut String, statement: &str) {
    text.push_str(statement);
    text.push_str(";\n");
}

/// The names of objects, and what makes them, in the order in which they were made.
fn definitions(connection: &Connection, which: &str) -> Result<Vec<(String, String)>> {
    let query = format!(
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND {which}
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
    );
    let mut statement = connection.prepare(&query).map_err(translate)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(translate)?;
    let rows: Vec<(String, String, String)> =
        rows.collect::<rusqlite::Result<_>>().map_err(translate)?;
    let ours = |name: &str, table: &str| is_journal(name) || is_journal(table);
    let others = rows
        .into_iter()
        .filter(|(name, table, _)| !ours(name, table));
    Ok(others
        .map(|(name, _, definition)| (name, definition))
        .collect())
}

/// Writes the rows of a table, without what is computed.
fn write_rows(connection: &Connection, table: &str, text: &mut String) -> Result<()> {
    let mut statement = connection
        .prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")
        .map_err(translate)?;
    let columns = statement.query_map([table], |row| row.get::<_, String>(0));
    let columns = columns.map_err(translate)?;
    let columns: Vec<String> = columns
        .collect::<rusqlite::Result<_>>()
        .map_err(translate)?;
    let names: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    let literals = names.iter().map(|name| {
        format!(
            "CASE WHEN typeof({name}) = 'text' THEN CAST({name} AS BLOB)
             WHEN typeof({name}) = 'real' AND {name} = 0 THEN {name} ELSE quote({name}) END"
        )
    });
    let literals: Vec<String> = literals.collect();
    let query = format!("SELECT {} FROM {}", literals.join(", "), quote(table));
    let mut statement = connection.prepare(&query).map_err(translate)?;
    let mut rows = statement.query([]).map_err(translate)?;
    while let Some(row) = rows.next().map_err(translate)? {
        let mut values = Vec::with_capacity(names.len());
        for column in 0..names.len() {
            values.push(match row.get_ref(column).map_err(translate)? {
                ValueRef::Blob(text) => text_literal(text),
                // SQLite quotes it without its sign.
                ValueRef::Real(zero) if zero.is_sign_negative() => "-0.0".to_owned(),
                ValueRef::Real(_) => "0.0".to_owned(),
                _ => row.get(column).map_err(translate)?,
            });
        }
        let values = values.join(", ");
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "INSERT INTO {} ({}) VALUES ({values});",
            quote(table),
            names.join(", ")
        );
    }
    Ok(())
}

/// A text as SQL. What would not stay as it is in a file is written in hexadecimal: a NUL ends a statement, what is not UTF-8 is no
/// SQL, and line ends are changed by others.
fn text_literal(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains(['\0', '\r']) => format!("'{}'", text.replace('\'', "''")),
        _ => {
            let digits = text.iter().map(|byte| format!("{byte:02x}"));
            format!("CAST(x'{}' AS TEXT)", digits.collect::<String>())
        }
    }
}

/// Writes where automatic keys stand.
fn write_keys(connection: &Connection, text: &mut String) -> Result<()> {
    let there = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'";
    let count: i64 = connection
        .query_row(there, [], |row| row.get(0))
        .map_err(translate)?;
    if count == 0 {
        return Ok(());
    }
    let mut statement = connection
        .prepare("SELECT name, quote(name), quote(seq) FROM sqlite_sequence ORDER BY name")
        .map_err(translate)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(translate)?;
    let rows: Vec<(String, String, String)> =
        rows.collect::<rusqlite::Result<_>>().map_err(translate)?;
    for (name, literal, next) in rows {
        if !is_journal(&name) {
            push(
                text,
                &format!("DELETE FROM sqlite_sequence WHERE name = {literal}"),
            );
            push(
                text,
                &format!("INSERT INTO sqlite_sequence (name, seq) VALUES ({literal}, {next})"),
            );
        }
    }
    Ok(())
}
