//! Rows that a step refuses in its `check`, before anything is changed: they are found one kind after the other, and left out.

use super::super::Error;
use super::super::fixture::{self, TableRows};
use super::super::generate::shrink::shrink;
use super::super::parallel;
use super::super::scratch::ScratchDatabase;
use super::super::snapshot::counted;
use super::super::trial::{Stumble, snapshot};
use super::data_case::{DataCase, described, signature};
use crate::database::{Content, Value};
use crate::engine::Command;

/// How many kinds of rows a step may refuse before the rest is given up.
const MOST_REFUSALS: usize = 12;

/// How many of them are told.
const MOST_TOLD: usize = 2;

/// The places in which a step is asked whether it refuses rows.
pub(super) struct Refusals<'r> {
    places: Vec<Place<'r>>,
}

impl<'r> Refusals<'r> {
    pub(super) fn of(data_cases: &'r [DataCase<'r>]) -> Self {
        let places = data_cases.iter().map(|data_case| Place {
            data_case,
            untouched: None,
            cleared: None,
        });
        Self {
            places: places.collect(),
        }
    }

    /// Leaves out what the step refuses, and tells it in a line or two.
    pub(super) fn leave_out(&mut self, rows: &mut [TableRows]) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        let mut count = 0;
        while count < MOST_REFUSALS {
            let Some(refusal) = self.refused(rows)? else {
                break;
            };
            let refused = shrink(
                rows.to_vec(),
                |some| matches!(self.refused(some), Ok(Some(other)) if other == refusal),
            );
            if count < MOST_TOLD {
                notes.push(format!(
                    "left out, because its check refuses it: {}: {refusal}",
                    described(&refused)
                ));
            }
            count += 1;
            take_out(rows, &refused);
        }
        let more = count.saturating_sub(MOST_TOLD);
        if more > 0 {
            notes.push(format!(
                "and {} more that its check refuses",
                counted(more, "kind of rows", "kinds of rows")
            ));
        }
        Ok(notes)
    }

    /// What the step's check says, when it refuses the rows before anything is changed.
    fn refused(&mut self, rows: &[TableRows]) -> Result<Option<String>, Error> {
        for place in &mut self.places {
            let Some(database) = place.filled(rows)? else {
                return Ok(None);
            };
            if let Err(stumble) = place
                .data_case
                .trial
                .run(database.database(), Command::Migrate)
                && is_refusal(&stumble)
            {
                place.keep(database, rows)?;
                return Ok(Some(signature(&stumble)));
            }
        }
        Ok(None)
    }
}

/// One of them.
struct Place<'r> {
    data_case: &'r DataCase<'r>,
    /// A database in which a refusal has changed nothing, without rows again: to clear one takes less than to make one.
    untouched: Option<ScratchDatabase>,
    /// What has to be cleared; none where a copy of the empty database is not the same as one that is cleared.
    cleared: Option<Option<Content>>,
}

impl Place<'_> {
    /// A database with these rows; none when it does not take them.
    fn filled(&mut self, rows: &[TableRows]) -> Result<Option<ScratchDatabase>, Error> {
        match self.untouched.take() {
            Some(database) => {
                let loaded = parallel::wait(fixture::load_tables(rows, &database))?;
                Ok(loaded.is_ok().then_some(database))
            }
            None => self.data_case.filled(rows),
        }
    }

    /// Keeps a database for the next rows, after these were refused in it.
    fn keep(&mut self, database: ScratchDatabase, rows: &[TableRows]) -> Result<(), Error> {
        if !database.is_dear() {
            return Ok(());
        }
        if self.cleared.is_none() {
            let content = snapshot(&*database.database())?;
            self.cleared = Some(has_only(&content, rows).then_some(content));
        }
        if let Some(Some(content)) = &self.cleared
            && parallel::wait(database.clear(content))?.is_ok()
        {
            self.untouched = Some(database);
        }
        Ok(())
    }
}

/// Whether these are all the rows that there are, and nothing runs where rows are put in.
fn has_only(content: &Content, rows: &[TableRows]) -> bool {
    let count: usize = rows.iter().map(|rows| rows.rows.len()).sum();
    let mut objects = content.objects.keys();
    content.row_count() == count
        && !objects.any(|object| matches!(&*object.kind, "trigger" | "rule"))
}

/// Whether the step itself said no, in its own words, before anything was changed.
pub(super) fn is_refusal(stumble: &Stumble) -> bool {
    let in_own_words = |code: &str| code == "failed";
    stumble.is_refused
        && stumble
            .failure
            .as_ref()
            .is_some_and(|failure| in_own_words(&failure.code))
}

/// Takes some of the rows out.
fn take_out(rows: &mut [TableRows], some: &[TableRows]) {
    for rows in rows {
        let Some(some) = some.iter().find(|some| some.table == rows.table) else {
            continue;
        };
        let mut left = some.rows.clone();
        rows.rows.retain(
            |row| match left.iter().position(|other| is_same(row, other)) {
                Some(place) => {
                    left.remove(place);
                    false
                }
                None => true,
            },
        );
    }
}

/// Shrinking makes cells plain: a row is told by what both have.
fn is_same(row: &[Value], other: &[Value]) -> bool {
    let same = row.iter().zip(other).filter(|(one, other)| one == other);
    row == other || same.count() * 2 > row.len()
}
