//! Inserts: the application goes on. What it writes between migrate and finalize does not make finalize fail, and the number
//! that the database gives to the next row is free.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::fixture::{self, TableRows};
use super::super::report::{Finding, Part};
use super::super::trial::{Stumble, Trial};
use super::super::{Error, milliseconds, parallel};
use super::Case;
use super::data_case::described;
use crate::database::{Access, Content, Database, Shape, Stop, Table, Trait, Value};
use crate::engine::Command;

const ADVICE: &str = "until finalize the application writes as before: let finalize deal with the rows that came meanwhile, before it \
                      demands something of all rows";

/// Tries one place.
pub(super) fn check(trial: &Trial<'_>, case: &Case) -> Result<Part, Error> {
    let began = Instant::now();
    let mut part = Part {
        tried: 1,
        ..Part::default()
    };
    part.findings.extend(taken_number(case));
    if case.finalize_has_calls() && case.before.row_count() > 0 {
        part.findings.extend(written_between(trial, case)?);
    }
    part.milliseconds = milliseconds(began.elapsed());
    Ok(part)
}

/// A column whose next number a row has already, which was not so before.
fn taken_number(case: &Case) -> Option<Finding> {
    let undisturbed = &case.undisturbed;
    let taken = |content: &Content, piece: &Trait| {
        let [column] = &*piece.columns else {
            return None;
        };
        let next = piece.next?;
        let highest = highest(content.tables.get(&piece.table)?, column)?;
        (highest >= next).then_some((next, highest))
    };
    undisturbed.traits.iter().find_map(|piece| {
        let (next, highest) = taken(&undisturbed.finalized, piece)?;
        let same = |other: &&Trait| other.table == piece.table && other.columns == piece.columns;
        let before = case.traits.iter().filter(|other| other.next.is_some()).find(same);
        if before.is_some_and(|before| taken(&case.before, before).is_some()) {
            return None;
        }
        let (table, sequence) = (&piece.table, piece.target.as_ref()?);
        let column = piece.columns.first()?;
        Some(Finding {
            place: case.place(),
            message: format!(
                "the next row of {table} gets a number that may be taken: {sequence} gives {next}, and {table}.{column} goes up to \
                 {highest}"
            ),
            details: Vec::new(),
            advice: format!(
                "let the sequence go on after the rows: SELECT setval('{sequence}', (SELECT greatest(max({column}), 1) FROM {table}));"
            ),
        })
    })
}

fn highest(table: &Table, column: &str) -> Option<i64> {
    let position = table.columns.iter().position(|own| own == column)?;
    let cells = table.rows.iter().filter_map(|row| row.cells.get(position));
    cells.filter_map(Value::as_integer).max()
}

/// What goes wrong in finalize when the application has written a row as before, which is dealt with where it was there before
/// the step.
fn written_between(trial: &Trial<'_>, case: &Case) -> Result<Option<Finding>, Error> {
    let application = Application { trial, case };
    for row in application.rows_that_hinder()? {
        let Some(stumble) = application.writes(&row, When::Between)? else {
            continue;
        };
        if application.writes(&row, When::Before)?.is_none() {
            let what = "finalize fails when the application has written between the phases";
            let mut finding = stumble.finding(&case.place(), what, ADVICE);
            let written = described(std::slice::from_ref(&row));
            finding.details.push(format!("it has written {written}"));
            return Ok(Some(finding));
        }
    }
    Ok(None)
}

/// When the application writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    Between,
}

/// The application beside the step in one place.
struct Application<'a> {
    trial: &'a Trial<'a>,
    case: &'a Case,
}

