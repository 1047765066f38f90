//! The end of a run, written down.

use crate::database::{Durability, ErrorKind, Result, Session};
use crate::engine::failure::Failure;
use crate::engine::run_output::RunOutput;
use crate::journal::{self, AttemptRecord, Lease, Outcome, Right as _};

/// Ends a run that left nothing to commit.
pub(super) async fn end(
    session: &mut dyn Session,
    lease: &Lease,
    output: &RunOutput,
    outcome: Outcome,
    failure: Option<&Failure>,
) -> Result<()> {
    session.rollback().await?;
    output.rolled_back();
    session.begin(Durability::Flushed).await?;
    let error = failure.map(Failure::to_json);
    journal::end_run(session, lease.run, outcome, error.as_ref()).await?;
    output.write(session, lease).await?;
    lease.fence(session).await?;
    lease.release(session).await?;
    session.commit().await?;
    output.committed();
    Ok(())
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
                _ => failure,
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

/// Keeps what the run leaves, for `verify` to compare with. A target that does not tell ends its run all the same; `verify`
/// then says that it does not know. But a connection that is lost meanwhile is no such thing.
pub(super) async fn keep_schema(session: &mut dyn Session, lease: &Lease) -> Result<()> {
    let kept = async {
        session.begin(Durability::Deferred).await?;
        journal::keep_schema(session, lease.run).await?;
        lease.fence(session).await?;
        session.commit().await
    };
    match kept.await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::LeaseLost) => {
            Err(error)
        }
        Err(_) => session.rollback().await,
    }
}

/// Writes down tries that failed.
pub(super) async fn write_failures(
    session: &mut dyn Session,
    failures: &[AttemptRecord],
    lease: &Lease,
) -> Result<()> {
    session.rollback().await?;
    if failures.is_empty() {
        return Ok(());
    }
    session.begin(Durability::Deferred).await?;
    for failure in failures {
        journal::write_failure(session, failure).await?;
    }
    lease.fence(session).await?;
    session.commit().await
}
