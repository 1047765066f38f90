//! What is done between migrate and finalize: rows that the application changes are transformed anew, so that finalize
//! finds few of them.

use std::sync::Arc;
use std::time::Duration;

use super::event::Unobserved;
use super::loaded;
use super::program::Program;
use super::step_output::RunContext;
use super::{Engine, RunError, transform};
use crate::catalog::StepFile;
use crate::database::{Access, Durability, Stop};
use crate::journal::{self, Fenced, StepState};

pub(super) async fn drain(engine: &Engine, stop: &Stop) -> Result<Option<Duration>, RunError> {
    let snapshot = engine.snapshot(stop).await?;
    if snapshot.lease.is_some() || snapshot.transformations.is_empty() {
        return Ok(None);
    }
    let catalog = engine.catalog()?;
    let files: Vec<&StepFile> = snapshot
        .transformations
        .keys()
        .filter_map(|index| catalog.steps.get(index))
        .collect();
    let failed = |failure| RunError::Step(Box::new(failure));
    let steps = loaded::load(engine, &files, &Unobserved, stop).map_err(failed)?;
    let mut has_more = false;
    let mut rows = 0;
    let mut refused = None;
    for step in &steps {
        let mut session = engine.database.open(Access::Write, stop).await?;
        session.begin(Durability::Deferred).await?;
        // Whoever wants the lease waits for this lock.
        let Some(right) = journal::lock_idle(&mut *session).await? else {
            session.rollback().await?;
            return Ok(None);
        };
        let snapshot = journal::read(&mut *session).await?;
        let record = snapshot.steps.get(&step.step.index);
        let record = record.filter(|record| {
            record.state == StepState::Migrated && record.digest == step.step.digest
        });
        let begun = snapshot.transformations.get(&step.step.index);
        let (Program::Transformation(_), Some(begun), Some(record), None) =
            (&step.program, begun, record, &snapshot.lease)
        else {
            session.rollback().await?;
            continue;
        };
        // What the function says now is of the run that has begun with its rows.
        let context = Arc::new(RunContext {
            run: Some(record.run),
            lease: None,
            observer: Arc::new(Unobserved),
            settings: Arc::clone(&engine.options.settings),
            output: Arc::default(),
            tenant: None,
            is_tenancy: false,
        });
        stop.set_deadline(Some(engine.deadline()));
        let drained =
            transform::drain_idle(engine, &context, step, begun, &mut *session, stop).await;
        stop.set_deadline(None);
        match drained {
            Ok(drained) => {
                has_more |= drained.has_more;
                rows += drained.rows;
                refused = refused.or(drained.refused);
            }
            // The rows of others do not wait for it.
            Err(failure) => {
                refused = refused.or(Some(failure));
                session.rollback().await?;
                continue;
            }
        }
        let right = right.in_the_name_of(record.run);
        let fenced = Fenced::of_steps(&mut *session, &right).verify().await?;
        fenced.with_output(&*context.output).commit().await?;
    }
    match refused {
        Some(failure) => Err(failed(failure)),
        None => {
            let limit = engine.options.transform.max_rows_per_second;
            Ok(has_more.then(|| transform::time_of(rows, limit)))
        }
    }
}
