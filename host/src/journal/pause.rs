//! What holds a run up: its operator's word, and what the run itself waits for.

use super::tables::tables;
use serde::{Deserialize, Serialize};

use super::{now, process, runs};
use crate::database::{Result, Session, Value};

/// Why a run in progress does nothing for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pause {
    /// When the operator asked for it; none when nobody did.
    pub requested_at: Option<i64>,
    /// Who did: machine and process id.
    pub requested_by: Option<String>,
    /// What the run waits for, in words; none while it works.
    pub waits_for: Option<String>,
}

/// What holds a run up; none when nothing ever did.
pub async fn read_pause(session: &mut dyn Session, run: i64) -> Result<Option<Pause>> {
    let rows = tables(session)
        .rows(
            "SELECT requested_at, requested_by, waits_for FROM wasmigrate_pause WHERE run = $1",
            &[run.into()],
        )
        .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let [requested_at, requested_by, waits_for] = super::columns(row)?;
    let text = |value: &Value| value.as_text().map(str::to_owned);
    Ok(Some(Pause {
        requested_at: requested_at.as_integer(),
        requested_by: text(&requested_by),
        waits_for: text(&waits_for),
    }))
}

/// Asks a run to pause, or to continue. The run must not have ended.
pub async fn request_pause(session: &mut dyn Session, run: i64, pause: bool) -> Result<()> {
    let (at, by) = match pause {
        true => (Some(now()), Some(process::holder())),
        false => (None, None),
    };
    tables(session)
        .require(
            "INSERT INTO wasmigrate_pause (run, requested_at, requested_by)
             SELECT id, CAST($1 AS BIGINT), CAST($2 AS TEXT) FROM wasmigrate_run WHERE id = $3 AND outcome IS NULL
             ON CONFLICT (run) DO UPDATE SET requested_at = excluded.requested_at, requested_by = excluded.requested_by
             RETURNING run",
            &[at.into(), by.into(), run.into()],
            1,
            runs::has_ended(run),
        )
        .await
}

/// Writes down what a run waits for, or that it works again. The run must not have ended.
pub async fn write_waiting(
    session: &mut dyn Session,
    run: i64,
    waits_for: Option<&str>,
) -> Result<()> {
    tables(session)
        .require(
            "INSERT INTO wasmigrate_pause (run, waits_for)
             SELECT id, CAST($1 AS TEXT) FROM wasmigrate_run WHERE id = $2 AND outcome IS NULL
             ON CONFLICT (run) DO UPDATE SET waits_for = excluded.waits_for RETURNING run",
            &[waits_for.map(str::to_owned).into(), run.into()],
            1,
            runs::has_ended(run),
        )
        .await
}
