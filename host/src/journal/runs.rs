//! Runs: how one begins, goes on and ends, and what is left of it.

use super::commander::Commander;
use super::history::read_accepted;
use super::requests::{RequestKey, write_request};
use super::right::TargetLock;
use super::tables::tables;
use super::{
    Lease, Outcome, Phase, conflict, damaged, holder, integer, lease, now, number, prepare,
    read_runs, read_schema, whole_schema,
};
use crate::database::{Error, ErrorKind, Result, Schema, Session};

/// Takes the target's lock in the open transaction, makes the journal's tables that are missing, and keeps the last holder of
/// the lease from committing anything more: what is read afterwards stays true until the transaction ends. A holder that was
/// declared dead may only have slept, and a commit of its may be on its way; what it has open is ended. None when the lease
/// is live: what is read then may be true no more in the next moment.
pub async fn lock(session: &mut dyn Session) -> Result<Option<TargetLock>> {
    session.lock_target(&holder()).await?;
    prepare(session).await?;
    if !session.server().capabilities.has_one_writer() {
        let lease = lease::read(session).await?;
        if lease.is_some_and(|lease| lease.is_live()) {
            return Ok(None);
        }
    }
    shut_out(session).await.map(Some)
}

/// Takes the target's lock where nobody holds the lease: whoever wants it waits. Nothing of the journal is locked, so that a
/// step may still be looked at. None when somebody holds the lease, or died holding it.
pub async fn lock_idle(session: &mut dyn Session) -> Result<Option<TargetLock>> {
    session.lock_target(&holder()).await?;
    let lease = lease::read(session).await?;
    Ok(lease.is_none().then_some(TargetLock::held()))
}

/// [`lock`], whoever holds the lease.
pub async fn lock_out(session: &mut dyn Session) -> Result<TargetLock> {
    session.lock_target(&holder()).await?;
    prepare(session).await?;
    shut_out(session).await
}

async fn shut_out(session: &mut dyn Session) -> Result<TargetLock> {
    if session.server().capabilities.has_one_writer() {
        // The open transaction has the only write lock.
        return Ok(TargetLock::held());
    }
    let open = "SELECT id FROM wasmigrate_run WHERE outcome IS NULL";
    for run in tables(session).rows(open, &[]).await?.iter().flatten() {
        session.end_others(number(run)).await?;
    }
    lease::hold(session).await?;
    Ok(TargetLock::held())
}

/// Ends what a run's lost connections have open on a server, and waits for those that are just committing: what is read
/// afterwards stays true. Of one `part` of the run, when one is named. An error when the lease is not the run's any more.
pub async fn end_lost_transactions(
    session: &mut dyn Session,
    lease: &Lease,
    part: Option<u32>,
) -> Result<()> {
    // First of all: whoever has taken the lease for the same run may not be ended.
    if !lease.is_held(session).await? {
        return Err(lease::taken());
    }
    if session.server().capabilities.has_one_writer() {
        return Ok(());
    }
    let run = lease.run;
    let have_ended = match part {
        Some(part) => session.end_others_of_part(run, part).await?,
        None => session.end_others(run).await?,
    };
    if !have_ended {
        return Err(Error::new(
            ErrorKind::Busy,
            format!("a lost connection of run {run} does not end, and may still commit"),
        ));
    }
    lease::hold(session).await
}

/// Marks runs that have no end as interrupted, and takes the lease from whoever holds it. The caller has locked the target
/// and seen that nobody is at work, or knows `why` the lease may be taken all the same.
pub async fn end_dead_runs(
    session: &mut dyn Session,
    why: Option<&serde_json::Value>,
) -> Result<()> {
    tables(session)
        .execute_later(
            "UPDATE wasmigrate_run SET outcome = $1, ended_at = $2, error = $3 WHERE outcome IS NULL",
            &[
                Outcome::Interrupted.as_str().into(),
                now().into(),
                why.map(ToString::to_string).into(),
            ],
        )
        .await?;
    lease::clear(session).await
}

/// How a run is written down when it begins.
#[derive(Clone, Debug)]
pub struct Start<'s> {
    /// The command, as the user writes it.
    pub command: &'s str,
    /// What it does first.
    pub phase: Phase,
    /// Whether its operator wants to see debug lines.
    pub verbose: bool,
    /// How long its lease lasts without renewal.
    pub lasts: std::time::Duration,
    /// Who gave the command.
    pub by: &'s Commander,
    /// The request that becomes this run, where its sender may repeat it.
    pub request: Option<&'s RequestKey>,
}

