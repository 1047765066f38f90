//! What is done between migrate and finalize: rows that the application changes are transformed anew, so that finalize
//! finds few of them.

use std::sync::Arc;

use super::event::Unobserved;
use super::loaded;
use super::program::Program;
use super::step_output::RunContext;
use super::{Engine, RunError, transform};
use crate::catalog::StepFile;
use crate::database::{Access, Durability, Stop};
use crate::journal::{self, Fenced, StepState};

pub(super) async fn drain(engine: &Engine, stop: &Stop) -> Result<bool, RunError> {
    let snapshot = engine.snapshot(stop).await?;
    if snapshot.lease.is_some() || snapshot.transformations.is_empty() {
        return Ok(false);
    }
    let catalog = engine.catalog()?;
    let files: Vec<&StepFile> = snapshot
        .transformations
        .keys()
        .filter_map(|index| catalog.steps.get(index))
        .collect();
    let failed = |failure| RunError::Step(Box::new(failure));
    let steps = loaded::load(engine, &files, &Unobserved, stop).map_err(failed)?;
    let context = Arc::new(RunContext {
        lease: None,
        observer: Arc::new(Unobserved),
        settings: Arc::clone(&engine.options.settings),
        output: Arc::default(),
        tenant: None,
        is_tenancy: false,
    });
    let mut has_more = false;
    for step in &steps {
        let mut session = engine.database.open(Access::Write, stop).await?;
        session.begin(Durability::Deferred).await?;
        // Whoever wants the lease waits for this lock.
        let Some(right) = journal::lock_idle(&mut *session).await? else {
            session.rollback().await?;
            return Ok(false);
        };
        let snapshot = journal::read(&mut *session).await?;
        let record = snapshot.steps.get(&step.step.index);
        let is_waiting = record.is_some_and(|record| {
            record.state == StepState::Migrated && record.digest == step.step.digest
        });
        let begun = snapshot.transformations.get(&step.step.index);
        let (Program::Transformation(_), Some(begun), true, None) =
            (&step.program, begun, is_waiting, &snapshot.lease)
        else {
            session.rollback().await?;
            continue;
        };
        stop.set_deadline(Some(engine.deadline()));
        let drained =
            transform::drain_idle(engine, &context, step, begun, &mut *session, stop).await;
        stop.set_deadline(None);
        has_more |= drained.map_err(failed)?;
        let fenced = Fenced::of_steps(&mut *session, &right).verify().await?;
        fenced.commit().await?;
    }
    Ok(has_more)
}
