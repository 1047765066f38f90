//! Steps that are written down as applied.

use super::record::Record;
use crate::catalog::{Applied, AppliedStanding, Catalog, StepFile, step_label};
use crate::database::{self, Session};
use crate::engine::irreversible::half_done;
use crate::engine::{Engine, RunError, overview};
use crate::journal::{self, Snapshot, StepRecord, StepState};

/// Those that are not written down yet, with the digests of their files. Refused when a step was begun and not finalized,
/// or when one would be left out after which another was applied.
pub(super) fn missing<'c>(
    engine: &Engine,
    catalog: &'c Catalog,
    snapshot: &Snapshot,
    out_of_order: bool,
    wanted: impl Iterator<Item = &'c StepFile>,
) -> Result<Vec<(&'c StepFile, String)>, RunError> {
    let begun = snapshot
        .steps
        .values()
        .find(|step| step.state != StepState::Finalized);
    if let Some(step) = begun {
        if step.state == StepState::Started && catalog.steps.contains_key(&step.index) {
            return Err(RunError::Refused(half_done(&step_label(
                step.index, &step.name,
            ))));
        }
        // Without it neither is possible, and a baseline may be there in its stead.
        let way = match catalog.steps.contains_key(&step.index) {
            true => "",
            false => {
                "put back its file and those of the steps that are with it in a baseline, and "
            }
        };
        return Err(RunError::Refused(format!(
            "{} was begun and is not finalized: {way}`finalize` or `reset` first, so that it is certain what was done",
            step_label(step.index, &step.name)
        )));
    }
    let digests = engine.remembered_digests();
    let mut steps = Vec::new();
    for step in wanted {
        if !snapshot.steps.contains_key(&step.index) {
            steps.push((step, digests.of(step).map_err(RunError::files)?));
        }
    }
    let added = steps.iter().map(|(step, digest)| Applied {
        index: step.index,
        name: &step.name,
        digest,
        may_change: false,
        standing: AppliedStanding::Applied,
    });
    let applied = overview::applied(snapshot, false).chain(added);
    let mut allowances = engine.options.allowances;
    allowances.out_of_order |= out_of_order;
    let problems = catalog.compare(applied, digests, allowances);
    match problems.is_empty() {
        true => Ok(steps),
        false => Err(RunError::Files(problems)),
    }
}

/// Writes a step down as finalized, at the time when it was applied or else now.
pub(super) async fn write(
    session: &mut dyn Session,
    record: &Record,
    step: &StepFile,
    digest: &str,
    applied_at: Option<i64>,
) -> database::Result<()> {
    let at = applied_at.unwrap_or(record.at);
    let written = StepRecord {
        index: step.index,
        name: step.name.clone(),
        digest: digest.to_owned(),
        state: StepState::Finalized,
        run: record.lease.run,
        started_at: at,
        seed: 0,
        migrated_at: Some(at),
        finalized_at: Some(at),
        rows_done: None,
        resume_cursor: None,
        revision: 1,
        signer: None,
    };
    journal::write_step(session, step.kind.as_str(), &written, None).await
}
