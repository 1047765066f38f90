//! Rows whose values the database refuses: they are bad as those for which the function has no answer.
//!
//! The rows of a chunk are written all at once, and the database tells of none which it was. So what was refused is written
//! once more, in parts, each after a savepoint, until the rows are found.

use super::function::{Computed, Function};
use super::plan::Plan;
use crate::database::{Batch, Chunk, Session};
use crate::engine::failure::Failure;
use crate::journal::BadRow;

/// How computed rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// All at once.
    None,
    /// In parts, so that the rows are found whose values the database refuses.
    FindRefused,
}

/// Whether it is values that the database did not take.
pub(super) fn is_refusal(failure: &Failure) -> bool {
    let error = failure.database.as_ref();
    error.is_some_and(crate::database::Error::refuses_values)
}

/// Whether the work failed by no fault of its own, and is done again from the last commit.
pub(super) fn is_cut_off(failure: &Failure) -> bool {
    failure.is_lost_connection() || failure.code == "lease"
}

/// Writes computed rows in the open transaction. Returns how many were captured again, and all that are bad.
pub(super) async fn write(
    function: &Function<'_>,
    plan: &Plan,
    session: &mut dyn Session,
    computed: Computed,
    is_captured: bool,
    care: Care,
) -> Result<(u64, Vec<BadRow>), Failure> {
    let Computed {
        chunk,
        derived,
        mut bad,
    } = computed;
    if care == Care::None {
        let written = plan.table.write(session, chunk, derived, is_captured);
        let again = written.await.map_err(Failure::from_database)?;
        return Ok((again, bad));
    }
    let most = function.most_refused();
    let parts = write_parts(plan, session, &chunk, &derived, is_captured, most);
    let (again, refused) = parts.await.map_err(Failure::from_database)?;
    bad.extend(function.refuse(plan, &chunk, &refused)?);
    Ok((again, bad))
}

/// The same where what the transaction did before is not to be lost.
pub(super) async fn write_within(
    function: &Function<'_>,
    plan: &Plan,
    session: &mut dyn Session,
    computed: Computed,
) -> Result<(u64, Vec<BadRow>), Failure> {
    let savepoint = session.savepoint().await.map_err(Failure::from_database)?;
    let written = write(function, plan, session, computed.clone(), false, Care::None);
    match written.await {
        Ok(written) => {
            let released = session.release(savepoint).await;
            released.map_err(Failure::from_database)?;
            Ok(written)
        }
        Err(failure) if is_refusal(&failure) => {
            let undone = session.roll_back_to(savepoint).await;
            undone.map_err(Failure::from_database)?;
            write(function, plan, session, computed, false, Care::FindRefused).await
        }
        Err(failure) => Err(failure),
    }
}

/// Writes rows in parts. Returns how many were captured again, and the places of rows whose values the database refuses, with
/// its words: once there are so many as `most`, the rest is not written.
async fn write_parts(
    plan: &Plan,
    session: &mut dyn Session,
    chunk: &Chunk,
    derived: &Batch,
    is_captured: bool,
    most: usize,
) -> crate::database::Result<(u64, Vec<(usize, crate::database::Error)>)> {
    let transforming = session.server().transforming;
    transforming.check_at_once(session).await?;
    let mut again = 0;
    let mut refused = Vec::new();
    let mut parts = vec![(0..chunk.row_count()).collect::<Vec<_>>()];
    while let Some(mut rows) = parts.pop() {
        let savepoint = session.savepoint().await?;
        let (chunk, derived) = (chunk.select(&rows), derived.select(&rows));
        let written = async {
            let captured = plan.table.write(session, chunk, derived, is_captured).await;
            session.settle().await?;
            captured
        };
        match written.await {
            Ok(captured) => {
                again += captured;
                session.release(savepoint).await?;
            }
            Err(error) if error.refuses_values() => {
                session.roll_back_to(savepoint).await?;
                if let [row] = rows[..] {
                    refused.push((row, error));
                    if refused.len() >= most {
                        break;
                    }
                    continue;
                }
                let second = rows.split_off(rows.len() / 2);
                parts.push(second);
                parts.push(rows);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((again, refused))
}
