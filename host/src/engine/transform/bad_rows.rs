//! Rows for which the function has no answer, set aside when the operator lets them be.

use super::plan::Plan;
use crate::database::Session;
use crate::engine::Engine;
use crate::engine::failure::{Blame, Failure};
use crate::journal::{self, BadRow};
use crate::output::{counted, has_or_have};

/// Keeps bad rows in the journal, with the open transaction; a failure when there are too many of them.
pub(super) async fn keep(
    engine: &Engine,
    plan: &Plan,
    session: &mut dyn Session,
    bad: &[BadRow],
) -> Result<(), Failure> {
    let Some(last) = bad.last() else {
        return Ok(());
    };
    let index = plan.table.index;
    let kept = async {
        // Those of other workers are committed by then, and count.
        journal::lock_bad_rows(session, index).await?;
        let before = journal::count_bad_rows(session, index).await?;
        for row in bad {
            journal::write_bad_row(session, row).await?;
        }
        Ok((before, journal::count_bad_rows(session, index).await?))
    };
    let (before, count) = kept.await.map_err(Failure::from_database)?;
    let most = engine.options.transform.max_bad_rows;
    if count <= most {
        return Ok(());
    }
    Err(Failure::new(
        "limit",
        Blame::Step,
        format!(
            "{}: the limit `transform.max_bad_rows` is {most}, and {before} of them are set aside already; the last one has the key \
             {}: {}",
            counted(count, "bad row", "bad rows"),
            last.key,
            last.message
        ),
    ))
}

/// How many more bad rows may be set aside.
pub(super) async fn room(
    engine: &Engine,
    plan: &Plan,
    session: &mut dyn Session,
) -> Result<u64, Failure> {
    let count = journal::count_bad_rows(session, plan.table.index).await;
    let count = count.map_err(Failure::from_database)?;
    Ok(engine.options.transform.max_bad_rows.saturating_sub(count))
}

/// Refuses to continue while there are bad rows.
pub(super) async fn refuse(session: &mut dyn Session, plan: &Plan) -> Result<(), Failure> {
    let bad = journal::count_bad_rows(session, plan.table.index).await;
    let bad = bad.map_err(Failure::from_database)?;
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::new(
        "failed",
        Blame::Operator,
        format!(
            "{} {} no derived values yet (`wasmigrate bad-rows` lists what was rejected): fix the rows, or fix the component \
             and run `migrate --replace`",
            counted(bad, "bad row", "bad rows"),
            has_or_have(bad)
        ),
    ))
}
