//! The one way to commit what is written under a right.
//!
//! A [`Fenced`] is an open transaction together with the right to commit it. What its type says decides what can be done:
//!
//! ```text
//!   steps have run in it   Fenced<Unverified> ── verify ──> Fenced<Verified> ─┐
//!                                                                             ├─ commit, end, seal
//!   no step has            Fenced<NoStep>  ───────────────────────────────────┘
//! ```
//!
//! What was not verified has no `commit`. The fence is passed before the journal is written: from then on nobody else can
//! take the right away until the transaction ends, so that a journal which says something else than it should is never
//! the doing of a host that took over in between. Then come the changes to the journal, each of which names what it expects
//! (`records`), the output, and the commit; output counts as kept only when that succeeded.

use std::marker::PhantomData;

use async_trait::async_trait;

use super::{Lease, Outcome, Right, end_run};
use crate::database::{CommitPermit, Durability, Result, Session};

/// Lines of a run's output that no commit has kept yet.
#[async_trait]
pub trait PendingOutput: Send + Sync {
    /// Writes them into the open transaction.
    async fn write(&self, session: &mut dyn Session, run: i64) -> Result<()>;

    /// Takes note that the transaction was committed.
    fn committed(&self);

    /// Takes note that it was not, or that nobody knows.
    fn rolled_back(&self);

    /// Takes note that nobody knows which of the last commits the server still has.
    fn connection_lost(&self);
}

/// Steps have run in the transaction, and nobody has looked at what they did.
#[derive(Debug)]
pub struct Unverified;

/// Steps have run in the transaction, and what they did was looked at.
#[derive(Debug)]
pub struct Verified;

/// Only the host has written in the transaction.
#[derive(Debug)]
pub struct NoStep;

/// What may be committed.
pub trait Committable: sealed::Sealed {}

impl Committable for Verified {}

impl Committable for NoStep {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Verified {}
    impl Sealed for super::NoStep {}
}

/// An open transaction, and the right to commit it.
pub struct Fenced<'t, S> {
    session: &'t mut dyn Session,
    right: &'t dyn Right,
    output: Option<&'t dyn PendingOutput>,
    state: PhantomData<S>,
}

impl<'t> Fenced<'t, Unverified> {
    /// Takes over the session's open transaction, in which steps have run.
    pub fn of_steps(session: &'t mut dyn Session, right: &'t dyn Right) -> Self {
        Self {
            session,
            right,
            output: None,
            state: PhantomData,
        }
    }

    /// Looks at what the steps did, where that was not done before, and passes the fence.
    pub async fn verify(self) -> Result<Fenced<'t, Verified>> {
        self.session.verify().await?;
        self.right.fence(&mut *self.session).await?;
        Ok(Fenced {
            session: self.session,
            right: self.right,
            output: self.output,
            state: PhantomData,
        })
    }
}

impl<'t> Fenced<'t, NoStep> {
    /// Opens a transaction in which no step is going to run.
    pub async fn begin(
        session: &'t mut dyn Session,
        right: &'t dyn Right,
        durability: Durability,
    ) -> Result<Self> {
        session.begin(durability).await?;
        Self::join(session, right).await
    }

    /// Takes over the session's open transaction, in which only the host has written.
    pub async fn join(session: &'t mut dyn Session, right: &'t dyn Right) -> Result<Self> {
        right.fence(&mut *session).await?;
        Ok(Self {
            session,
            right,
            output: None,
            state: PhantomData,
        })
    }
}

impl<'t, S: Committable> Fenced<'t, S> {
    /// The open transaction, for the journal to be written in.
    pub fn session(&mut self) -> &mut dyn Session {
        &mut *self.session
    }

    /// Keeps these lines with it.
    pub fn with_output(self, output: &'t dyn PendingOutput) -> Self {
        Self {
            output: Some(output),
            ..self
        }
    }

    /// Writes the output and commits. Whether an error of a lost connection came before the commit or after it, only the
    /// journal can tell.
    pub async fn commit(self) -> Result<()> {
        self.seal().await?.commit().await
    }

    /// Ends the run and gives its lease back, with all else in this transaction.
    pub async fn end(
        mut self,
        lease: &Lease,
        outcome: Outcome,
        error: Option<&serde_json::Value>,
    ) -> Result<()> {
        end_run(self.session(), lease.run, outcome, error).await?;
        let sealed = self.seal().await?;
        lease.release(&mut *sealed.session).await?;
        sealed.commit().await
    }

    /// Writes all that is to be committed, for who commits several transactions one after the other.
    pub async fn seal(self) -> Result<Sealed<'t>> {
        if let Some(output) = self.output {
            let written = output.write(&mut *self.session, self.right.run()).await;
            written.inspect_err(|_| output.rolled_back())?;
        }
        Ok(Sealed {
            session: self.session,
            output: self.output,
        })
    }
}

/// A transaction in which everything is written, the fence among it.
pub struct Sealed<'t> {
    session: &'t mut dyn Session,
    output: Option<&'t dyn PendingOutput>,
}

impl Sealed<'_> {
    /// Waits for all that was sent, without committing.
    pub async fn settle(&mut self) -> Result<()> {
        self.session.settle().await
    }

    /// Commits.
    pub async fn commit(self) -> Result<()> {
        let committed = self.session.commit(CommitPermit::fenced()).await;
        match (self.output, &committed) {
            (Some(output), Ok(())) => output.committed(),
            (Some(output), Err(_)) => output.rolled_back(),
            (None, _) => {}
        }
        committed
    }
}
