//! What is remembered, in tables of the target itself: which steps were applied, every run with its attempts, output and
//! error, and who may work on the target now.
//!
//! All functions work in the transaction that the caller has open, so that what they write commits together with what it
//! tells of. This room decides nothing: what may run when is the engine's business.

mod cells;
mod history;
mod key;
mod lease;
mod output;
mod pause;
mod process;
mod records;
mod schema;
mod tables;
mod tenants;
mod transformations;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::database::{Error, ErrorKind, Result, Schema, Session};

use cells::{columns, damaged, integer, number, small, spelled, text};
use tables::tables;

pub use history::{read_attempts, read_runs, write_attempt};
pub use key::{read_key, write_key};
pub use lease::{Lease, LeaseRecord};
pub use output::{last_written, read_output, write_output};
pub use pause::{Pause, read_pause, request_pause, write_waiting};
pub use process::holder;
pub use records::{AttemptRecord, Outcome, OutputLine, Phase, RunRecord, StepRecord, StepState};
pub use tenants::{
    AppliedEntry, AppliedRecord, RunTally, SourceRecord, Tally, TenantTally, count_by_run,
    count_by_source, count_by_tenant, end_lost_connections, fetch_applied, finalize_applied,
    forget_applied, has_tenants, last_applied, make_schema, query_applied, read_applied,
    read_applied_by, read_applied_for, read_applied_of, read_failures, read_sources, read_tenants,
    read_unfinalized, reserved_words, update_applied, write_applied, write_failure, write_source,
    write_tenant,
};
pub use transformations::{
    BadRow, Range, TransformationRecord, advance_range, begin_transformation, count_bad_rows,
    forget_bad_rows, forget_transformations, read_bad_rows, read_ranges, redescribe, write_bad_row,
};

/// What the journal says of a target at one moment. Its size grows with the steps, not with the runs or their output.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The steps that were applied, by index.
    pub steps: BTreeMap<u32, StepRecord>,
    /// The transformations among them that are not finalized.
    pub transformations: BTreeMap<u32, TransformationRecord>,
    /// The newest run.
    pub last_run: Option<RunRecord>,
    /// What holds that run up, while it goes on.
    pub pause: Option<Pause>,
    /// Who holds the lease, or died holding it.
    pub lease: Option<LeaseRecord>,
}

/// Now, in milliseconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// Makes the journal's tables that the target does not have.
pub async fn prepare(session: &mut dyn Session) -> Result<()> {
    let version = schema::version(session).await?;
    match version {
        Some(schema::VERSION) => Ok(()),
        Some(newer) if newer > schema::VERSION => check_version(newer),
        older => schema::create(session, older).await,
    }
}

/// Keeps what the target looks like at the end of a run.
pub async fn keep_schema(session: &mut dyn Session, run: i64) -> Result<()> {
    let schema = session.schema().await?;
    let definition = serde_json::to_string(&schema).map_err(|error| damaged(&error.to_string()))?;
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_schema (id, run, definition) VALUES (1, $1, $2)
             ON CONFLICT (id) DO UPDATE SET run = excluded.run, definition = excluded.definition",
            &[run.into(), definition.into()],
        )
        .await
}

/// What the target looked like at the end of which run; none when that was never kept.
pub async fn read_schema(session: &mut dyn Session) -> Result<Option<(i64, Schema)>> {
    let version = schema::version(session).await?;
    if version.is_none_or(|version| version < schema::SECOND) {
        return Ok(None);
    }
    let rows = tables(session)
        .rows("SELECT run, definition FROM wasmigrate_schema", &[])
        .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let [run, definition] = columns(row)?;
    let schema = serde_json::from_str(definition.as_text().unwrap_or_default());
    Ok(Some((
        number(&run),
        schema.map_err(|_| damaged("the schema is not understood"))?,
    )))
}

/// Reads the snapshot; empty for a target without a journal.
pub async fn read(session: &mut dyn Session) -> Result<Snapshot> {
    let Some(version) = schema::version(session).await? else {
        return Ok(Snapshot::default());
    };
    check_version(version)?;
    let mut snapshot = Snapshot {
        steps: read_steps(session).await?,
        last_run: read_runs(session, i64::MAX, 1).await?.pop(),
        lease: lease::read(session).await?,
        ..Snapshot::default()
    };
    if version < schema::SECOND {
        return Ok(snapshot);
    }
    let is_unfinalized = |step: &StepRecord| step.state != StepState::Finalized;
    if snapshot.steps.values().any(is_unfinalized) {
        snapshot.transformations = transformations::read(session).await?;
    }
    if let Some(run) = &snapshot.last_run
        && run.outcome.is_none()
    {
        snapshot.pause = read_pause(session, run.id).await?;
    }
    Ok(snapshot)
}

/// Keeps the last holder of the lease from committing anything more until the open transaction ends: what is read
/// afterwards stays true. A holder that was declared dead may only have slept, and a commit of its may be on its way; what
/// it has open is ended. False when the lease is live: what is read then may be true no more in the next moment.
pub async fn shut_out_the_dead(session: &mut dyn Session) -> Result<bool> {
    if session.server().capabilities.has_one_writer() {
        // The open transaction has the only write lock.
        return Ok(true);
    }
    if lease::read(session)
        .await?
        .is_some_and(|lease| lease.is_live())
    {
        return Ok(false);
    }
    shut_out(session).await?;
    Ok(true)
}

/// The same for a holder whose lease may be live.
pub async fn shut_out(session: &mut dyn Session) -> Result<()> {
    if session.server().capabilities.has_one_writer() {
        return Ok(());
    }
    let open = "SELECT id FROM wasmigrate_run WHERE outcome IS NULL";
    for run in tables(session).rows(open, &[]).await?.iter().flatten() {
        session.end_others(number(run)).await?;
    }
    lease::hold(session).await
}

