//! The end of a run of tenants, and the tries that failed in it.

use super::known;
use crate::database::{ErrorKind, Result, Session};
use crate::engine::end::{self, Ending};
use crate::engine::failure::Failure;
use crate::engine::run_output::RunOutput;
use crate::journal::{self, AttemptRecord, Lease, Outcome};

/// Ends a run together with the tries in it that failed and are not written down, and the tenants whose databases it has made.
pub(super) async fn end(
    session: &mut dyn Session,
    lease: &Lease,
    output: &RunOutput,
    outcome: Outcome,
    failure: Option<&Failure>,
    failures: &[AttemptRecord],
    unknown: &[&str],
) -> Result<()> {
    let ending = Ending {
        outcome,
        failure: failure.cloned(),
    };
    end::write(session, lease, output, &ending, async |fenced| {
        for failure in failures {
            journal::write_failure(fenced.session(), failure).await?;
        }
        known::write(unknown.iter().copied(), fenced.session()).await
    })
    .await
}

/// How a run ends that failed, when its end could be written down or not.
pub(super) fn as_written(
    written: Result<()>,
    outcome: Outcome,
    failure: Failure,
) -> (Outcome, Failure) {
    match written {
        Ok(()) => (outcome, failure),
        Err(error) => {
            tracing::warn!("the end of a run could not be written down: {error}");
            // Whose lease was taken is cancelled by its own heartbeat: the operator has nothing to do with it.
            let failure = match error.kind {
                ErrorKind::LeaseLost => Failure::from_database(error),
                _ => failure.unwritten(&error),
            };
            (Outcome::Interrupted, failure)
        }
    }
}

/// Whether the journal says that the run ended so.
pub(super) async fn has_ended(session: &mut dyn Session, lease: &Lease, outcome: Outcome) -> bool {
    let looked = async {
        session.rollback().await?;
        session.reconnect().await?;
        session.begin_read().await?;
        let runs = journal::read_runs(session, lease.run + 1, 1).await?;
        session.rollback().await?;
        Result::Ok(runs)
    };
    let runs = looked.await.unwrap_or_default();
    runs.iter()
        .any(|run| run.id == lease.run && run.outcome == Some(outcome))
}
