//! Rows that a step refuses in its `check`, before anything is changed, and those that refer to them: they are left out, and the
//! step is tried on the rest.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::Error;
use super::super::fixture::{self, TableRows};
use super::super::generate::halves::Halves;
use super::super::parallel;
use super::super::scratch::ScratchDatabase;
use super::super::snapshot::counted;
use super::super::trial::{Stumble, snapshot};
use super::data_case::{DataCase, described, signature};
use crate::database::Content;
use crate::engine::Command;

/// How many kinds of refusals are told.
const MOST_TOLD: usize = 2;

/// How long it is looked for rows that are not refused, where more than [`FEWEST_TRIES`] are needed.
const BUDGET: Duration = Duration::from_secs(10);

/// How often it is tried however long it takes.
const FEWEST_TRIES: usize = 100;

/// The places in which a step is asked whether it refuses rows.
pub(super) struct Refusals<'r> {
    places: Vec<Place<'r>>,
}

/// Rows that a step's check refuses, by its words.
type Refused = BTreeMap<String, Vec<TableRows>>;

/// What comes of some rows.
enum Answer {
    /// The step takes them.
    Accepted,
    /// The step's check refuses them, in these words.
    Refused(String),
    /// A table does not take them.
    NotTaken,
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

    /// Leaves out what the step refuses and what refers to that, and tells it in a few lines.
    pub(super) fn leave_out(&mut self, rows: &mut Vec<TableRows>) -> Result<Vec<String>, Error> {
        if let Answer::Accepted = self.answer(rows)? {
            return Ok(Vec::new());
        }
        let (accepted, refused) = self.accepted(std::mem::take(rows))?;
        *rows = accepted;
        let mut notes: Vec<String> = refused
            .iter()
            .take(MOST_TOLD)
            .map(|(words, refused)| {
                let refused = described(refused);
                format!("left out, because its check refuses it: {refused}: {words}")
            })
            .collect();
        let more = refused.len().saturating_sub(MOST_TOLD);
        if more > 0 {
            notes.push(format!(
                "and {} more that its check refuses",
                counted(more, "kind of rows", "kinds of rows")
            ));
        }
        Ok(notes)
    }

    /// As many of the rows as the step takes together, and those that it refuses beside them, by its words.
    fn accepted(&mut self, rows: Vec<TableRows>) -> Result<(Vec<TableRows>, Refused), Error> {
        let end = Instant::now() + BUDGET;
        let mut tries = 0;
        let mut kept: Vec<TableRows> = rows.iter().map(without_rows).collect();
        let mut left = rows;
        let mut refused = Refused::new();
        loop {
            let mut is_any_taken = false;
            for (place, table) in left.iter_mut().enumerate() {
                let empty = without_rows(table);
                let mut halves = Halves::of(std::mem::replace(table, empty), false);
                while let Some(some) = halves.next() {
                    tries += 1;
                    if tries > FEWEST_TRIES && Instant::now() > end {
                        return Ok((kept, refused));
                    }
                    let mut together = kept.clone();
                    if let Some(together) = together.get_mut(place) {
                        together.rows.extend(some.rows.iter().cloned());
                    }
                    let answer = self.answer(&together)?;
                    if let Answer::Accepted = answer {
                        is_any_taken = true;
                        kept = together;
                        halves.taken(some);
                        continue;
                    }
                    match answer {
                        Answer::Refused(words) if some.rows.len() == 1 => {
                            note(refused.entry(words).or_default(), &some);
                        }
                        // It may refer to a row of a table that comes after its own.
                        Answer::NotTaken if some.rows.len() == 1 => {
                            table.rows.extend(some.rows.iter().cloned());
                        }
                        _ => {}
                    }
                    halves.refused(some);
                }
            }
            if !is_any_taken || left.iter().all(|table| table.rows.is_empty()) {
                return Ok((kept, refused));
            }
        }
    }

    /// What comes of these rows, where the first place that does not take them says so.
    fn answer(&mut self, rows: &[TableRows]) -> Result<Answer, Error> {
        for place in &mut self.places {
            let Some(database) = place.filled(rows)? else {
                return Ok(Answer::NotTaken);
            };
            if let Err(stumble) = place
                .data_case
                .trial
                .run(database.database(), Command::Migrate)
                && is_refusal(&stumble)
            {
                place.keep(database, rows)?;
                return Ok(Answer::Refused(signature(&stumble)));
            }
        }
        Ok(Answer::Accepted)
    }
}

/// Adds rows of one table to others.
fn note(tables: &mut Vec<TableRows>, some: &TableRows) {
    match tables.iter_mut().find(|other| other.table == some.table) {
        Some(other) => other.rows.extend(some.rows.iter().cloned()),
        None => tables.push(some.clone()),
    }
}

fn without_rows(table: &TableRows) -> TableRows {
    TableRows {
        rows: Vec::new(),
        ..table.clone()
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
