//! How far transformations are: what they were set up for, the ranges into which they split their tables, and the rows
//! that they rejected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cells::{columns, index as index_of, number, text};
use super::tables::tables;
use super::{read_key, write_key};
use crate::catalog::index_label;
use crate::database::{Error, ErrorKind, Result, Session, Value};

/// A transformation that was begun and is not finalized.
#[derive(Clone, Debug)]
pub struct TransformationRecord {
    /// What it said of itself when it was begun, in JSON: what is to be finalized or undone.
    pub description: String,
    /// How many rows are done.
    pub rows_done: i64,
    /// How many rows it rejected.
    pub bad_rows: i64,
}

/// A part of a table, in the order of its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Its number within the step, from 1.
    pub number: i64,
    /// The key of its last row; none for the last range, which is open.
    pub upper: Option<Vec<Value>>,
    /// The key of the last row that is done; the end of the range before at first.
    pub position: Option<Vec<Value>>,
    /// How many rows are done.
    pub rows_done: i64,
    /// Whether all are.
    pub is_done: bool,
}

/// A row that a transformation rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BadRow {
    /// The step.
    pub index: u64,
    /// The row's key, as a list in JSON.
    pub key: String,
    /// What the function was given, as a list in JSON.
    pub input: String,
    /// Why it was rejected.
    pub message: String,
    /// The run that found it.
    pub run: i64,
    /// When.
    pub found_at: i64,
}

/// The transformations that are not finalized.
pub(super) async fn read(session: &mut dyn Session) -> Result<BTreeMap<u64, TransformationRecord>> {
    let rows = tables(session)
        .rows(
            "SELECT step_index, description,
             (SELECT CAST(coalesce(sum(rows_done), 0) AS BIGINT) FROM wasmigrate_range AS part
              WHERE part.step_index = begun.step_index),
             (SELECT count(*) FROM wasmigrate_bad_row AS bad WHERE bad.step_index = begun.step_index)
             FROM wasmigrate_transformation AS begun ORDER BY step_index",
            &[],
        )
        .await?;
    let mut transformations = BTreeMap::new();
    for row in rows {
        let [index, description, rows_done, bad_rows] = columns(row)?;
        let record = TransformationRecord {
            description: text(&description),
            rows_done: number(&rows_done),
            bad_rows: number(&bad_rows),
        };
        transformations.insert(index_of(&index), record);
    }
    Ok(transformations)
}

/// Begins a transformation with this description, these ranges, and no bad rows; anew when it was begun before with another
/// one.
pub async fn begin_transformation(
    session: &mut dyn Session,
    step: u64,
    before: Option<&str>,
    description: &str,
    ranges: &[Range],
) -> Result<()> {
    for statement in [
        "DELETE FROM wasmigrate_range WHERE step_index = $1",
        "DELETE FROM wasmigrate_bad_row WHERE step_index = $1",
    ] {
        tables(session)
            .execute_later(statement, &[step.into()])
            .await?;
    }
    match before {
        Some(before) => redescribe(session, step, before, description).await?,
        None => {
            let insert =
                "INSERT INTO wasmigrate_transformation (step_index, description) VALUES ($1, $2)";
            let parameters = [step.into(), description.into()];
            tables(session).execute_later(insert, &parameters).await?;
        }
    }
    for range in ranges {
        tables(session)
            .execute_later(
                "INSERT INTO wasmigrate_range (step_index, number, upper_key, position, rows_done, is_done)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &[
                    step.into(),
                    range.number.into(),
                    range.upper.as_deref().map(write_key).into(),
                    range.position.as_deref().map(write_key).into(),
                    range.rows_done.into(),
                    i64::from(range.is_done).into(),
                ],
            )
            .await?;
    }
    Ok(())
}

/// Replaces the description of a transformation that continues.
pub async fn redescribe(
    session: &mut dyn Session,
    step: u64,
    before: &str,
    description: &str,
) -> Result<()> {
    tables(session)
        .require(
            "UPDATE wasmigrate_transformation SET description = $1 WHERE step_index = $2 AND description = $3
             RETURNING step_index",
            &[description.into(), step.into(), before.into()],
            1,
            conflict(step),
        )
        .await
}

/// Forgets transformations, all of which the journal must name: they are finalized, or reset.
pub async fn forget_transformations(session: &mut dyn Session, steps: &[u64]) -> Result<()> {
    for step in steps {
        let parameters = [(*step).into()];
        let otherwise = Error::new(
            ErrorKind::Conflict,
            "the journal does not name the transformations any more that this run has read in it: nothing was committed; \
             run the command again",
        );
        tables(session)
            .require(
                "DELETE FROM wasmigrate_transformation WHERE step_index = $1 RETURNING step_index",
                &parameters,
                1,
                otherwise,
            )
            .await?;
        for statement in [
            "DELETE FROM wasmigrate_range WHERE step_index = $1",
            "DELETE FROM wasmigrate_bad_row WHERE step_index = $1",
        ] {
            tables(session)
                .execute_later(statement, &parameters)
                .await?;
        }
    }
    Ok(())
}

