//! Locks on a table.

use std::time::Duration;

use crate::database::transform::TransformedTable;
use crate::database::{Authority, Result, Session};

/// How long to wait, at least, for the lock that keeps vacuum away. A vacuum by the server itself gives way only to those
/// who wait for longer than this: <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT>
const WAIT_FOR_VACUUM: Duration = Duration::from_secs(3);

/// What is taken for the setting of a server that does not tell.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn lock(session: &mut dyn Session, table: &TransformedTable) -> Result<()> {
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.name);
    session
        .execute(Authority::Host, &lock, &[])
        .await
        .map(|_| ())
}

pub(super) async fn keep_vacuum_away(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<()> {
    let longest = timeout(session).await?;
    set_timeout(session, longest.max(WAIT_FOR_VACUUM)).await?;
    let lock = format!("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", table.name);
    session.execute(Authority::Host, &lock, &[]).await?;
    set_timeout(session, longest).await
}

pub(super) async fn timeout(session: &mut dyn Session) -> Result<Duration> {
    // The view of all settings costs a hundred times as much.
    let query = "SELECT (pg_catalog.date_part('epoch', pg_catalog.current_setting('lock_timeout')::pg_catalog.interval) * 1000)
         ::pg_catalog.int8";
    let rows = session.rows(query, &[]).await?;
    let milliseconds = rows.first().and_then(|row| row.first()?.as_integer());
    let milliseconds = milliseconds.and_then(|milliseconds| milliseconds.try_into().ok());
    Ok(milliseconds.map_or(DEFAULT_TIMEOUT, Duration::from_millis))
}

pub(super) async fn set_timeout(session: &mut dyn Session, wait: Duration) -> Result<()> {
    session.set_lock_timeout(wait).await
}
