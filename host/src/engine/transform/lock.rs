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
    let longest = lock_timeout(session).await?;
    let lock = |mode: &str| format!("LOCK TABLE {} IN {mode} MODE", plan.table);
    // The application does not wait behind those who wait for this one.
    set_lock_timeout(session, longest.max(WAIT_FOR_VACUUM)).await?;
    let keep_vacuum_away = lock("SHARE UPDATE EXCLUSIVE");
    session
        .execute(Authority::Host, &keep_vacuum_away, &[])
        .await?;
    for tries in 1.. {
        let savepoint = session.savepoint().await?;
        set_lock_timeout(session, WAIT.min(longest)).await?;
        let locked = session
            .execute(Authority::Host, &lock("ACCESS EXCLUSIVE"), &[])
            .await;
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
