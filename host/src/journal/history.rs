//! What runs leave: how they and each try at a step ended.

use super::cells::{columns, json, number, small, spelled, text};
use super::tables::tables;
use super::{AttemptRecord, Outcome, Phase, RunRecord, schema};
use crate::database::{Result, Session, Value};

/// The newest runs before the one numbered `before`, the newest first.
pub async fn read_runs(
    session: &mut dyn Session,
    before: i64,
    most: u32,
) -> Result<Vec<RunRecord>> {
    if schema::version(session).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = tables(session)
        .rows(
            "SELECT id, command, phase, \"verbose\", expected_rows, outcome, host, started_at, ended_at, error FROM wasmigrate_run
             WHERE id < $1 ORDER BY id DESC LIMIT $2",
            &[before.into(), most.into()],
        )
        .await?;
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        let [
            id,
            command,
            phase,
            verbose,
            expected_rows,
            outcome,
            host,
            started_at,
            ended_at,
            error,
        ] = columns(row)?;
        runs.push(RunRecord {
            id: number(&id),
            command: text(&command),
            phase: spelled(&phase, Phase::from_journal)?,
            verbose: number(&verbose) != 0,
            expected_rows: expected_rows.as_integer(),
            outcome: match outcome {
                Value::Null => None,
                outcome => Some(spelled(&outcome, Outcome::from_journal)?),
            },
            host: text(&host),
            started_at: number(&started_at),
            ended_at: ended_at.as_integer(),
            error: json(&error),
        });
    }
    Ok(runs)
}

/// The attempts of one run, in their order.
pub async fn read_attempts(session: &mut dyn Session, run: i64) -> Result<Vec<AttemptRecord>> {
    let rows = tables(session)
        .rows(
            "SELECT run, step_index, name, digest, phase, attempt, outcome, started_at, ended_at, error
             FROM wasmigrate_attempt WHERE run = $1
             ORDER BY CASE phase WHEN 'prepare' THEN 0 WHEN 'migrate' THEN 1 ELSE 2 END, started_at,
             CASE phase WHEN 'reset' THEN -step_index ELSE step_index END, attempt",
            &[run.into()],
        )
        .await?;
    let mut attempts = Vec::with_capacity(rows.len());
    for row in rows {
        let [
            run,
            index,
            name,
            digest,
            phase,
            attempt,
            outcome,
            started_at,
            ended_at,
            error,
        ] = columns(row)?;
        attempts.push(AttemptRecord {
            run: number(&run),
            index: small(&index)?,
            name: text(&name),
            digest: text(&digest),
            phase: spelled(&phase, Phase::from_journal)?,
            attempt: small(&attempt)?,
            outcome: spelled(&outcome, Outcome::from_journal)?,
            started_at: number(&started_at),
            ended_at: number(&ended_at),
            error: json(&error),
            tenant: None,
        });
    }
    Ok(attempts)
}

/// Writes down how one try at a step ended. A try that was written down before stays as it is: when the connection is lost
/// during a commit, nobody knows whether that came through.
pub async fn write_attempt(session: &mut dyn Session, attempt: &AttemptRecord) -> Result<()> {
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_attempt
             (run, step_index, phase, attempt, name, digest, outcome, started_at, ended_at, error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (run, step_index, phase, attempt) DO NOTHING",
            &[
                attempt.run.into(),
                attempt.index.into(),
                attempt.phase.as_str().into(),
                attempt.attempt.into(),
                attempt.name.as_str().into(),
                attempt.digest.as_str().into(),
                attempt.outcome.as_str().into(),
                attempt.started_at.into(),
                attempt.ended_at.into(),
                attempt.error.as_ref().map(ToString::to_string).into(),
            ],
        )
        .await
}
