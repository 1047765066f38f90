//! Whether it is settled what becomes of another tool's history.

use super::record::{BASELINE, IMPORT, SYNC};
use crate::catalog::runs_last;
use crate::database::{self, Session};
use crate::journal::{self, Snapshot};

/// Whether a step is applied.
pub(super) fn has_steps(snapshot: &Snapshot) -> bool {
    snapshot.steps.keys().any(|index| !runs_last(*index))
}

/// Whether it was said what becomes of a history, or the target has from here what was applied to it.
pub(super) async fn is_settled(
    snapshot: &Snapshot,
    session: &mut dyn Session,
) -> Result<bool, database::Error> {
    if snapshot.last_run.is_none() || has_steps(snapshot) {
        return Ok(has_steps(snapshot));
    }
    let adoptions = journal::runs_done(session, &[BASELINE, IMPORT, SYNC]).await?;
    Ok(!adoptions.is_empty() || journal::serves_anybody(session).await?)
}
