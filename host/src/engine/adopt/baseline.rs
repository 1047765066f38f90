//! `baseline`: steps whose work was done before wasmigrate came.

use std::sync::Arc;

use super::record::{self, BASELINE, Record};
use super::unadopted::unadopted;
use super::{AdoptedFile, Adoption, BaselineOrder, steps, take_turn};
use crate::catalog::{Catalog, StepFile, runs_last};
use crate::database::Stop;
use crate::engine::step_reference::StepReference;
use crate::engine::{ApplyError, ApplyMode, ApplyOrder, Engine, Observer, Progress, RunError};
use crate::journal::Snapshot;

/// What says that no step was applied.
const NONE: &str = "none";

pub(in crate::engine) async fn baseline(
    engine: &Engine,
    order: &BaselineOrder,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Adoption, RunError> {
    if engine.options.tenancy.is_some() {
        return of_tenants(engine, order, observer, stop).await;
    }
    let scanned = engine.catalog()?;
    let settles;
    {
        // Who is refused, or has nothing to do, must not even open the target for writing.
        let snapshot = engine.snapshot(stop).await?;
        // What cannot be read is settled, too.
        settles = !unadopted(engine, &snapshot, stop)
            .await
            .is_ok_and(|why| why.is_none());
        let catalog = adoptable(engine, &scanned, &snapshot);
        let steps = chosen(engine, &catalog, &snapshot, order)?;
        if order.dry_run || is_done(&steps, &snapshot, settles) {
            return Ok(adoption(None, &steps));
        }
    }
    let (mut session, snapshot) = take_turn(engine, &*observer, stop).await?;
    let catalog = adoptable(engine, &scanned, &snapshot);
    let steps = chosen(engine, &catalog, &snapshot, order)?;
    if is_done(&steps, &snapshot, settles) {
        return Ok(adoption(None, &steps));
    }
    let mut record = Record::begin(&mut *session, BASELINE, &engine.options).await?;
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

/// The files that can be written down as applied: all steps of a new database, which have run in it before; and the baseline
/// where they are not there any more.
fn adoptable(engine: &Engine, scanned: &Catalog, snapshot: &Snapshot) -> Catalog {
    let is_new = snapshot.steps.keys().all(|index| runs_last(*index));
    let catalog = match is_new {
        true => scanned.clone(),
        false => engine.fitting(scanned, snapshot),
    };
    catalog.with_baseline()
}

/// The same for files that have no numbers, and for all tenants.
async fn of_tenants(
    engine: &Engine,
    order: &BaselineOrder,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Adoption, RunError> {
    match &order.through {
        None => {}
        Some(StepReference::Index(0)) => return of_nothing(engine, order, &*observer, stop).await,
        Some(StepReference::Name(name)) if name == NONE => {
            return of_nothing(engine, order, &*observer, stop).await;
        }
        Some(_) => {
            return Err(RunError::Refused(
                "the files of sources have no numbers: leave out `--through`, or say `--through none` when none of them was \
                 applied"
                    .to_owned(),
            ));
        }
    }
    if order.dry_run {
        let steps = engine.overview().await?.steps;
        let pending = steps
            .into_iter()
            .filter(|step| step.progress == Progress::Pending);
        return Ok(Adoption {
            files: pending.map(|step| file(step.name)).collect(),
            ..Adoption::default()
        });
    }
    let sync = ApplyOrder {
        mode: ApplyMode::Sync,
        new_tenant: None,
        adopts_schema: false,
        strategy: None,
        by: None,
    };
    let applied = engine.apply(sync, observer, stop).await;
    let applied = applied.map_err(|error| match error {
        ApplyError::Run(error) => error,
        other => RunError::Refused(other.to_string()),
    })?;
    if let (Some(run), Some(reason)) = (applied.run, &order.reason) {
        record::add_line(engine, run, &format!("reason: {reason}"), stop).await?;
    }
    let sources = applied.sources.into_iter();
    Ok(Adoption {
        run: applied.run,
        files: sources.map(|source| file(source.file.key)).collect(),
        remarks: Vec::new(),
    })
}

/// Says that nothing was applied before, unless that was said, or something was run.
async fn of_nothing(
    engine: &Engine,
    order: &BaselineOrder,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Adoption, RunError> {
    let snapshot = engine.snapshot(stop).await?;
    let is_said = snapshot.last_run.is_some()
        && unadopted(engine, &snapshot, stop)
            .await
            .is_ok_and(|why| why.is_none());
    if order.dry_run || is_said {
        return Ok(Adoption::default());
    }
    let (mut session, _) = take_turn(engine, observer, stop).await?;
    let mut record = Record::begin(&mut *session, BASELINE, &engine.options).await?;
    if let Some(reason) = &order.reason {
        record.tell(None, &format!("reason: {reason}"));
    }
    Ok(Adoption {
        run: Some(record.commit(&mut *session).await?),
        ..Adoption::default()
    })
}

fn file(name: String) -> AdoptedFile {
    AdoptedFile {
        name,
        tenant: None,
        applied_at: None,
    }
}

/// Whether there is nothing to write down. One that settles what stands in the way of a run says that it was made, if nothing else.
fn is_done(steps: &[(&StepFile, String)], snapshot: &Snapshot, settles: bool) -> bool {
    steps.is_empty() && snapshot.last_run.is_some() && !settles
}

fn adoption(run: Option<i64>, steps: &[(&StepFile, String)]) -> Adoption {
    let files = steps.iter().map(|(step, _)| file(step.label()));
    Adoption {
        run,
        files: files.collect(),
        remarks: Vec::new(),
    }
}

/// The steps that are to be written down, with the digests of their files; refused when one of them was begun, or when
/// one would be left out after which another was applied.
fn chosen<'c>(
    engine: &Engine,
    catalog: &'c Catalog,
    snapshot: &Snapshot,
    order: &BaselineOrder,
) -> Result<Vec<(&'c StepFile, String)>, RunError> {
    let steps = &catalog.steps;
    let last = match &order.through {
        None => catalog.numbered().next_back().map(|step| step.index),
        Some(StepReference::Index(0)) if !steps.contains_key(&0) => None,
        // Nothing of it would run, or nothing of it would be written down: either may be meant.
        Some(StepReference::Index(0)) => {
            return Err(RunError::Refused(
                "`--through 0` may mean the step with the index 0 or no step at all: say `--through none`, or the step's name"
                    .to_owned(),
            ));
        }
        Some(StepReference::Name(name)) if name == NONE => None,
        Some(through) => Some(find(engine, catalog, through)?),
    };
    // A repeatable step was applied by nobody, and bears being run again.
    let wanted = catalog
        .numbered()
        .filter(|step| last.is_some_and(|last| step.index <= last));
    steps::missing(engine, catalog, snapshot, order.out_of_order, wanted)
}

/// The index of the step that is meant.
fn find(engine: &Engine, catalog: &Catalog, through: &StepReference) -> Result<u64, RunError> {
    let named = catalog.numbered();
    if let Some(index) = through.find(named.map(|step| (step.index, step.name.as_str()))) {
        return Ok(index);
    }
    let steps = match catalog.numbered().next_back() {
        Some(last) => format!("the last is {}", last.label()),
        None => format!("`{}` holds none", engine.options.migrations.display()),
    };
    Err(RunError::Refused(format!(
        "there is no step {through} to go through to: {steps}"
    )))
}
