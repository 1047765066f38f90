//! A command on steps: what it leads to, and the run that it becomes.

use std::sync::Arc;

use super::{Report, Run};
use crate::catalog::{Catalog, StepFile};
use crate::database::{Session, Stop};
use crate::engine::acquire::{self, Acquired, Beginning, Job, Locked, Turn};
use crate::engine::event::Observer;
use crate::engine::extent::Plan;
use crate::engine::loaded::Loaded;
use crate::engine::order::Order;
use crate::engine::state::{Command, State};
use crate::engine::step_output::RunContext;
use crate::engine::{Engine, RunError, adopt, overview};
use crate::journal::{self, LeaseRecord, Outcome, Pause, Phase, Snapshot};

/// A command on the steps of a directory.
struct StepsJob<'e> {
    engine: &'e Engine,
    /// The files in the directory.
    scanned: &'e Catalog,
    /// Those of them that are for this target, by the last look.
    catalog: Catalog,
    order: &'e Order,
    observer: Arc<dyn Observer>,
    stop: &'e Stop,
    /// The state that the command leads to first and what it does, by the last look.
    next: Option<(State, Plan)>,
    /// What it runs first, where that had to be loaded to know whether the target is begun at all.
    loaded: Vec<Loaded>,
}

/// Runs a command to its end.
pub(in crate::engine) async fn run(
    engine: &Engine,
    order: Order,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Report, RunError> {
    let command = order.command;
    let scanned = engine.catalog()?;
    let mut job = StepsJob {
        engine,
        scanned: &scanned,
        catalog: scanned.clone(),
        order: &order,
        observer: Arc::clone(&observer),
        stop,
        next: None,
        loaded: Vec::new(),
    };
    let turn = acquire::lock(engine, &mut job, &*observer, stop).await?;
    let StepsJob {
        catalog,
        next,
        loaded,
        ..
    } = job;
    let (Locked { session, found }, Some((first, plan))) = (match turn {
        Turn::Nothing(found) => return Ok(nothing_done(&catalog, &found)),
        Turn::Locked(locked) => (locked, next),
    }) else {
        return Err(RunError::Refused("there is nothing to do".to_owned()));
    };
    let beginning = Beginning {
        command: command.as_str(),
        phase: match (command, first) {
            (Command::Reset, _) => Phase::Reset,
            (_, State::FinalizationRunning) => Phase::Finalize,
            _ => Phase::Prepare,
        },
        verbose: order.verbose,
        steps: plan.len(),
    };
    let begun = acquire::begin(engine, session, &beginning, &observer, stop).await?;
    let Acquired {
        session,
        lease,
        presence,
    } = begun;
    let context = Arc::new(RunContext {
        run: Some(lease.run),
        lease: Some(lease.clone()),
        observer,
        settings: Arc::clone(&engine.options.settings),
        output: engine.output_of(lease.run),
        tenant: None,
        is_tenancy: false,
    });
    let mut run = Run::new(engine, context, lease, session, catalog, found, plan, stop);
    run.loaded_before = loaded;
    let report = run.drive(command, first).await;
    drop(presence);
    Ok(report)
}

impl Job for StepsJob<'_> {
    type Found = Snapshot;
    type Refusal = RunError;

    async fn look(&mut self, session: &mut dyn Session) -> Result<Snapshot, RunError> {
        let mut snapshot = journal::read(session).await?;
        self.catalog = self.engine.fitting(self.scanned, &snapshot);
        self.engine.reopen(&self.catalog, &mut snapshot);
        Ok(snapshot)
    }

    fn pause(found: &Snapshot) -> Option<&Pause> {
        found.pause.as_ref()
    }

    fn lease(found: &Snapshot) -> Option<&LeaseRecord> {
        found.lease.as_ref()
    }

    fn wants(&mut self, found: &Snapshot) -> Result<bool, RunError> {
        self.next = self.engine.decide(&self.catalog, found, self.order)?;
        Ok(self.next.is_some())
    }

    async fn permit(&mut self, found: &Snapshot) -> Result<(), RunError> {
        let runs_any = |(_, plan): &(State, Plan)| !plan.migrate.is_empty();
        let Some((_, plan)) = self.next.as_ref().filter(|next| runs_any(next)) else {
            return adopt::refuse_other_list(self.engine, found, self.stop).await;
        };
        adopt::refuse_unadopted(self.engine, found, self.stop).await?;
        let files: Vec<&StepFile> = overview::pending(&self.catalog, found)
            .filter(|step| plan.migrate.contains(&step.index))
            .collect();
        self.loaded.clear();
        // A refused run is written down, but makes no journal for that.
        if found.last_run.is_none() {
            let observer = &*self.observer;
            self.loaded = self.engine.load_first(&files, observer, self.stop)?;
        }
        self.engine.refuse_dangers_of(files.into_iter())
    }

    fn waits(&self) -> bool {
        self.engine.options.wait
    }
}

fn nothing_done(catalog: &Catalog, snapshot: &Snapshot) -> Report {
    Report {
        run: None,
        outcome: Outcome::Done,
        state: Some(overview::state_of(catalog, snapshot)),
        failure: None,
    }
}
