//! The end of a run, written down.

use crate::database::{Durability, Session};
use crate::engine::failure::Failure;
use crate::engine::run_output::RunOutput;
use crate::journal::{self, AttemptRecord, Lease, Outcome};

/// Ends a run that left nothing to commit. What cannot be written down is found by the next host.
pub(super) async fn end(
    session: &mut dyn Session,
    lease: &Lease,
    output: &RunOutput,
    outcome: Outcome,
    failure: Option<&Failure>,
) {
    let written = async {
        session.rollback().await?;
        session.reconnect().await?;
        output.rolled_back();
        session.begin(Durability::Flushed).await?;
        let error = failure.map(Failure::to_json);
        journal::end_run(session, lease.run, outcome, error.as_ref()).await?;
        output.write(session, lease).await?;
        lease.fence(session).await?;
        lease.release(session).await?;
        session.commit().await
    };
    let written: crate::database::Result<()> = written.await;
    if let Err(error) = written {
        tracing::warn!(
            "the end of run {} could not be written down: {error}",
            lease.run
        );
    }
}

/// Keeps what the run leaves, for `verify` to compare with.
pub(super) async fn keep_schema(session: &mut dyn Session, lease: &Lease) {
    let kept = async {
        session.rollback().await?;
        session.reconnect().await?;
        session.begin(Durability::Deferred).await?;
        journal::keep_schema(session, lease.run).await?;
        lease.fence(session).await?;
        session.commit().await
    };
    // A target that does not tell ends its run all the same; `verify` then says that it does not know.
    let _: crate::database::Result<()> = kept.await;
}

/// Writes down tries that failed.
pub(super) async fn write_failures(
    session: &mut dyn Session,
    failures: &[AttemptRecord],
    lease: &Lease,
) {
    let written = async {
        session.rollback().await?;
        session.reconnect().await?;
        session.begin(Durability::Deferred).await?;
        for failure in failures {
            journal::write_failure(session, failure).await?;
        }
        lease.fence(session).await?;
        session.commit().await
    };
    let written: crate::database::Result<()> = written.await;
    if let Err(error) = written {
        tracing::warn!(
            "why run {} failed could not be written down: {error}",
            lease.run
        );
    }
}
