//! Requests that became runs, by the keys that their senders gave them.

use super::cells::{columns, number, text};
use super::tables::tables;
use super::{conflict, schema};
use crate::database::{Result, Session};

/// A request that its sender may repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// What tells it from all others.
    pub key: String,
    /// All that was asked for.
    pub asked: String,
}

/// The run that a request became, with all that was asked for then; none when it became none.
pub async fn run_of_request(session: &mut dyn Session, key: &str) -> Result<Option<(i64, String)>> {
    let version = schema::version(session).await?;
    if version.is_none_or(|version| version < schema::SEVENTH) {
        return Ok(None);
    }
    let rows = tables(session)
        .rows(
            "SELECT id, request FROM wasmigrate_run WHERE request_key = $1",
            &[key.into()],
        )
        .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let [run, asked] = columns(row)?;
    Ok(Some((number(&run), text(&asked))))
}

/// Writes down which request becomes a run, unless it has become one before.
pub(super) async fn write_request(
    session: &mut dyn Session,
    run: i64,
    request: &RequestKey,
) -> Result<()> {
    tables(session)
        .require(
            "UPDATE wasmigrate_run SET request_key = $1, request = $2
             WHERE id = $3 AND NOT EXISTS (SELECT 1 FROM wasmigrate_run AS other WHERE other.request_key = $1) RETURNING id",
            &[
                request.key.as_str().into(),
                request.asked.as_str().into(),
                run.into(),
            ],
            1,
            conflict("that the request has not become a run before"),
        )
        .await
}