/// Moves a range on from where it was.
pub async fn advance_range(
    session: &mut dyn Session,
    step: u64,
    from: &Range,
    to: &Range,
) -> Result<()> {
    tables(session)
        .require(
            "UPDATE wasmigrate_range SET position = $1, rows_done = $2, is_done = $3
             WHERE step_index = $4 AND number = $5 AND position IS NOT DISTINCT FROM $6 AND rows_done = $7 AND is_done = 0
             RETURNING number",
            &[
                to.position.as_deref().map(write_key).into(),
                to.rows_done.into(),
                i64::from(to.is_done).into(),
                step.into(),
                from.number.into(),
                from.position.as_deref().map(write_key).into(),
                from.rows_done.into(),
            ],
            1,
            conflict(step),
        )
        .await
}

/// The journal is not as a run has left or found it.
fn conflict(step: u64) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the journal does not say any more of the transformation {} what this run has left there: nothing of the \
             transaction was committed; run the command again",
            index_label(step)
        ),
    )
}

/// The ranges of a step, in their order.
pub async fn read_ranges(session: &mut dyn Session, step: u64) -> Result<Vec<Range>> {
    let rows = tables(session)
        .rows(
            "SELECT number, upper_key, position, rows_done, is_done FROM wasmigrate_range WHERE step_index = $1
             ORDER BY number",
            &[step.into()],
        )
        .await?;
    let key = |text: &Value| text.as_text().map(read_key).transpose();
    rows.into_iter()
        .map(|row| {
            let [range, upper, position, rows_done, is_done] = columns(row)?;
            Ok(Range {
                number: number(&range),
                upper: key(&upper)?,
                position: key(&position)?,
                rows_done: number(&rows_done),
                is_done: number(&is_done) != 0,
            })
        })
        .collect()
}

/// Keeps a row that was rejected, in the place of what was known of it before.
pub async fn write_bad_row(session: &mut dyn Session, row: &BadRow) -> Result<()> {
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_bad_row (step_index, row_key, input, message, run, found_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (step_index, row_key) DO UPDATE SET input = excluded.input, message = excluded.message,
             run = excluded.run, found_at = excluded.found_at",
            &[
                row.index.into(),
                row.key.as_str().into(),
                row.input.as_str().into(),
                row.message.as_str().into(),
                row.run.into(),
                row.found_at.into(),
            ],
        )
        .await
}

/// Keeps other transactions from setting bad rows of a step aside, until this one ends.
pub async fn lock_bad_rows(session: &mut dyn Session, step: u64) -> Result<()> {
    tables(session)
        .execute_later(
            "UPDATE wasmigrate_transformation SET description = description WHERE step_index = $1",
            &[step.into()],
        )
        .await
}

/// How many rows of a step are kept as bad.
pub async fn count_bad_rows(session: &mut dyn Session, step: u64) -> Result<u64> {
    let rows = tables(session)
        .rows(
            "SELECT count(*) FROM wasmigrate_bad_row WHERE step_index = $1",
            &[step.into()],
        )
        .await?;
    Ok(u64::try_from(super::integer(&rows, 0)).unwrap_or(0))
}

/// The bad rows after this step and key, at most so many, in the order of steps and keys.
pub async fn read_bad_rows(
    session: &mut dyn Session,
    after: (u64, &str),
    most: u32,
) -> Result<Vec<BadRow>> {
    let version = super::schema::version(session).await?;
    if version.is_none_or(|version| version < super::schema::SECOND) {
        return Ok(Vec::new());
    }
    let rows = tables(session)
        .rows(
            "SELECT step_index, row_key, input, message, run, found_at FROM wasmigrate_bad_row
             WHERE step_index > $1 OR (step_index = $1 AND row_key > $2) ORDER BY step_index, row_key LIMIT $3",
            &[after.0.into(), after.1.into(), most.into()],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let [index, key, input, message, run, found_at] = columns(row)?;
            Ok(BadRow {
                index: index_of(&index),
                key: text(&key),
                input: text(&input),
                message: text(&message),
                run: number(&run),
                found_at: number(&found_at),
            })
        })
        .collect()
}

/// Forgets bad rows of a step by their keys.
pub async fn forget_bad_rows(session: &mut dyn Session, step: u64, keys: &[String]) -> Result<()> {
    // As many parameters as every database takes.
    for keys in keys.chunks(500) {
        let numbers: Vec<String> = (2..keys.len() + 2)
            .map(|number| format!("${number}"))
            .collect();
        let statement = format!(
            "DELETE FROM wasmigrate_bad_row WHERE step_index = $1 AND row_key IN ({})",
            numbers.join(", ")
        );
        let mut parameters: Vec<Value> = vec![step.into()];
        parameters.extend(keys.iter().map(|key| key.as_str().into()));
        tables(session)
            .execute_later(&statement, &parameters)
            .await?;
    }
    Ok(())
}
