//! What is next in a range.

use super::plan::Plan;
use crate::database::{Chunk, Result, Session};
use crate::journal::Range;

/// The next rows of a range, at most `most`, and the range as it is after them.
pub(super) async fn next_of(
    range: &Range,
    session: &mut dyn Session,
    plan: &Plan,
    most: usize,
) -> Result<(Chunk, Range)> {
    let (lower, upper) = (range.position.as_deref(), range.upper.as_deref());
    let chunk = plan.table.rows_between(session, lower, upper, most).await?;
    // However large the rows are, there are none only at the end.
    let rows = chunk.row_count();
    let mut after = range.clone();
    match rows.checked_sub(1) {
        None => after.is_done = true,
        Some(last) => {
            after.position = Some(chunk.key(&plan.table, last));
            after.rows_done += i64::try_from(rows).unwrap_or(0);
        }
    }
    Ok((chunk, after))
}
