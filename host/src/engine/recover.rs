//! After a lost connection: which of the commits that were acknowledged are still there?
//!
//! Only a run's last commit waits for the disk. So a server that goes down may have forgotten the newest ones, and the one
//! that was under way may have come through although nobody heard of it. Nothing may be done before both are known: what
//! the lost connection still has open is ended and waited for, the journal is read anew, and what comes after a commit that
//! was lost is not done ([`Acknowledged::gap`]).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::database::{Durability, ErrorKind, Result, Session, Stop};
use crate::journal::{self, Fenced, Lease, NoStep, PendingOutput, StepState};

/// What connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// One that the whole run depends on: nothing of it continues meanwhile.
    OfRun,
    /// That of one part, by its label; the others continue.
    OfPart(u32),
}

impl Lost {
    fn part(self) -> Option<u32> {
        match self {
            Self::OfRun => None,
            Self::OfPart(part) => Some(part),
        }
    }
}

/// Finds out what was committed before the connection was lost, and writes down what could not be written then. `settle` reads
/// the journal and writes; the transaction is then committed with the `output` that waits. The session has a connection
/// afterwards, and no transaction.
pub(super) async fn recover<T>(
    session: &mut dyn Session,
    lease: &Lease,
    lost: Lost,
    output: &dyn PendingOutput,
    settle: impl AsyncFnOnce(&mut Fenced<'_, NoStep>) -> Result<T>,
) -> Result<T> {
    output.connection_lost();
    begin_again(session).await?;
    journal::end_lost_transactions(session, lease, lost.part()).await?;
    let mut fenced = Fenced::join(session, lease).await?;
    let found = settle(&mut fenced).await?;
    fenced.with_output(output).commit().await?;
    Ok(found)
}

/// How often a server that does not answer is asked again before nobody looks, and how long after each time.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Looks at what a step left that ran outside a transaction. Where it has lost its connection, which it can bring about, that is done on
/// another one, when nothing of it runs any more, before anybody takes what it left for what there always was.
pub(super) async fn look_after_step<T>(
    session: &mut dyn Session,
    lease: &Lease,
    lost: Lost,
    stop: &Stop,
    mut look: impl AsyncFnMut(&mut dyn Session) -> Result<T>,
) -> Result<T> {
    let mut tries = 0;
    loop {
        let looked = async {
            if tries > 0 {
                begin_again(session).await?;
                journal::end_lost_transactions(session, lease, lost.part()).await?;
            }
            session.rollback().await?;
            look(session).await
        };
        match looked.await {
            Err(error)
                if error.kind == ErrorKind::Unavailable
                    && tries < LOOKS
                    && !stop.is_cancelled() =>
            {
                if tries > 0 {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
                tries += 1;
            }
            looked => return looked,
        }
    }
}

/// Opens a transaction after a lost connection. This one may be lost, too, without anybody having noticed, if nothing was said on
/// it since: that is known when it is used.
async fn begin_again(session: &mut dyn Session) -> Result<()> {
    let mut tries = 1..=2;
    loop {
        session.rollback().await?;
        session.reconnect().await?;
        let begun = async {
            session.begin(Durability::Deferred).await?;
            session.settle().await
        };
        match begun.await {
            Err(error) if error.kind == ErrorKind::Unavailable && tries.next() == Some(1) => {}
            begun => return begun,
        }
    }
}

/// What a run was told to be committed, by what it is of.
pub(super) struct Acknowledged<K>(BTreeMap<K, Option<StepState>>);

impl<K> Default for Acknowledged<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Acknowledged<K> {
    /// Takes note of a commit; no state for what was reset.
    pub(super) fn note(&mut self, key: K, state: Option<StepState>) {
        self.0.insert(key, state);
    }

    /// Whether nothing was committed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first whose commit is not in the journal any more, which says `now`.
    pub(super) fn gap(&self, now: impl Fn(&K) -> Option<StepState>) -> Option<&K> {
        let is_lost = |(key, state): &(&K, &Option<StepState>)| {
            let now = now(key);
            // The commit that was under way may have come through.
            now != **state && now != Some(StepState::Finalized)
        };
        self.0.iter().find(is_lost).map(|(key, _)| key)
    }

    /// Those that were acknowledged to be in this state.
    pub(super) fn in_state(&self, state: StepState) -> impl Iterator<Item = &K> {
        let acknowledged = self.0.iter();
        acknowledged.filter_map(move |(key, now)| (*now == Some(state)).then_some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated(steps: &[u64]) -> Acknowledged<u64> {
        let mut acknowledged = Acknowledged::default();
        for step in steps {
            acknowledged.note(*step, Some(StepState::Migrated));
        }
        acknowledged
    }

    #[test]
    fn a_commit_that_is_gone_is_a_gap() {
        let acknowledged = migrated(&[1, 2]);
        let first_alone = |step: &u64| (*step == 1).then_some(StepState::Migrated);
        assert_eq!(acknowledged.gap(first_alone), Some(&2));
        assert_eq!(acknowledged.gap(|_| Some(StepState::Started)), Some(&1));
        assert_eq!(acknowledged.gap(|_| Some(StepState::Migrated)), None);
    }

    #[test]
    fn what_came_through_unheard_is_none() {
        assert_eq!(migrated(&[1]).gap(|_| Some(StepState::Finalized)), None);
        let mut reset = migrated(&[1]);
        reset.note(1, None);
        assert_eq!(reset.gap(|_| None), None);
        assert_eq!(reset.gap(|_| Some(StepState::Migrated)), Some(&1));
    }
}
