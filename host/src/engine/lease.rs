//! The lease as operators see it, and what takes it from whoever holds it.

use serde::{Deserialize, Serialize};

use super::failure::{Blame, Failure};
use super::{Engine, RunError};
use crate::database::{Access, Durability, LockHolder, Stop};
use crate::journal::{self, Fenced, LeaseRecord};

/// Who lost what when the lease was broken, or has it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Broken {
    /// The lease; none when nobody held it.
    pub lease: Option<LeaseRecord>,
    /// The hosts that had the target's lock, and were about to begin a run.
    pub beginning: Vec<LockHolder>,
}

impl Engine {
    /// Who holds the lease, or died holding it.
    pub async fn lease(&self) -> Result<Option<LeaseRecord>, RunError> {
        Ok(self.snapshot(&Stop::default()).await?.lease)
    }

    /// Who holds the lease, and who is about to begin a run.
    pub async fn lease_and_beginning(&self) -> Result<Broken, RunError> {
        Ok(Broken {
            lease: self.lease().await?,
            beginning: self.lock_holders().await?,
        })
    }

    /// Who has the lock of the target, as hosts have while they begin a run.
    pub async fn lock_holders(&self) -> Result<Vec<LockHolder>, RunError> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let holders = session.target_lock_holders().await?;
        session.rollback().await?;
        Ok(holders)
    }

    /// Takes the lease from whoever holds it, for nobody: that host cannot commit anything any more. Its run ends as
    /// interrupted, for this reason. Hosts that are about to begin a run are kept from that.
    pub async fn break_lease(&self, reason: &str) -> Result<Broken, RunError> {
        let stop = Stop::default();
        let lease = self.snapshot(&stop).await?.lease;
        let mut session = self.database.open(Access::Read, &stop).await?;
        session.begin_read().await?;
        let beginning = session.end_target_lock_holders().await?;
        session.rollback().await?;
        drop(session);
        if lease.is_none() {
            return Ok(Broken { lease, beginning });
        }
        let mut session = self.database.open(Access::Write, &stop).await?;
        session.begin(Durability::Flushed).await?;
        let right = journal::lock_out(&mut *session).await?;
        let mut fenced = Fenced::join(&mut *session, &right).await?;
        let lease = journal::read(fenced.session()).await?.lease;
        if let Some(lease) = &lease {
            let by = &self.options.commander;
            let message = format!("{} broke its lease: {reason}", by.in_words());
            let failure = Failure::new("lease", Blame::Operator, message);
            journal::end_dead_runs(fenced.session(), Some(&failure.to_json())).await?;
            journal::write_order(fenced.session(), lease.run, journal::BREAK, by).await?;
        }
        fenced.commit().await?;
        Ok(Broken { lease, beginning })
    }

    /// Ends a run of this process whose thread broke down: nobody is at it any more. Nothing when it has ended, or its lease
    /// is somebody else's.
    pub(super) async fn end_broken_run(&self, run: i64, failure: &Failure) -> Result<(), RunError> {
        let mut session = self.database.open(Access::Write, &Stop::default()).await?;
        session.begin(Durability::Flushed).await?;
        session.lock_target(&journal::holder()).await?;
        let lease = journal::read(&mut *session).await?.lease;
        if !lease.is_some_and(|lease| lease.run == run && lease.is_ours()) {
            return Ok(session.rollback().await?);
        }
        // Only now: nobody else's transactions may be ended.
        let right = journal::lock_out(&mut *session).await?;
        let mut fenced = Fenced::join(&mut *session, &right).await?;
        let error = Some(failure.to_json());
        let outcome = journal::Outcome::Failed;
        journal::end_run(fenced.session(), run, outcome, error.as_ref()).await?;
        journal::end_dead_runs(fenced.session(), None).await?;
        Ok(fenced.commit().await?)
    }
}
