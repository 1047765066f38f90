//! Statements outside a transaction that SQLite passes over without a word where they stand.
//!
//! See <https://www.sqlite.org/pragma.html>: the size of pages stays in WAL mode, and both it and `auto_vacuum` wait for a
//! VACUUM; freed pages are given back where the file was made for that.

use rusqlite::Connection;

use super::super::{Error, ErrorKind, Result};
use super::pragma::pragma;
use super::reading::Piece;

/// The mode in which the host opens a file.
const WAL: &str = "wal";

/// The spellings of what `auto_vacuum` may be.
const AUTO_VACUUM: [(&str, &str); 3] = [("none", "0"), ("full", "1"), ("incremental", "2")];

/// The first statement of a script that would do nothing where it stands, and why.
pub(super) fn without(pieces: &[Piece]) -> Option<(&Piece, Error)> {
    let mut mode = WAL;
    pieces.iter().enumerate().find_map(|(place, piece)| {
        let words = piece.words();
        let (name, Some(value)) = pragma(&words)? else {
            return None;
        };
        let rest = pieces.get(place + 1..).unwrap_or_default();
        let why = match name {
            "page_size" => why_no_pages(rest, mode),
            "journal_mode" => {
                mode = if value == WAL { WAL } else { "another" };
                (value != WAL && !rest.iter().any(is_vacuum)).then_some(
                    "it does not last: the host puts the file into WAL mode whenever it opens it",
                )
            }
            _ => None,
        };
        why.map(|why| {
            let error = Error::not_permitted(format!("not permitted: PRAGMA {name}: {why}"));
            (piece, error)
        })
    })
}

fn is_vacuum(piece: &Piece) -> bool {
    piece.words().first() == Some(&"vacuum")
}

/// Why the pages keep their size.
fn why_no_pages(rest: &[Piece], mode: &str) -> Option<&'static str> {
    let Some(vacuum) = rest.iter().position(is_vacuum) else {
        return Some("it does nothing without a VACUUM after it");
    };
    let mut mode = mode;
    for piece in rest.iter().take(vacuum) {
        if let Some(("journal_mode", Some(value))) = pragma(&piece.words()) {
            mode = if value == WAL { WAL } else { "another" };
        }
    }
    (mode == WAL).then_some(
        "it does nothing in WAL mode, in which the host opens the file: write `PRAGMA journal_mode = DELETE` before it, and \
         `PRAGMA journal_mode = WAL` after the VACUUM",
    )
}

/// Refuses a statement that would do nothing to this file.
pub(super) fn demand_before(piece: &Piece, connection: &Connection) -> Result<()> {
    let words = piece.words();
    let is_for_freed = pragma(&words).is_some_and(|(name, _)| name == "incremental_vacuum");
    if is_for_freed && read(connection, "auto_vacuum")? != "2" {
        return Err(Error::not_permitted(
            "PRAGMA incremental_vacuum does nothing: the file does not have `auto_vacuum = INCREMENTAL`; write that and a VACUUM after \
             it, or VACUUM alone",
        ));
    }
    Ok(())
}

/// Demands that the mode is the one that a statement has asked for.
pub(super) fn demand_mode(piece: &Piece, connection: &Connection) -> Result<()> {
    match pragma(&piece.words()) {
        Some(("journal_mode", Some(asked))) => demand("journal_mode", asked, connection),
        _ => Ok(()),
    }
}

/// Demands that the pragmas of a script have done what they say.
pub(super) fn demand_after(pieces: &[Piece], connection: &Connection) -> Result<()> {
    for name in ["auto_vacuum", "page_size"] {
        let asked = pieces.iter().rev().find_map(|piece| {
            let words = piece.words();
            let (pragma, value) = pragma(&words)?;
            (pragma == name).then_some(value?.to_owned())
        });
        if let Some(asked) = asked {
            demand(name, &asked, connection)?;
        }
    }
    Ok(())
}

fn demand(name: &str, asked: &str, connection: &Connection) -> Result<()> {
    let is = read(connection, name)?;
    let spelled = AUTO_VACUUM.iter().find(|(word, _)| *word == asked);
    if is == spelled.map_or(asked, |(_, number)| *number) {
        return Ok(());
    }
    let why = match name {
        "journal_mode" => "the mode is changed only while nobody else has the file open",
        "page_size" => "a size is a power of two from 512 to 65536",
        _ => "write a VACUUM after it",
    };
    Err(Error::new(
        ErrorKind::Other,
        format!("PRAGMA {name} = {asked} did nothing, it is still {is}: {why}"),
    ))
}

fn read(connection: &Connection, name: &str) -> Result<String> {
    let value =
        connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
    Ok(match value.map_err(super::errors::translate)? {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text.to_lowercase(),
        _ => String::new(),
    })
}
