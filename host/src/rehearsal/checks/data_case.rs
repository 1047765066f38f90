//! Where generated rows are tried, and how they are told of.

use std::sync::Arc;

use super::super::fixture::{self, TableRows};
use super::super::scratch::ScratchDatabase;
use super::super::snapshot::{counted, shown};
use super::super::trial::{Stumble, Trial};
use super::super::{Error, parallel};

/// Where generated rows are tried: on copies of the empty database before the step, of one kind each.
pub(in crate::rehearsal) struct DataCase<'g> {
    pub(in crate::rehearsal) trial: Trial<'g>,
    /// Nobody works on it.
    pub(in crate::rehearsal) empty: Arc<ScratchDatabase>,
    /// Whether there are tables before the step.
    pub(in crate::rehearsal) has_tables: bool,
    /// Whether the step may change something in finalize, too.
    pub(in crate::rehearsal) changes_in_finalize: bool,
}

impl DataCase<'_> {
    /// A copy of the empty database with the rows in it; none when it does not take them.
    pub(super) fn filled(&self, rows: &[TableRows]) -> Result<Option<ScratchDatabase>, Error> {
        let database = self.empty.copy()?;
        let loaded = parallel::wait(fixture::load_tables(rows, &database))?;
        Ok(loaded.is_ok().then_some(database))
    }
}

/// A failure's message without its numbers, which differ from row to row.
pub(super) fn signature(stumble: &Stumble) -> String {
    let message = stumble
        .failure
        .as_ref()
        .map_or(&stumble.message, |failure| &failure.message);
    let first_line = message.lines().next().unwrap_or_default();
    let mut signature = String::with_capacity(first_line.len());
    let mut is_in_number = false;
    for character in first_line.chars() {
        if !character.is_ascii_digit() {
            signature.push(character);
        } else if !is_in_number {
            signature.push('N');
        }
        is_in_number = character.is_ascii_digit();
    }
    signature
}

/// Rows in words: how many, and the first of them.
pub(super) fn described(rows: &[TableRows]) -> String {
    let count: usize = rows.iter().map(|rows| rows.rows.len()).sum();
    let first = rows.iter().find_map(|table| {
        let row = table.rows.first()?;
        let cells = table
            .columns
            .iter()
            .zip(row)
            .map(|(column, value)| format!("{column}={}", shown(value)));
        Some(format!(
            "{} ({})",
            table.table,
            cells.collect::<Vec<_>>().join(", ")
        ))
    });
    match first {
        None => "no rows at all".to_owned(),
        Some(first) => format!("{}, first: {first}", counted(count, "row", "rows")),
    }
}
