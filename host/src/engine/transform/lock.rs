//! A table for oneself, without the application queueing up for long after whoever asks for it.

use std::time::Duration;

use super::plan::Plan;
use crate::database::{Error, ErrorKind, Result, Session, Stop};

/// How long to wait for the lock at a time. Whoever wants the table meanwhile waits after us.
const WAIT: Duration = Duration::from_millis(100);

/// The pauses between tries, in which the application gets its turn.
const PAUSE: Duration = Duration::from_millis(200);

/// How often the lock is asked for.
const MOST_TRIES: u32 = 30;

/// How long a chunk waits for a lock of the application. Shorter than the time after which a server looks for deadlocks
/// and ends one of those who are in it, which must not be the application:
/// <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT>
pub(super) const LOCK_WAIT: Duration = Duration::from_millis(400);

/// Locks the table against all others until the transaction ends, in several short tries.
pub(super) async fn lock_table(session: &mut dyn Session, plan: &Plan, stop: &Stop) -> Result<()> {
    let locked = lock_tables(session, std::slice::from_ref(plan), stop).await;
    locked.map_err(|(_, error)| error)
}

/// Locks several tables so: all of them or, while the next try is waited for, none. An error comes with the place of the
/// table that could not be locked.
pub(super) async fn lock_tables(
    session: &mut dyn Session,
    plans: &[Plan],
    stop: &Stop,
) -> std::result::Result<(), (usize, Error)> {
    if plans.is_empty() || session.server().capabilities.has_one_writer() {
        // The open transaction has the only write lock.
        return Ok(());
    }
    for (place, plan) in plans.iter().enumerate() {
        let kept_away = plan.table.keep_vacuum_away(session).await;
        kept_away.map_err(|error| (place, error))?;
    }
    let of_first = |error| (0, error);
    let transforming = session.server().transforming;
    let longest = transforming.lock_timeout(session).await.map_err(of_first)?;
    for tries in 1.. {
        let savepoint = session.savepoint().await.map_err(of_first)?;
        match lock_each(session, plans, WAIT.min(longest)).await {
            Ok(()) => {
                let released = async {
                    transforming.set_lock_timeout(session, longest).await?;
                    session.release(savepoint).await
                };
                return released.await.map_err(of_first);
            }
            Err((_, error))
                if error.kind == ErrorKind::Busy
                    && tries < MOST_TRIES
                    && stop.reason().is_none() =>
            {
                session.roll_back_to(savepoint).await.map_err(of_first)?;
                tokio::time::sleep(PAUSE).await;
            }
            Err(failed) => return Err(failed),
        }
    }
    Ok(())
}

async fn lock_each(
    session: &mut dyn Session,
    plans: &[Plan],
    wait: Duration,
) -> std::result::Result<(), (usize, Error)> {
    let transforming = session.server().transforming;
    for (place, plan) in plans.iter().enumerate() {
        let locked = async {
            transforming.set_lock_timeout(session, wait).await?;
            plan.table.lock(session).await
        };
        locked.await.map_err(|error| (place, error))?;
    }
    Ok(())
}
