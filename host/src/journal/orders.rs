//! What operators said to a run while it was going on: to pause, to continue, to end.

use serde::{Deserialize, Serialize};

use super::cells::{columns, number, text};
use super::commander::Commander;
use super::tables::tables;
use super::{now, runs, schema};
use crate::database::{Result, Session};

/// What is written down when a run is told to end.
pub const CANCEL: &str = "cancel";

/// What is written down when its lease is broken.
pub const BREAK: &str = "lease break";

/// Something that an operator said to a run.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OrderRecord {
    /// The command, as the user writes it.
    pub command: String,
    /// When it was given, in milliseconds since 1970.
    pub at: i64,
    /// Who gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commanded_by: Option<Commander>,
}

/// Whether the journal has a place for orders. One of an earlier host that is at work has none.
pub async fn knows_orders(session: &mut dyn Session) -> Result<bool> {
    let version = schema::version(session).await?;
    Ok(version.is_some_and(|version| version >= schema::SEVENTH))
}

/// Writes down what somebody said to a run, where the journal has a place for it.
pub async fn write_order(
    session: &mut dyn Session,
    run: i64,
    command: &str,
    by: &Commander,
) -> Result<()> {
    if !knows_orders(session).await? {
        return Ok(());
    }
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_order (id, run, command, commanded_at, commanded_by)
             SELECT coalesce(max(id), 0) + 1, CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS TEXT)
             FROM wasmigrate_order",
            &[
                run.into(),
                command.into(),
                now().into(),
                by.to_text().into(),
            ],
        )
        .await
}

/// What was said to a run, in its order.
pub async fn read_orders(session: &mut dyn Session, run: i64) -> Result<Vec<OrderRecord>> {
    if !knows_orders(session).await? {
        return Ok(Vec::new());
    }
    let rows = tables(session)
        .rows(
            "SELECT command, commanded_at, commanded_by FROM wasmigrate_order WHERE run = $1 ORDER BY id",
            &[run.into()],
        )
        .await?;
    let mut orders = Vec::with_capacity(rows.len());
    for row in rows {
        let [command, at, by] = columns(row)?;
        orders.push(OrderRecord {
            command: text(&command),
            at: number(&at),
            commanded_by: Commander::from_text(&text(&by)),
        });
    }
    Ok(orders)
}

/// Tells a run to end, which must not have ended.
pub async fn request_cancel(session: &mut dyn Session, run: i64, by: &Commander) -> Result<()> {
    tables(session)
        .require(
            "INSERT INTO wasmigrate_pause (run, cancel_requested_at)
             SELECT id, CAST($1 AS BIGINT) FROM wasmigrate_run WHERE id = $2 AND outcome IS NULL
             ON CONFLICT (run) DO UPDATE SET cancel_requested_at = excluded.cancel_requested_at RETURNING run",
            &[now().into(), run.into()],
            1,
            runs::has_ended(run),
        )
        .await?;
    write_order(session, run, CANCEL, by).await
}

/// Whether a run was told to end. The journal is that of a run of this host.
pub async fn is_cancel_requested(session: &mut dyn Session, run: i64) -> Result<bool> {
    let rows = tables(session)
        .rows(
            "SELECT run FROM wasmigrate_pause WHERE run = $1 AND cancel_requested_at IS NOT NULL",
            &[run.into()],
        )
        .await?;
    Ok(!rows.is_empty())
}
