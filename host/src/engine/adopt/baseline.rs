//! `baseline`: steps whose work was done before wasmigrate came.

use super::record::Record;
use super::{AdoptedFile, Adoption, BaselineOrder, steps, take_turn};
use crate::catalog::{Catalog, StepFile};
use crate::database::Stop;
use crate::engine::{Engine, Observer, RunError};
use crate::journal::Snapshot;

pub(in crate::engine) async fn baseline(
    engine: &Engine,
    order: &BaselineOrder,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Adoption, RunError> {
    let catalog = engine.catalog()?;
    {
        // Who is refused, or has nothing to do, must not even open the target for writing.
        let snapshot = engine.snapshot(stop).await?;
        let steps = chosen(engine, &catalog, &snapshot, order.through)?;
        if order.dry_run || is_done(&steps, &snapshot) {
            return Ok(adoption(None, &steps));
        }
    }
    let (mut session, snapshot) = take_turn(engine, observer, stop).await?;
    let steps = chosen(engine, &catalog, &snapshot, order.through)?;
    if is_done(&steps, &snapshot) {
        return Ok(adoption(None, &steps));
    }
    let mut record = Record::begin(&mut *session, "baseline", engine.options.lease).await?;
    if let Some(reason) = &order.reason {
        record.tell(None, &format!("reason: {reason}"));
    }
    for (step, digest) in &steps {
        steps::write(&mut *session, &record, step, digest, None).await?;
        let line = format!("{} was written down as applied, and not run", step.label());
        record.tell(Some(step.index), &line);
    }
    let run = record.commit(&mut *session).await?;
    Ok(adoption(Some(run), &steps))
}

/// Whether there is nothing to write down. The first baseline says that it was made, if nothing else.
fn is_done(steps: &[(&StepFile, String)], snapshot: &Snapshot) -> bool {
    steps.is_empty() && snapshot.last_run.is_some()
}

fn adoption(run: Option<i64>, steps: &[(&StepFile, String)]) -> Adoption {
    let files = steps.iter().map(|(step, _)| AdoptedFile {
        name: step.label(),
        tenant: None,
        applied_at: None,
    });
    Adoption {
        run,
        files: files.collect(),
        remarks: Vec::new(),
    }
}

/// The steps that are to be written down, with the digests of their files; refused when one of them was begun, or when
/// one would be left out behind which another was applied.
fn chosen<'c>(
    engine: &Engine,
    catalog: &'c Catalog,
    snapshot: &Snapshot,
    through: Option<u32>,
) -> Result<Vec<(&'c StepFile, String)>, RunError> {
    let highest = catalog.steps.keys().next_back().copied().unwrap_or(0);
    let through = through.unwrap_or(highest);
    if through > 0 && !catalog.steps.contains_key(&through) {
        let steps = match catalog.steps.values().next_back() {
            Some(last) => format!("the last is {}", last.label()),
            None => format!("`{}` holds none", engine.options.migrations.display()),
        };
        return Err(RunError::Refused(format!(
            "there is no step {through} to go through to: {steps}"
        )));
    }
    let wanted = catalog.steps.range(..=through).map(|(_, step)| step);
    steps::missing(engine, catalog, snapshot, wanted)
}
