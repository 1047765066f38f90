//! The end of a run of tenants, and the tries that failed in it.

use super::known;
use crate::database::{Durability, ErrorKind, Result, Session};
use crate::engine::end::{self, Ending};
use crate::engine::failure::Failure;
use crate::engine::run_output::RunOutput;
use crate::journal::{self, AttemptRecord, Lease, Outcome};
use crate::output::counted;

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

/// Whether the only transaction of a run came through although its connection was lost.
pub(super) async fn was_committed(session: &mut dyn Session, lease: &Lease) -> bool {
    let ended = async {
        session.rollback().await?;
        session.reconnect().await?;
        session.begin(Durability::Deferred).await?;
        let ended = journal::end_lost_transactions(session, lease, None).await;
        session.rollback().await?;
        ended
    };
    // The lease is not ours any more when it came through.
    let is_known = match ended.await {
        Ok(()) => true,
        Err(error) => error.kind == ErrorKind::LeaseLost,
    };
    is_known && has_ended(session, lease, Outcome::Done).await
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

/// The failure of a commit after those of these tenants, who keep what the run did.
pub(super) fn kept_in_part(failure: Failure, kept: &[&str], databases: usize) -> Failure {
    /// How many tenants it names.
    const NAMED: usize = 3;
    if kept.is_empty() {
        return failure;
    }
    let named = kept.iter().take(NAMED).map(|name| format!("`{name}`"));
    let named: Vec<String> = named.collect();
    let more = match kept.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "{}; before that {} of {} were committed and stay so: {}{more}; the next run completes the others, and repeats nothing",
        failure.message,
        kept.len(),
        counted(databases.saturating_sub(1), "tenant", "tenants"),
        named.join(", ")
    );
    Failure {
        message,
        is_kept: true,
        ..failure
    }
}
