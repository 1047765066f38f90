//! A table for oneself, without the application queueing up for long behind whoever asks for it.

use std::time::Duration;

use super::plan::Plan;
use crate::database::{Authority, ErrorKind, Kind, Result, Session, Stop};

/// How long to wait for the lock at a time. Whoever wants the table meanwhile waits behind us.
const WAIT: Duration = Duration::from_millis(100);

/// The pauses between tries, in which the application gets its turn.
const PAUSE: Duration = Duration::from_millis(200);

/// How often the lock is asked for.
const MOST_TRIES: u32 = 30;

/// How long to wait, at least, for the lock that keeps vacuum away. A vacuum by the server itself gives way only to those
/// who wait for longer than this: <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT>
const WAIT_FOR_VACUUM: Duration = Duration::from_secs(3);

/// Locks the table against all others until the transaction ends, in several short tries.
pub(super) async fn lock_table(session: &mut dyn Session, plan: &Plan, stop: &Stop) -> Result<()> {
    if plan.kind == Kind::Sqlite {
        // The open transaction has the only write lock.
        return Ok(());
    }
    keep_vacuum_away(session, plan).await?;
    let longest = lock_timeout(session).await?;
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", plan.table);
    for tries in 1.. {
        let savepoint = session.savepoint().await?;
        set_lock_timeout(session, WAIT.min(longest)).await?;
        let locked = session.execute(Authority::Host, &lock, &[]).await;
        match locked {
            Ok(_) => {
                set_lock_timeout(session, longest).await?;
                return session.release(savepoint).await;
            }
            Err(error)
                if error.kind == ErrorKind::Busy
                    && tries < MOST_TRIES
                    && stop.reason().is_none() =>
            {
                session.roll_back_to(savepoint).await?;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
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