impl Application<'_> {
    /// Rows as it has written some before, as far as they still fit between the phases; none where finalize succeeds with all of
    /// them.
    fn rows_that_hinder(&self) -> Result<Vec<TableRows>, Error> {
        let database = self.case.base.copy()?;
        if (self.trial.run(database.database(), Command::Migrate)).is_err() {
            return Ok(Vec::new());
        }
        let shapes = parallel::wait(shapes(&*database.database()))?
            .map_err(|error| Error::Setup(format!("cannot read a throw-away database: {error}")))?;
        let tables = self.case.before.tables.iter();
        let shaped = tables.filter_map(|(name, table)| Some((name, table, shapes.get(name)?)));
        let mut taken = Vec::new();
        for rows in shaped.flat_map(|(name, table, shape)| rows_of_application(name, table, shape))
        {
            let one = std::slice::from_ref(&rows);
            if parallel::wait(fixture::load_tables(one, &database))?.is_ok() {
                taken.push(rows);
            }
        }
        let done = self.trial.run(database.database(), Command::Finalize);
        Ok(match done {
            Ok(()) => Vec::new(),
            Err(_) => taken,
        })
    }

    /// Why the step does not succeed when the application has written this.
    fn writes(&self, rows: &TableRows, when: When) -> Result<Option<Stumble>, Error> {
        let database = self.case.base.copy()?;
        let run = |command| self.trial.run(database.database(), command);
        if when == When::Between
            && let Err(stumble) = run(Command::Migrate)
        {
            return Ok(Some(stumble));
        }
        // What is not taken is not written.
        let _ = parallel::wait(fixture::load_tables(std::slice::from_ref(rows), &database))?;
        Ok(run(Command::Finalize).err())
    }
}

async fn shapes(database: &dyn Database) -> crate::database::Result<BTreeMap<String, Shape>> {
    let mut session = database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let shapes = session.shapes().await;
    session.rollback().await?;
    shapes
}

/// Rows as the application has written some before: one like the last, and for each column in which a row has NULL, one that
/// has it there, too.
fn rows_of_application(name: &str, table: &Table, shape: &Shape) -> Vec<TableRows> {
    let Some(last) = table.rows.last() else {
        return Vec::new();
    };
    let is_written = |column: &str| {
        let mut own = shape.columns.iter();
        own.any(|own| own.name == column && !own.is_automatic && !own.is_computed)
    };
    let written: Vec<(usize, &String)> = (table.columns.iter().enumerate())
        .filter(|(_, column)| is_written(column))
        .collect();
    let has_null = |position: usize| {
        let mut rows = table.rows.iter();
        rows.any(|row| row.cells.get(position) == Some(&Value::Null))
    };
    let with_null = written
        .iter()
        .map(|(position, _)| *position)
        .filter(|position| has_null(*position));
    let variants: Vec<Option<usize>> = std::iter::once(None).chain(with_null.map(Some)).collect();
    let row = |(number, null): (usize, &Option<usize>)| -> Option<Vec<Value>> {
        let cell = |(position, column): &(usize, &String)| {
            let is_unique = shape.unique.iter().any(|unique| unique.contains(column));
            match (is_unique, null) {
                (true, _) => fresh(table, *position, number),
                (false, Some(null)) if null == position => Some(Value::Null),
                (false, _) => last.cells.get(*position).cloned(),
            }
        };
        written.iter().map(cell).collect()
    };
    let rows = variants.iter().enumerate().filter_map(row);
    let columns: Vec<String> = written
        .iter()
        .map(|(_, column)| (*column).clone())
        .collect();
    rows.map(|row| TableRows {
        table: name.to_owned(),
        columns: columns.clone(),
        rows: vec![row],
    })
    .collect()
}

/// A value that no row of the table has in this column.
fn fresh(table: &Table, position: usize, number: usize) -> Option<Value> {
    let cells = table.rows.iter().filter_map(|row| row.cells.get(position));
    let more = i64::try_from(number).ok()? + 1;
    match cells.clone().next_back()? {
        Value::Integer(_) => {
            let highest = cells.filter_map(Value::as_integer).max()?;
            Some(Value::Integer(highest.checked_add(more)?))
        }
        Value::Text(text) => Some(Value::Text(format!("{text}-{more}"))),
        _ => None,
    }
}
