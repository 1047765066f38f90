//! A table for oneself, without the application queueing up for long behind whoever asks for it.

use std::time::Duration;

use super::plan::Plan;
use crate::database::{Authority, Error, ErrorKind, Result, Session, Stop};

/// How long to wait for the lock at a time. Whoever wants the table meanwhile waits behind us.
const WAIT: Duration = Duration::from_millis(100);

/// The pauses between tries, in which the application gets its turn.
const PAUSE: Duration = Duration::from_millis(200);

/// How often the lock is asked for.
const MOST_TRIES: u32 = 30;

/// How long a chunk waits for a lock of the application. Shorter than the time after which a server looks for deadlocks
/// and ends one of those who are in it, which must not be the application:
/// <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT>
pub(super) const LOCK_WAIT: Duration = Duration::from_millis(400);

/// How long to wait, at least, for the lock that keeps vacuum away. A vacuum by the server itself gives way only to those
/// who wait for longer than this: <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT>
const WAIT_FOR_VACUUM: Duration = Duration::from_secs(3);

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
        let kept_away = keep_vacuum_away(session, plan).await;
        kept_away.map_err(|error| (place, error))?;
    }
    let of_first = |error| (0, error);
    let longest = lock_timeout(session).await.map_err(of_first)?;
    for tries in 1.. {
        let savepoint = session.savepoint().await.map_err(of_first)?;
        match lock_each(session, plans, WAIT.min(longest)).await {
            Ok(()) => {
                let released = async {
                    set_lock_timeout(session, longest).await?;
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
    for (place, plan) in plans.iter().enumerate() {
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", plan.table);
        let locked = async {
            set_lock_timeout(session, wait).await?;
            session.execute(Authority::Host, &lock, &[]).await
        };
        locked.await.map_err(|error| (place, error))?;
    }
    Ok(())
}

/// Waits for a vacuum of the table to end and lets no other begin until the transaction ends. The application goes on, and
/// does not wait behind those who wait for this.
pub(super) async fn keep_vacuum_away(session: &mut dyn Session, plan: &Plan) -> Result<()> {
    let longest = lock_timeout(session).await?;
    set_lock_timeout(session, longest.max(WAIT_FOR_VACUUM)).await?;
    let lock = format!("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", plan.table);
    session.execute(Authority::Host, &lock, &[]).await?;
    set_lock_timeout(session, longest).await
}

async fn lock_timeout(session: &mut dyn Session) -> Result<Duration> {
    let query = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'";
    let rows = session.rows(query, &[]).await?;
    let setting = rows.first().and_then(|row| row.first()?.as_text());
    let milliseconds = setting.and_then(|setting| setting.parse().ok());
    Ok(Duration::from_millis(milliseconds.unwrap_or(2_000)))
}

/// Bounds the waits for locks until the transaction ends.
pub(super) async fn set_lock_timeout(session: &mut dyn Session, wait: Duration) -> Result<()> {
    let set = format!("SET LOCAL lock_timeout = {}", wait.as_millis());
    session.execute_later(&set, &[]).await
}
