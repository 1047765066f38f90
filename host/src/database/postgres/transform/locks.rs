//! Locks on a table.

use std::time::Duration;

use crate::database::transform::TransformedTable;
use crate::database::{Authority, Result, Session};

/// How long to wait, at least, for the lock that keeps vacuum away. A vacuum by the server itself gives way only to those
/// who wait for longer than this: <https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-DEADLOCK-TIMEOUT>
const WAIT_FOR_VACUUM: Duration = Duration::from_secs(3);

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
    let query = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'";
    let rows = session.rows(query, &[]).await?;
    let setting = rows.first().and_then(|row| row.first()?.as_text());
    let milliseconds = setting.and_then(|setting| setting.parse().ok());
    Ok(Duration::from_millis(milliseconds.unwrap_or(2_000)))
}

pub(super) async fn set_timeout(session: &mut dyn Session, wait: Duration) -> Result<()> {
    session.set_lock_timeout(wait).await
}
