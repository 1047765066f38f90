//! The rights under which a transaction may be committed.

use async_trait::async_trait;

use crate::database::{Result, Session};

/// The right to commit what a run does.
#[async_trait]
pub trait Right: Send + Sync {
    /// The run in whose name.
    fn run(&self) -> i64;

    /// Lets the open transaction be committed only while the right holds, and keeps it from being taken until then. May be
    /// sent with the commit, and its error then comes from there.
    async fn fence(&self, session: &mut dyn Session) -> Result<()>;
}

/// The right of whoever has the target's lock, and has shut out the last holder of the lease: until the transaction ends
/// nobody else takes the lease or commits under it.
#[derive(Clone, Copy, Debug)]
pub struct TargetLock {
    run: i64,
}

impl TargetLock {
    /// In nobody's name.
    pub(super) fn held() -> Self {
        Self { run: 0 }
    }

    /// In the name of a run that has ended.
    pub fn in_the_name_of(self, run: i64) -> Self {
        Self { run }
    }
}

#[async_trait]
impl Right for TargetLock {
    fn run(&self) -> i64 {
        self.run
    }

    async fn fence(&self, _session: &mut dyn Session) -> Result<()> {
        Ok(())
    }
}

/// The right to leave an operator's word in the journal: it changes nothing of the target, and what it writes names the run
/// that it is for.
#[derive(Clone, Copy, Debug)]
pub struct OperatorsWord;

#[async_trait]
impl Right for OperatorsWord {
    fn run(&self) -> i64 {
        0
    }

    async fn fence(&self, _session: &mut dyn Session) -> Result<()> {
        Ok(())
    }
}
