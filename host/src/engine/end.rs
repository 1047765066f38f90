//! How a run ends: what it leaves is kept for `verify`, and the end is written to the disk together with the output that
//! waits and the return of the lease.

use super::failure::{Blame, Failure};
use super::interruption::{Interruption, outcome_of};
use crate::database::{Durability, ErrorKind, Result, Session};
use crate::journal::{self, Fenced, Lease, NoStep, Outcome, PendingOutput};

/// How a run ends.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) failure: Option<Failure>,
}

impl Ending {
    /// What became of a run's work.
    pub(super) fn of(interruption: Option<&Interruption>) -> Self {
        let Some(interruption) = interruption else {
            return Self {
                outcome: Outcome::Done,
                failure: None,
            };
        };
        let failure = interruption.failure();
        Self {
            outcome: match interruption {
                Interruption::Refused(_) => Outcome::Refused,
                Interruption::Failed(_) | Interruption::Disconnected(_) => outcome_of(failure),
                Interruption::Over(_) => Outcome::Interrupted,
            },
            failure: Some(failure.clone()),
        }
    }

    /// The end of a run whose commits the server has lost.
    pub(super) fn of_gap(failure: Failure) -> Self {
        Self {
            outcome: Outcome::Failed,
            failure: Some(failure),
        }
    }

    /// The end of a run whose end could not be written down.
    pub(super) fn unwritten(self, error: crate::database::Error) -> Self {
        // Whose lease was taken is cancelled by its own heartbeat: the operator has nothing to do with it.
        let is_taken = error.kind == ErrorKind::LeaseLost;
        let failure = match self.failure {
            Some(failure) if is_taken => failure.fenced_off(error),
            Some(failure) => failure.unwritten(&error),
            None => Failure::from_database(error),
        };
        Self {
            outcome: Outcome::Interrupted,
            failure: Some(failure),
        }
    }
}

/// The failure of a run that the database has lost commits of, `from` a step on.
pub(super) fn gap(from: &str) -> Failure {
    Failure::new(
        "database",
        Blame::Database,
        format!(
            "the database went down and has lost the last commits of this run, from {from} on, which had not reached its disk: \
             nothing is half done; run the command again"
        ),
    )
}

/// Writes down how a run ends; once. `demand` adds to the last transaction what must be true for it to be committed, or what
/// else it is to hold.
pub(super) async fn write(
    session: &mut dyn Session,
    lease: &Lease,
    output: &dyn PendingOutput,
    ending: &Ending,
    demand: impl AsyncFnOnce(&mut Fenced<'_, NoStep>) -> Result<()>,
) -> Result<()> {
    session.rollback().await?;
    keep_schema(session, lease, ending.outcome).await?;
    let mut fenced = Fenced::begin(session, lease, Durability::Flushed).await?;
    demand(&mut fenced).await?;
    let error = ending.failure.as_ref().map(Failure::to_json);
    let fenced = fenced.with_output(output);
    fenced.end(lease, ending.outcome, error.as_ref()).await
}

/// The same with as little as the journal must know, where there is no room for more: neither the schema nor output.
pub(super) async fn write_briefly(
    session: &mut dyn Session,
    lease: &Lease,
    ending: &Ending,
    demand: impl AsyncFnOnce(&mut Fenced<'_, NoStep>) -> Result<()>,
) -> Result<()> {
    session.rollback().await?;
    let mut fenced = Fenced::begin(session, lease, Durability::Flushed).await?;
    demand(&mut fenced).await?;
    let error = ending.failure.as_ref().map(Failure::to_json);
    fenced.end(lease, ending.outcome, error.as_ref()).await
}

/// Keeps what the run leaves, for `verify` to compare with. A target that does not tell ends its run all the same; `verify`
/// then says that it does not know. But a connection that is lost meanwhile is no such thing. A run that was refused leaves what
/// the one before left, whatever somebody else has changed since.
async fn keep_schema(session: &mut dyn Session, lease: &Lease, outcome: Outcome) -> Result<()> {
    let kept = async {
        session.begin(Durability::Deferred).await?;
        // A host that falls asleep meanwhile has locked nothing.
        let schema = match outcome {
            Outcome::Refused => journal::schema_before(session, lease.run).await?,
            _ => Some(journal::whole_schema(session).await?),
        };
        let Some(schema) = schema else {
            return session.rollback().await;
        };
        let mut fenced = Fenced::join(session, lease).await?;
        journal::write_schema(fenced.session(), lease.run, &schema).await?;
        fenced.commit().await
    };
    match kept.await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::LeaseLost) => {
            Err(error)
        }
        Err(_) => session.rollback().await,
    }
}
