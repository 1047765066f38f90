//! Tries at files that failed.

use super::super::cells::{
    ERROR, columns, index as index_of, number, read_error, small, spelled, text,
};
use super::super::{AttemptRecord, Outcome, Phase};
use super::records::LastFailure;
use crate::database::{Result, Session};
use crate::journal::tables::tables;

/// Writes down a try at a file that failed.
pub async fn write_failure(session: &mut dyn Session, attempt: &AttemptRecord) -> Result<()> {
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_failure
             (run, tenant, file_key, phase, attempt, step_index, digest, outcome, started_at, ended_at, error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (run, tenant, file_key, phase, attempt) DO NOTHING",
            &[
                attempt.run.into(),
                attempt.tenant.clone().unwrap_or_default().into(),
                attempt.name.as_str().into(),
                attempt.phase.as_str().into(),
                attempt.attempt.into(),
                attempt.index.into(),
                attempt.digest.as_str().into(),
                attempt.outcome.as_str().into(),
                attempt.started_at.into(),
                attempt.ended_at.into(),
                attempt.error.as_ref().map(ToString::to_string).into(),
            ],
        )
        .await
}

/// The last run in which each file failed for each tenant, in each phase. What somebody has cancelled did not fail.
pub async fn last_failures(session: &mut dyn Session) -> Result<Vec<LastFailure>> {
    let rows = tables(session)
        .rows(
            "SELECT tenant, file_key, phase, max(run) FROM wasmigrate_failure
             WHERE tenant <> '' AND outcome = 'failed' GROUP BY tenant, file_key, phase",
            &[],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let [tenant, key, phase, run] = columns(row)?;
            Ok(LastFailure {
                tenant: text(&tenant),
                key: text(&key),
                phase: spelled(&phase, Phase::from_journal)?,
                run: number(&run),
            })
        })
        .collect()
}

/// The tries at files that failed in a run, in the order of their ends.
pub async fn read_failures(session: &mut dyn Session, run: i64) -> Result<Vec<AttemptRecord>> {
    let rows = tables(session)
        .rows(
            &format!(
                "SELECT tenant, file_key, phase, attempt, step_index, digest, outcome, started_at, ended_at, {ERROR}
                 FROM wasmigrate_failure WHERE run = $1 ORDER BY ended_at, tenant, file_key, attempt"
            ),
            &[run.into()],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let [
                tenant,
                key,
                phase,
                attempt,
                index,
                digest,
                outcome,
                started_at,
                ended_at,
                error,
            ] = columns(row)?;
            Ok(AttemptRecord {
                run,
                index: index_of(&index),
                name: text(&key),
                digest: text(&digest),
                phase: spelled(&phase, Phase::from_journal)?,
                attempt: small(&attempt)?,
                outcome: spelled(&outcome, Outcome::from_journal)?,
                started_at: number(&started_at),
                ended_at: number(&ended_at),
                error: read_error(&error),
                tenant: Some(text(&tenant)).filter(|tenant| !tenant.is_empty()),
            })
        })
        .collect()
}
