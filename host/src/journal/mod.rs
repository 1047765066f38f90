//! What is remembered, in tables of the target itself: which steps were applied, every run with its attempts, output and
//! error, and who may work on the target now.
//!
//! All functions work in the transaction that the caller has open, so that what they write commits together with what it
//! tells of; only `commit` commits it. Each change names the state that it expects, and is an error of its own kind where the
//! journal says something else. This room decides nothing: what may run when is the engine's business.

mod cells;
mod commander;
mod commit;
mod fingerprint;
mod history;
mod key;
mod lease;
mod orders;
mod output;
mod pause;
mod process;
mod records;
mod releases;
mod repairs;
mod requests;
mod right;
mod runs;
mod schema;
mod steps;
mod tables;
mod tenants;
mod transformations;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::database::{Error, ErrorKind, Result, Schema, Session};

use cells::{columns, damaged, integer, number};
use tables::tables;

pub use commander::{Commander, Via};
pub use commit::{Committable, Fenced, NoStep, PendingOutput, Sealed};
pub use fingerprint::{Fingerprint, fingerprint};
pub use history::{
    deciding, has_attempt, interrupted_runs, read_attempts, read_runs, runs_done, write_attempt,
};
pub use key::{read_key, write_key};
pub use lease::{Lease, LeaseRecord};
pub use orders::{
    BREAK, CANCEL, OrderRecord, is_cancel_requested, knows_orders, read_orders, request_cancel,
    write_order,
};
pub use output::{
    CopiedLine, forget_copied_output, gather_output, last_place, last_written, read_copied_output,
    read_output, write_output, written_lines,
};
pub use pause::{
    Pause, close_to_pauses, is_closed_to_pauses, read_pause, request_pause, write_waiting,
};
pub use process::holder;
pub use records::{AttemptRecord, Outcome, OutputLine, Phase, RunRecord, StepRecord, StepState};
pub use releases::{
    ReleaseRecord, read_last_release, read_release_of, read_releases, write_release,
};
pub use repairs::{REPAIR, RepairRecord, read_repairs};
pub use requests::{RequestKey, run_of_request};
pub use right::{OperatorsWord, Right, TargetLock};
pub use runs::{
    Start, end_dead_runs, end_lost_transactions, end_run, keep_schema, lock, lock_idle, lock_out,
    run_of_schema, schema_before, set_phase, start_run, write_schema,
};
pub use steps::{
    StepVersion, finalize_steps, forget_repeatable, forget_steps, remove_step, reopen_steps,
    require_step, require_steps, write_step,
};
pub use tenants::{
    ADD_TENANT, AppliedEntry, AppliedRecord, LastFailure, REMOVE_TENANT, SourceRecord, TenantTally,
    count_by_run, count_by_source, count_by_tenant, count_repeated, demand_schema, fetch_applied,
    finalize_applied, has_tenants, has_unfinished, holds_anything, keep_tenant_schema,
    last_applied, last_failures, last_reset, last_resets, last_unfinished, last_whole_reset,
    make_schema, migrating_runs, query_applied, read_all_of_tenant, read_applied,
    read_applied_beside, read_applied_by, read_applied_for, read_applied_of, read_failures,
    read_finalized_after, read_repeated, read_scripts_since, read_sources, read_tenants,
    read_unfinalized, remove_tenant, removed_tenants, reserved_words, serves_anybody,
    set_applied_aside, set_begun_aside, set_source_kind, set_tenant_aside, update_applied,
    whole_schema, whole_schema_in, write_applied, write_failure, write_source, write_tenant,
};
pub use transformations::{
    BadRow, Range, TransformationRecord, advance_range, begin_transformation, count_bad_rows,
    forget_bad_rows, forget_transformations, lock_bad_rows, read_bad_rows, read_ranges, redescribe,
    write_bad_row,
};

/// What the journal says of a target at one moment. Its size grows with the steps, not with the runs or their output.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The steps that were applied, by index.
    pub steps: BTreeMap<u64, StepRecord>,
    /// What was applied of repeatable steps whose content has changed since: it takes part in nothing, but is what their next
    /// run replaces. The engine, which knows the files, puts it here.
    pub superseded: BTreeMap<u64, StepRecord>,
    /// The seeds whose content has changed since they ran, which they do not do again.
    pub stale: BTreeSet<u64>,
    /// The transformations among the steps that are not finalized.
    pub transformations: BTreeMap<u64, TransformationRecord>,
    /// The newest run.
    pub last_run: Option<RunRecord>,
    /// The newest run that says in which state the target is, when it failed and others came after it: its failure stands.
    pub failed_before: Option<RunRecord>,
    /// What holds that run up, until it ends.
    pub pause: Option<Pause>,
    /// Who holds the lease, or died holding it.
    pub lease: Option<LeaseRecord>,
}

impl Snapshot {
    /// The run that says in which state the target is, while the last one `is_live` or not.
    pub fn deciding_run(&self, is_live: bool) -> Option<&RunRecord> {
        deciding(self.last_run.as_ref(), self.failed_before.as_ref(), is_live)
    }
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
        steps: steps::read(session, version).await?,
        last_run: read_runs(session, i64::MAX, 1).await?.pop(),
        lease: lease::read(session).await?,
        ..Snapshot::default()
    };
    if let Some(run) = &snapshot.last_run
        && !history::decides(run)
    {
        let before = history::read_deciding(session, run.id).await?;
        snapshot.failed_before = before.filter(|run| run.outcome == Some(Outcome::Failed));
    }
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

/// What is to be written does not fit what the journal says: it was expected to say `expected`.
fn conflict(expected: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the journal was changed by somebody else, or the database has lost a part of it: it was expected to say {expected}; \
             nothing of this transaction is kept"
        ),
    )
}
