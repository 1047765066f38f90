//! Proves before the cut-over that no row was left out: what goes then cannot be computed from again.
//!
//! A concerned row that nobody has computed has none of its derived values. So have rows for which the function said null,
//! and the database does not tell the two apart; but the function does: it is pure, and is asked once more. That costs a
//! look through the table, beside the application, and the time of the function for rows without values. From then on
//! nothing is left out but what waits in the capture, because whatever writes derived values captures those rows that it
//! did not write.

use std::collections::BTreeSet;

use super::bad_rows;
use super::drain::Drain;
use super::function::Computed;
use crate::database::{Cell, Durability, Session, Value};
use crate::engine::failure::{Blame, Failure};
use crate::journal::{self, Fenced, Lease};
use crate::output::{counted, has_or_have};

/// How many rows are looked at at once.
const AT_ONCE: usize = 5_000;

/// How many keys a failure tells of.
const TOLD: usize = 3;

/// Takes up what was left out: such rows are captured and computed as those that the application changes, and all rows of
/// parts that have come since the capture was set up. A failure when rows still have no values then.
pub(super) async fn take_up(
    drain: &mut Drain<'_>,
    session: &mut dyn Session,
    lease: &Lease,
    new_parts: &BTreeSet<String>,
) -> Result<(), Failure> {
    let has_new = capture_parts(drain, session, lease, new_parts).await?;
    let found = look_through(drain, session, Some(lease)).await?;
    if found.count == 0 && !has_new {
        return Ok(());
    }
    drain.until_few(session, lease).await?;
    session.begin_read().await.map_err(Failure::from_database)?;
    let refused = bad_rows::refuse(session, drain.plan).await;
    session.rollback().await.map_err(Failure::from_database)?;
    refused?;
    let left = look_through(drain, session, None).await?;
    if left.count == 0 {
        return Ok(());
    }
    let more = match left.count.saturating_sub(left.first.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(Failure::new(
        "failed",
        Blame::Operator,
        format!(
            "{} of the table {} {} no derived values, though the function has some, which cannot be written: keys {}{more}; \
             nothing was dropped. Something takes the values away again, such as a trigger of the table: let it leave them, and run \
             the command again; or `wasmigrate reset` undoes the step",
            counted(left.count, "row", "rows"),
            drain.plan.table.name,
            has_or_have(left.count),
            left.first.join(", ")
        ),
    ))
}

/// Captures all rows of these parts: they may have brought values with them, which may be others than the function's, and also
/// where that has none. Whether there were any.
async fn capture_parts(
    drain: &mut Drain<'_>,
    session: &mut dyn Session,
    lease: &Lease,
    parts: &BTreeSet<String>,
) -> Result<bool, Failure> {
    let plan = drain.plan;
    let mut after: Option<Vec<Value>> = None;
    loop {
        session.begin_read().await.map_err(Failure::from_database)?;
        let table = &plan.table;
        let read = table.rows_of_parts(session, parts, after.as_deref(), AT_ONCE);
        let read = read.await;
        session.rollback().await.map_err(Failure::from_database)?;
        let chunk = read.map_err(Failure::from_database)?;
        let rows = 0..chunk.row_count();
        let keys: Vec<Vec<Value>> = rows.map(|row| chunk.key(table, row)).collect();
        let Some(last) = keys.last().cloned() else {
            return Ok(after.is_some());
        };
        capture(drain, session, lease, keys).await?;
        after = Some(last);
    }
}

/// Lets these rows be computed as those that the application changes, in a transaction of its own.
async fn capture(
    drain: &Drain<'_>,
    session: &mut dyn Session,
    lease: &Lease,
    keys: Vec<Vec<Value>>,
) -> Result<(), Failure> {
    let captured = async {
        session.begin(Durability::Deferred).await?;
        drain.plan.table.capture(session, keys).await?;
        let fenced = Fenced::of_steps(session, lease).verify().await?;
        let output = &*drain.function.context.output;
        fenced.with_output(output).commit().await
    };
    captured.await.map_err(Failure::from_database)
}

/// Rows that were left out.
#[derive(Default)]
struct Found {
    count: usize,
    /// The keys of the first.
    first: Vec<String>,
}

/// Looks for rows without values that the function has values for, or no answer; captures them where it has the right to.
async fn look_through(
    drain: &mut Drain<'_>,
    session: &mut dyn Session,
    lease: Option<&Lease>,
) -> Result<Found, Failure> {
    let plan = drain.plan;
    let mut found = Found::default();
    let mut after: Option<Vec<Value>> = None;
    loop {
        session.begin_read().await.map_err(Failure::from_database)?;
        let read = plan
            .table
            .rows_without_values(session, after.as_deref(), AT_ONCE)
            .await;
        session.rollback().await.map_err(Failure::from_database)?;
        let chunk = read.map_err(Failure::from_database)?;
        let Some(last) = chunk.row_count().checked_sub(1) else {
            return Ok(found);
        };
        after = Some(chunk.key(&plan.table, last));
        let stop = drain.function.stop;
        stop.set_deadline(Some(drain.function.engine.deadline()));
        let computed = drain.function.compute(plan, chunk).await;
        stop.set_deadline(None);
        let Computed {
            chunk,
            derived,
            bad,
        } = computed?;
        let has_value = |row: &usize| {
            let mut columns = derived.columns.iter();
            columns.any(|column| column.cell(*row) != Cell::Null)
        };
        let rows = (0..chunk.row_count()).filter(has_value);
        let mut keys: Vec<Vec<Value>> = rows.map(|row| chunk.key(&plan.table, row)).collect();
        for row in &bad {
            keys.push(journal::read_key(&row.key).map_err(Failure::from_database)?);
        }
        found.count += keys.len();
        let room = TOLD.saturating_sub(found.first.len());
        let first = keys.iter().take(room).map(|key| journal::write_key(key));
        found.first.extend(first);
        if let Some(lease) = lease
            && !keys.is_empty()
        {
            capture(drain, session, lease, keys).await?;
        }
    }
}
