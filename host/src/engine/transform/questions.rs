//! What is asked of a table before its rows are touched.

use super::plan::Plan;
use super::query::step_rows;
use crate::database::{Result, Session, Value};
use crate::engine::failure::{Blame, Failure};

/// How many rows are concerned.
pub(super) async fn count(session: &mut dyn Session, plan: &Plan) -> Result<u64> {
    let rows = step_rows(session, &plan.count(), &[]).await?;
    let count = rows.first().and_then(|row| row.first());
    let count = count.and_then(Value::as_integer).unwrap_or(0);
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Refuses a table with a row that nothing names.
pub(super) async fn refuse_nameless(
    session: &mut dyn Session,
    plan: &Plan,
) -> std::result::Result<(), Failure> {
    let Some(query) = plan.nameless() else {
        return Ok(());
    };
    let found = session.rows(&query, &[]).await;
    match found.map_err(Failure::from_database)?.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            "incompatible",
            Blame::Step,
            format!(
                "a row of the table {} has no key, so that nothing names it: fill it in, or name other columns as the key",
                plan.table
            ),
        )),
    }
}