/// Begins a run and takes the lease for it. A run whose host died is marked as interrupted. The caller has locked the target,
/// and must flush the transaction to the disk: a server that forgets who took the lease would let two hosts be the same run.
pub async fn start_run(session: &mut dyn Session, start: &Start<'_>) -> Result<Lease> {
    end_dead_runs(session, None).await?;
    let rows = tables(session)
        .rows("SELECT coalesce(max(id), 0) + 1 FROM wasmigrate_run", &[])
        .await?;
    let run = integer(&rows, 0);
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_run (id, command, phase, \"verbose\", host, started_at, commanded_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                run.into(),
                start.command.into(),
                start.phase.as_str().into(),
                i64::from(start.verbose).into(),
                holder().into(),
                now().into(),
                start.by.to_text().into(),
            ],
        )
        .await?;
    if let Some(request) = start.request {
        write_request(session, run, request).await?;
    }
    Lease::take(session, run, start.lasts).await
}

/// Says what a run is doing now, and how many rows its steps expect when that became known. The run must not have ended.
pub async fn set_phase(
    session: &mut dyn Session,
    run: i64,
    phase: Phase,
    expected_rows: Option<i64>,
) -> Result<()> {
    tables(session)
        .require(
            "UPDATE wasmigrate_run SET phase = $1, expected_rows = coalesce($2, expected_rows)
             WHERE id = $3 AND outcome IS NULL RETURNING id",
            &[phase.as_str().into(), expected_rows.into(), run.into()],
            1,
            has_ended(run),
        )
        .await
}

/// Ends a run, which must not have ended before.
pub async fn end_run(
    session: &mut dyn Session,
    run: i64,
    outcome: Outcome,
    error: Option<&serde_json::Value>,
) -> Result<()> {
    tables(session)
        .require(
            "UPDATE wasmigrate_run SET outcome = $1, ended_at = $2, error = $3 WHERE id = $4 AND outcome IS NULL RETURNING id",
            &[
                outcome.as_str().into(),
                now().into(),
                error.map(ToString::to_string).into(),
                run.into(),
            ],
            1,
            has_ended(run),
        )
        .await
}

/// Keeps what the target looks like at the end of a run.
pub async fn keep_schema(session: &mut dyn Session, run: i64) -> Result<()> {
    let schema = whole_schema(session).await?;
    write_schema(session, run, &schema).await
}

/// What the target looked like at the end of the run before this one, which has changed nothing; none when that was not kept.
/// Before the first run that is what it looks like.
pub async fn schema_before(session: &mut dyn Session, run: i64) -> Result<Option<Schema>> {
    let Some(before) = read_runs(session, run, 1).await?.pop() else {
        return whole_schema(session).await.map(Some);
    };
    let kept = read_schema(session).await?;
    Ok(kept.and_then(|(of, schema)| (of == before.id).then_some(schema)))
}

/// The run that left what the target looked like at the end of this one: refused ones leave all as it was.
pub async fn run_of_schema(session: &mut dyn Session, run: i64) -> Result<i64> {
    let last = i64::saturating_add(run, 1);
    let left = read_accepted(session, last).await?;
    Ok(left.map_or(run, |left| left.id))
}

/// The same with what the target was found to look like.
pub async fn write_schema(session: &mut dyn Session, run: i64, schema: &Schema) -> Result<()> {
    let definition = serde_json::to_string(schema).map_err(|error| damaged(&error.to_string()))?;
    tables(session)
        .require(
            "INSERT INTO wasmigrate_schema (id, run, definition) VALUES (1, $1, $2)
             ON CONFLICT (id) DO UPDATE SET run = excluded.run, definition = excluded.definition
             WHERE wasmigrate_schema.run <= excluded.run RETURNING id",
            &[run.into(), definition.into()],
            1,
            conflict(&format!("the schema that a run before {run} has left")),
        )
        .await
}

pub(super) fn is_gone(run: i64) -> Error {
    conflict(&format!("what run {run} is"))
}

pub(super) fn has_ended(run: i64) -> Error {
    conflict(&format!("that run {run} has not ended"))
}
