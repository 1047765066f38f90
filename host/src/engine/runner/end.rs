//! The end of a run, written down with as many tries as that is worth.

use std::sync::Arc;

use super::{Report, Run};
use crate::catalog::step_label;
use crate::database::{ErrorKind, Result};
use crate::engine::end::{self, Ending};
use crate::engine::event::Event;
use crate::engine::failure::Failure;
use crate::engine::interruption::Interruption;
use crate::engine::retries::await_next_try;
use crate::journal::{self, Outcome, Phase, StepRecord, StepState};

impl Run<'_> {
    /// Ends the run. What was acknowledged is demanded in the last transaction, and looked for after a lost connection: a
    /// run is not done whose commits the server has lost.
    pub(super) async fn end(mut self, result: std::result::Result<(), Interruption>) -> Report {
        let interruption = result.err();
        let mut ending = Ending::of(interruption.as_ref());
        let is_over = matches!(interruption, Some(Interruption::Over(_)));
        let is_lost = interruption.is_some_and(|interruption| interruption.is_disconnected());
        let mut abandoned = None;
        if !is_over && let Err(error) = self.write_end(&mut ending, is_lost).await {
            // Else it is somebody else's by now.
            abandoned = (error.kind != ErrorKind::LeaseLost).then_some(self.lease.run);
            ending = ending.unwritten(error);
        }
        drop(self.session.take());
        self.context.output.tell_the_rest();
        let report = Report {
            run: Some(self.lease.run),
            outcome: ending.outcome,
            state: self
                .engine
                .state(&self.catalog, abandoned, &self.stop)
                .await,
            failure: ending.failure,
        };
        self.context.observer.notify(&Event::RunEnded {
            run: self.lease.run,
            outcome: report.outcome,
            state: report.state,
            failure: report.failure.clone().map(Box::new),
        });
        report
    }

    async fn write_end(&mut self, ending: &mut Ending, is_lost: bool) -> Result<()> {
        let (mut is_lost, mut is_brief) = (is_lost, false);
        let mut attempt = 1;
        loop {
            let Err(error) = self.try_to_write_end(ending, is_lost, is_brief).await else {
                return Ok(());
            };
            let is_first = !is_lost;
            match error.kind {
                // A first look, at once: what is missing may be what the server has lost.
                ErrorKind::Unavailable | ErrorKind::Conflict if is_first => {
                    is_lost = true;
                    continue;
                }
                ErrorKind::Unavailable | ErrorKind::Busy => {}
                // The lease is not ours any more when the last commit came through unheard.
                _ if is_lost && self.has_ended(ending.outcome).await => return Ok(()),
                ErrorKind::LeaseLost => return Err(error),
                // There may be room for less.
                _ if !is_brief => {
                    is_brief = true;
                    self.unwritten.clear();
                    continue;
                }
                _ => return Err(error),
            }
            let failure = Failure::from_database(error.clone());
            let Some(pause) = self.engine.options.retries.pause(&failure, attempt) else {
                return Err(error);
            };
            attempt += 1;
            let observer = &*self.context.observer;
            let what = "the end of the run";
            if !await_next_try(observer, what, &failure, attempt, pause, &self.stop).await {
                return Err(error);
            }
        }
    }

    async fn try_to_write_end(
        &mut self,
        ending: &mut Ending,
        is_lost: bool,
        is_brief: bool,
    ) -> Result<()> {
        if is_lost {
            self.recover().await?;
            if let Some(failure) = ending.failure.take() {
                let took_place = self.took_place(&failure);
                ending.failure = Some(match took_place {
                    Some(took_place) => failure.with_known_commit(took_place),
                    None => failure,
                });
            }
            if let Err(gap) = self.refuse_a_gap() {
                *ending = Ending::of_gap(gap);
            }
        }
        let Some(session) = self.session.as_mut() else {
            return Ok(());
        };
        let context = Arc::clone(&self.context);
        let committed: Vec<(StepState, Vec<u64>)> = match ending.outcome {
            Outcome::Done => [StepState::Migrated, StepState::Finalized]
                .map(|state| {
                    (
                        state,
                        self.committed_steps.in_state(state).copied().collect(),
                    )
                })
                .into(),
            _ => Vec::new(),
        };
        let demand = async |fenced: &mut journal::Fenced<'_, journal::NoStep>| {
            for (state, steps) in &committed {
                journal::require_steps(fenced.session(), steps, *state).await?;
            }
            Ok(())
        };
        match is_brief {
            true => end::write_briefly(&mut **session, &self.lease, ending, demand).await,
            false => {
                let output = &*context.output;
                end::write(&mut **session, &self.lease, output, ending, demand).await
            }
        }
    }

    /// Whether the journal knows what was to be committed when this happened; none where it does not tell.
    fn took_place(&self, failure: &Failure) -> Option<bool> {
        match (failure.phase?, &failure.step) {
            (phase @ (Phase::Finalize | Phase::Reset), None) => Some(self.left(phase).is_empty()),
            (Phase::Migrate, Some(label)) => {
                let mut steps = self.snapshot.steps.values();
                let step = steps.find(|step| step_label(step.index, &step.name) == *label);
                migrate_took_place(step)
            }
            _ => None,
        }
    }

    /// Whether the journal says that the run ended so.
    async fn has_ended(&mut self, outcome: Outcome) -> bool {
        let run = self.lease.run;
        let Some(session) = self.session.as_mut() else {
            return false;
        };
        let looked = async {
            session.rollback().await?;
            session.begin_read().await?;
            let runs = journal::read_runs(&mut **session, run + 1, 1).await?;
            session.rollback().await?;
            Result::Ok(runs)
        };
        let runs = looked.await.unwrap_or_default();
        runs.iter()
            .any(|ended| ended.id == run && ended.outcome == Some(outcome))
    }
}

/// Whether a step's `migrate` was committed, by its row after a lost connection. Of one that is begun that is not known: it may
/// have been a checkpoint that was lost.
pub(super) fn migrate_took_place(step: Option<&StepRecord>) -> Option<bool> {
    match step.map(|step| step.state) {
        None => Some(false),
        Some(StepState::Started) => None,
        Some(StepState::Migrated | StepState::Finalized) => Some(true),
    }
}