/// Ends what a run's lost connections have open on a server, and waits for those that are just committing: what is read
/// afterwards stays true.
pub async fn end_lost_transactions(session: &mut dyn Session, run: i64) -> Result<()> {
    if session.server().capabilities.has_one_writer() {
        return Ok(());
    }
    if !session.end_others(run).await? {
        return Err(Error::new(
            ErrorKind::Busy,
            format!("a lost connection of run {run} does not end, and may still commit"),
        ));
    }
    lease::hold(session).await
}

/// Marks runs that have no end as interrupted, and takes the lease from whoever holds it. The caller has seen that nobody
/// is at work, or knows `why` the lease may be taken all the same, and has shut the holder out.
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

/// Begins a run and takes the lease for it. A run whose host died is marked as interrupted.
pub async fn start_run(
    session: &mut dyn Session,
    command: &str,
    phase: Phase,
    verbose: bool,
    lasts: std::time::Duration,
) -> Result<Lease> {
    end_dead_runs(session, None).await?;
    let rows = tables(session)
        .rows("SELECT coalesce(max(id), 0) + 1 FROM wasmigrate_run", &[])
        .await?;
    let run = integer(&rows, 0);
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_run (id, command, phase, \"verbose\", host, started_at) VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                run.into(),
                command.into(),
                phase.as_str().into(),
                i64::from(verbose).into(),
                holder().into(),
                now().into(),
            ],
        )
        .await?;
    Lease::take(session, run, lasts).await
}

/// Says what a run is doing now, and how many rows its steps expect when that became known.
pub async fn set_phase(
    session: &mut dyn Session,
    run: i64,
    phase: Phase,
    expected_rows: Option<i64>,
) -> Result<()> {
    tables(session)
        .execute_later(
            "UPDATE wasmigrate_run SET phase = $1, expected_rows = coalesce($2, expected_rows) WHERE id = $3",
            &[phase.as_str().into(), expected_rows.into(), run.into()],
        )
        .await
}

/// Ends a run.
pub async fn end_run(
    session: &mut dyn Session,
    run: i64,
    outcome: Outcome,
    error: Option<&serde_json::Value>,
) -> Result<()> {
    tables(session)
        .execute_later(
            "UPDATE wasmigrate_run SET outcome = $1, ended_at = $2, error = $3 WHERE id = $4",
            &[
                outcome.as_str().into(),
                now().into(),
                error.map(ToString::to_string).into(),
                run.into(),
            ],
        )
        .await
}

/// Writes a step's record, over an earlier one.
pub async fn write_step(session: &mut dyn Session, kind: &str, step: &StepRecord) -> Result<()> {
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_step
             (step_index, name, kind, digest, state, run, started_at, seed, migrated_at, finalized_at, rows_done, resume_cursor)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (step_index) DO UPDATE SET name = excluded.name, kind = excluded.kind, digest = excluded.digest,
             state = excluded.state, run = excluded.run, migrated_at = excluded.migrated_at,
             finalized_at = excluded.finalized_at, rows_done = excluded.rows_done, resume_cursor = excluded.resume_cursor",
            &[
                step.index.into(),
                step.name.as_str().into(),
                kind.into(),
                step.digest.as_str().into(),
                step.state.as_str().into(),
                step.run.into(),
                step.started_at.into(),
                step.seed.into(),
                step.migrated_at.into(),
                step.finalized_at.into(),
                step.rows_done.into(),
                step.resume_cursor.clone().into(),
            ],
        )
        .await
}

/// Marks the steps as finalized that are migrated and not finalized yet.
pub async fn finalize_steps(session: &mut dyn Session) -> Result<()> {
    tables(session)
        .execute_later(
            "UPDATE wasmigrate_step SET state = $1, finalized_at = $2 WHERE state = $3",
            &[
                StepState::Finalized.as_str().into(),
                now().into(),
                StepState::Migrated.as_str().into(),
            ],
        )
        .await
}

/// Forgets the steps that were applied and not finalized.
pub async fn forget_unfinalized(session: &mut dyn Session) -> Result<()> {
    tables(session)
        .execute_later(
            "DELETE FROM wasmigrate_step WHERE state <> $1",
            &[StepState::Finalized.as_str().into()],
        )
        .await
}

async fn read_steps(session: &mut dyn Session) -> Result<BTreeMap<u32, StepRecord>> {
    let rows = tables(session)
        .rows(
            "SELECT step_index, name, digest, state, run, started_at, seed, migrated_at, finalized_at, rows_done, resume_cursor
             FROM wasmigrate_step ORDER BY step_index",
            &[],
        )
        .await?;
    let mut steps = BTreeMap::new();
    for row in rows {
        let [
            index,
            name,
            digest,
            state,
            run,
            started_at,
            seed,
            migrated_at,
            finalized_at,
            rows_done,
            resume_cursor,
        ] = columns(row)?;
        let index = small(&index)?;
        steps.insert(
            index,
            StepRecord {
                index,
                name: text(&name),
                digest: text(&digest),
                state: spelled(&state, StepState::from_journal)?,
                run: number(&run),
                started_at: number(&started_at),
                seed: number(&seed),
                migrated_at: migrated_at.as_integer(),
                finalized_at: finalized_at.as_integer(),
                rows_done: rows_done.as_integer(),
                resume_cursor: resume_cursor.as_bytes().map(<[u8]>::to_vec),
            },
        );
    }
    Ok(steps)
}

fn check_version(version: i64) -> Result<()> {
    if version <= schema::VERSION {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        format!(
            "the target's journal has version {version}, this host knows version {}: use the wasmigrate that wrote it, or a \
             newer one",
            schema::VERSION
        ),
    ))
}
