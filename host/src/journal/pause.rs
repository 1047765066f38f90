//! What holds a run up: its operator's word, and what the run itself waits for.

use super::tables::tables;
use serde::{Deserialize, Serialize};

use super::{now, process, runs, schema};
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

/// Asks a run to pause, or to continue. The run must not have ended, nor be one that cannot be paused any more.
pub async fn request_pause(session: &mut dyn Session, run: i64, pause: bool) -> Result<()> {
    let (at, by) = match pause {
        true => (Some(now()), Some(process::holder())),
        false => (None, None),
    };
    let statement = match knows_closed(session).await? {
        true => {
            "INSERT INTO wasmigrate_pause AS known (run, requested_at, requested_by)
             SELECT id, CAST($1 AS BIGINT), CAST($2 AS TEXT) FROM wasmigrate_run WHERE id = $3 AND outcome IS NULL
             ON CONFLICT (run) DO UPDATE SET requested_at = excluded.requested_at, requested_by = excluded.requested_by
             WHERE known.closed_at IS NULL RETURNING run"
        }
        false => {
            "INSERT INTO wasmigrate_pause (run, requested_at, requested_by)
             SELECT id, CAST($1 AS BIGINT), CAST($2 AS TEXT) FROM wasmigrate_run WHERE id = $3 AND outcome IS NULL
             ON CONFLICT (run) DO UPDATE SET requested_at = excluded.requested_at, requested_by = excluded.requested_by
             RETURNING run"
        }
    };
    tables(session)
        .require(
            statement,
            &[at.into(), by.into(), run.into()],
            1,
            runs::has_ended(run),
        )
        .await
}

/// Writes down that a run cannot be paused any more; returns false when somebody has asked it to before.
pub async fn close_to_pauses(session: &mut dyn Session, run: i64) -> Result<bool> {
    let closed = tables(session)
        .rows(
            "INSERT INTO wasmigrate_pause AS known (run, closed_at) VALUES ($1, $2)
             ON CONFLICT (run) DO UPDATE SET closed_at = excluded.closed_at
             WHERE known.requested_at IS NULL RETURNING run",
            &[run.into(), now().into()],
        )
        .await?;
    Ok(!closed.is_empty())
}

/// Whether a run has not ended and cannot be paused any more.
pub async fn is_closed_to_pauses(session: &mut dyn Session, run: i64) -> Result<bool> {
    if !knows_closed(session).await? {
        return Ok(false);
    }
    let closed = tables(session)
        .rows(
            "SELECT run.id FROM wasmigrate_run AS run JOIN wasmigrate_pause AS pause ON pause.run = run.id
             WHERE run.id = $1 AND run.outcome IS NULL AND pause.closed_at IS NOT NULL",
            &[run.into()],
        )
        .await?;
    Ok(!closed.is_empty())
}

/// Whether the journal says of runs that they cannot be paused any more. One of an earlier host that is at work does not.
async fn knows_closed(session: &mut dyn Session) -> Result<bool> {
    let version = schema::version(session).await?;
    Ok(version.is_some_and(|version| version >= schema::FIFTH))
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
