//! A table for oneself, without the application queueing up for long behind whoever asks for it.

use std::time::Duration;

use super::plan::Plan;
use crate::database::{Authority, ErrorKind, Kind, Result, Session, Stop};

/// How long to wait for the lock at first. Whoever wants the table meanwhile waits behind us.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How often that wait is the same, before it doubles each time. A vacuum by the server itself gives way only to those who
/// wait for a second: <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT>
const SHORT_TRIES: u32 = 8;

/// The pauses between tries, in which the application gets its turn.
const PAUSE: Duration = Duration::from_millis(200);

/// Locks the table against all others until the transaction ends, in several short tries.
pub(super) async fn lock_table(session: &mut dyn Session, plan: &Plan, stop: &Stop) -> Result<()> {
    if plan.kind == Kind::Sqlite {
        // The open transaction has the only write lock.
        return Ok(());
    }
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", plan.table);
    let longest = lock_timeout(session).await?;
    let mut wait = FIRST_WAIT;
    for tries in 1.. {
        let is_last = wait >= longest;
        let savepoint = session.savepoint().await?;
        set_lock_timeout(session, wait.min(longest)).await?;
        let locked = session.execute(Authority::Host, &lock, &[]).await;
        match locked {
            Ok(_) => {
                set_lock_timeout(session, longest).await?;
                return session.release(savepoint).await;
            }
            Err(error) if error.kind == ErrorKind::Busy && !is_last && stop.reason().is_none() => {
                session.roll_back_to(savepoint).await?;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
        if tries >= SHORT_TRIES {
            wait *= 2;
        }
    }
    Ok(())
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
