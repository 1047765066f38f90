//! Values at the edges of what a text can be.

use wasmigrate_sdk::prelude::*;

use crate::insert;

/// Greets everyone by what is made of their name.
pub(crate) fn greet(
    database: &Database,
    made: impl Fn(Option<&str>) -> Result<String>,
) -> Result<()> {
    for row in database.query_rows("SELECT id, name FROM person ORDER BY id", params![])? {
        let name: Option<&str> = row.get("name")?;
        insert(database, row.get("id")?, &made(name)?)?;
    }
    Ok(())
}

/// Greets everyone by what is made of their note.
pub(crate) fn greet_by_note(
    database: &Database,
    made: impl Fn(Option<&str>) -> Result<String>,
) -> Result<()> {
    for row in database.query_rows("SELECT id, note FROM person ORDER BY id", params![])? {
        let note: Option<&str> = row.get("note")?;
        insert(database, row.get("id")?, &made(note)?)?;
    }
    Ok(())
}

/// The mistake: everyone has a name.
pub(crate) fn of_null(name: Option<&str>, is_wrong: bool) -> Result<String> {
    match (name, is_wrong) {
        (Some(name), _) => Ok(format!("hello {name}")),
        (None, false) => Ok("hello".to_owned()),
        (None, true) => bail!("a person without a name"),
    }
}

/// The mistake: a name has a first letter.
#[allow(clippy::unwrap_used, reason = "it is the mistake")]
pub(crate) fn of_empty(name: Option<&str>, is_wrong: bool) -> Result<String> {
    let first = name.unwrap_or("x").chars().next();
    let first = match is_wrong {
        true => first.unwrap(),
        false => first.unwrap_or('?'),
    };
    Ok(format!("hello {first}."))
}

/// The mistake: nobody has a long name.
#[allow(clippy::indexing_slicing, reason = "it is the mistake")]
pub(crate) fn of_long(name: Option<&str>, is_wrong: bool) -> Result<String> {
    let name = name.unwrap_or_default();
    let mut line = [0_u8; 4_096];
    let most = match is_wrong {
        true => name.len(),
        false => name.len().min(line.len()),
    };
    line[..most].copy_from_slice(&name.as_bytes()[..most]);
    Ok(format!("hello {} bytes", line[..most].len()))
}

/// The mistake: every character is one byte.
#[allow(clippy::indexing_slicing, reason = "it is the mistake")]
pub(crate) fn of_emoji(name: Option<&str>, is_wrong: bool) -> Result<String> {
    let name = name.unwrap_or_default();
    let end = match is_wrong {
        true => name.len().min(1),
        false => name.floor_char_boundary(1),
    };
    Ok(format!("hello {}", &name[..end]))
}

/// The mistake: a year with one more has four digits still.
pub(crate) fn of_year(note: Option<&str>, is_wrong: bool) -> Result<String> {
    let year = note.and_then(|note| note.get(..4)?.parse::<u16>().ok());
    let next = year.map_or(0, |year| year + 1);
    if is_wrong {
        ensure!(next < 10_000, "the year {next} does not fit");
    }
    Ok(format!("until {next}"))
}
