//! What the host's own statements tell of a transaction: the first one, and the one that asks what was removed.

use std::io;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::DataRowBody;

use super::verify::JournalTables;

/// Which transaction it is, which process of the server works on it, and which tables are the journal's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) process: i64,
    pub(super) transaction: i64,
    /// None where it was not asked for.
    pub(super) journal: Option<JournalTables>,
    /// Which journals there are in the database.
    pub(super) journals: String,
    /// Which transactions have ended before that.
    pub(super) snapshot: String,
}

/// Which relations a transaction has removed: their numbers, with commas between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) gone: String,
    /// Those that end with it.
    pub(super) temporary: String,
    /// Whether a trigger may still wait for its end.
    pub(super) may_wait: bool,
}

/// The first cells of a row, as texts.
pub(super) fn cells<const COUNT: usize>(row: &DataRowBody) -> io::Result<[Option<String>; COUNT]> {
    let mut cells = row.ranges().map(|range| {
        let text = range.and_then(|range| row.buffer().get(range));
        Ok(text.map(|text| String::from_utf8_lossy(text).into_owned()))
    });
    let mut read = [const { None }; COUNT];
    for cell in &mut read {
        *cell = cells.next()?.flatten();
    }
    Ok(read)
}

/// Reads the answer to the first statement of a transaction.
pub(super) fn begun(row: &DataRowBody) -> io::Result<Option<Begun>> {
    let [
        Some(process),
        Some(transaction),
        journal,
        Some(journals),
        Some(snapshot),
    ] = cells(row)?
    else {
        return Ok(None);
    };
    let number = |text: &str| {
        text.parse()
            .map_err(|_| io::Error::other("a number was expected"))
    };
    Ok(Some(Begun {
        process: number(&process)?,
        transaction: number(&transaction)?,
        journals,
        snapshot,
        journal: journal
            .as_deref()
            .map(JournalTables::read)
            .transpose()
            .map_err(|error| io::Error::other(error.message))?,
    }))
}
