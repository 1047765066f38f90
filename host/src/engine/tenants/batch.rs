//! Task in SQL that share a transaction, run without waiting for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::context::{TenancyContext, finish};
use super::failed::Failed;
use super::work::Task;
use crate::catalog::Section;
use crate::database::{Listener, Script, ScriptError, Session};
use crate::engine::event::Unit;
use crate::engine::failure::Failure;
use crate::engine::meter::Meter;
use crate::engine::program::{self, Program};
use crate::engine::step_output::{RunContext, StepOutput};
use crate::journal::{self, AppliedRecord, Phase, StepState};
use crate::output::Level;
use crate::sandbox;

/// How many tasks are run together at most.
const MAX_TASKS: usize = 256;

/// How many bytes of SQL they have together, unless one of them has more.
const MAX_BYTES: usize = 1 << 20;

/// Some tasks of which each has something to say in SQL.
pub(super) struct Batch<'b> {
    tasks: Vec<&'b Task>,
    turns: Vec<Turn>,
}

/// One phase of one task.
struct Turn {
    /// The place of the task.
    task: usize,
    phase: Phase,
    section: Section,
    is_first: bool,
}

impl<'b> Batch<'b> {
    /// The first tasks of these, as far as they can be run together; none when the first cannot.
    pub(super) fn next(
        tenancy: &TenancyContext<'_>,
        rest: &[&'b Task],
        is_here: impl Fn(&Task) -> bool,
    ) -> Option<Self> {
        // Who hears each statement wants to know how long it took, too.
        if tenancy.observer.hears_statements() {
            return None;
        }
        let mut batch = Self {
            tasks: Vec::new(),
            turns: Vec::new(),
        };
        let mut bytes = 0;
        for task in rest.iter().take(MAX_TASKS) {
            let Some(turns) = batch.turns(tenancy, task).filter(|_| is_here(task)) else {
                break;
            };
            bytes += turns
                .iter()
                .map(|turn| turn.section.text.len())
                .sum::<usize>();
            batch.tasks.push(task);
            batch.turns.extend(turns);
            if bytes >= MAX_BYTES {
                break;
            }
        }
        (!batch.tasks.is_empty()).then_some(batch)
    }

    /// What a task has to say; none when that is nothing, not in SQL, or cannot be said for its tenant.
    fn turns(&self, tenancy: &TenancyContext<'_>, task: &Task) -> Option<Vec<Turn>> {
        let Program::Sql(sql) = &tenancy.loaded.get(&task.file)?.program else {
            return None;
        };
        let mut turns = Vec::new();
        for phase in task.phases {
            let rendered = tenancy.render(sql, task, *phase).ok()?;
            let sql = rendered.as_ref().unwrap_or(sql);
            if let Some(section) = program::section(sql, *phase) {
                turns.push(Turn {
                    task: self.tasks.len(),
                    phase: *phase,
                    section: section.clone(),
                    is_first: turns.is_empty(),
                });
            }
        }
        (!turns.is_empty()).then_some(turns)
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &'b Task> {
        self.tasks.iter().copied()
    }

    /// Runs the tasks in the open transaction, with a context for each; `begins` is called for each that begins. Returns their
    /// rows as they are then.
    pub(super) async fn perform(
        &self,
        tenancy: &TenancyContext<'_>,
        contexts: &[Arc<RunContext>],
        session: &mut dyn Session,
        begins: &mut (dyn FnMut(&Task) + Send),
    ) -> Result<Vec<AppliedRecord>, Failed> {
        let scripts: Vec<Script<'_>> = self
            .turns
            .iter()
            .map(|turn| Script {
                text: &turn.section.text,
                is_fresh: turn.is_first,
            })
            .collect();
        let mut progress = BatchProgress::new(self, tenancy, contexts, begins);
        session.listen(Some(Arc::clone(&progress.notices) as _));
        progress.begin();
        let performed = session
            .execute_scripts(&scripts, &mut |place, done| progress.advance(place, done))
            .await;
        let result = match (performed, tenancy.stop.reason()) {
            (Err((place, error)), _) => Err(self.failed(tenancy, place, error)),
            (Ok(()), Some(reason)) => {
                let failure = Failure::from_sandbox(sandbox::Error::Stopped(reason));
                Err(self.of(tenancy, self.turns.last(), failure))
            }
            (Ok(()), None) => Ok(()),
        };
        tenancy.stop.set_deadline(None);
        result?;
        progress.pass_over(self.turns.len());
        Ok(progress.records)
    }

    fn failed(&self, tenancy: &TenancyContext<'_>, place: usize, error: ScriptError) -> Failed {
        let turn = self.turns.get(place);
        let first_line = turn.map_or(1, |turn| turn.section.first_line);
        let failure = Failure::from_script(error, first_line, tenancy.stop.reason());
        let failure = failure.in_file(turn.and_then(|turn| turn.section.file_name.as_deref()));
        self.of(tenancy, turn, failure)
    }

    /// The failure, said of the task whose turn it was.
    fn of(&self, tenancy: &TenancyContext<'_>, turn: Option<&Turn>, failure: Failure) -> Failed {
        let found = turn.and_then(|turn| Some((turn, *self.tasks.get(turn.task)?)));
        match found {
            Some((turn, task)) => {
                let failure = tenancy.say(failure, task, turn.phase, tenancy.stop);
                (Some(task.clone()), failure)
            }
            None => (None, failure),
        }
    }
}

/// How far the turns of a batch are.
struct BatchProgress<'c> {
    batch: &'c Batch<'c>,
    tenancy: &'c TenancyContext<'c>,
    /// Told of each task that begins.
    begins: &'c mut (dyn FnMut(&Task) + Send),
    /// The turn that runs.
    turn: usize,
    meters: Vec<Meter>,
    notices: Arc<NoticeRouter>,
    records: Vec<AppliedRecord>,
}

impl<'c> BatchProgress<'c> {
    fn new(
        batch: &'c Batch<'c>,
        tenancy: &'c TenancyContext<'c>,
        contexts: &[Arc<RunContext>],
        begins: &'c mut (dyn FnMut(&Task) + Send),
    ) -> Self {
        let (mut meters, mut outputs) = (Vec::new(), Vec::new());
        for turn in &batch.turns {
            let task = batch.tasks.get(turn.task);
            let loaded = task.and_then(|task| tenancy.loaded.get(&task.file));
            if let (Some(loaded), Some(context)) = (loaded, contexts.get(turn.task)) {
                meters.push(Meter::new(&context.observer, &loaded.step.label, None));
                outputs.push(StepOutput::new(context, &loaded.step, turn.phase));
            }
        }
        Self {
            batch,
            tenancy,
            begins,
            turn: 0,
            meters,
            notices: Arc::new(NoticeRouter {
                outputs,
                turn: AtomicUsize::new(0),
            }),
            records: batch.tasks().map(|task| tenancy.record(task)).collect(),
        }
    }

    /// So many bytes of a turn are done.
    fn advance(&mut self, turn: usize, done: usize) {
        self.pass_over(turn);
        // The last statement of a turn may end with it.
        if self.turn > turn {
            return;
        }
        let section = self.batch.turns.get(turn).map(|turn| &turn.section);
        let total = section.map_or(0, |section| section.text.len());
        if let Some(meter) = self.meters.get_mut(turn) {
            meter.progress(done as u64, Some(total as u64), Unit::Bytes);
        }
        if done >= total {
            self.end();
        }
    }

    /// Ends all turns before this one: those without a statement tell nothing.
    fn pass_over(&mut self, turn: usize) {
        while self.turn < turn {
            self.end();
        }
    }

    /// The turn that runs begins, with a deadline of its own.
    fn begin(&mut self) {
        self.notices.turn.store(self.turn, Ordering::Relaxed);
        let Some(turn) = self.batch.turns.get(self.turn) else {
            return;
        };
        let stop = self.tenancy.stop;
        stop.set_deadline(Some(self.tenancy.engine.deadline()));
        if !turn.is_first {
            return;
        }
        if let Some(task) = self.batch.tasks.get(turn.task) {
            (self.begins)(task);
        }
        if let Some(record) = self.records.get_mut(turn.task)
            && record.state == StepState::Started
        {
            record.started_at = journal::now();
        }
    }

    /// The turn that runs has ended, and the next begins.
    fn end(&mut self) {
        let ended = self.batch.turns.get(self.turn).map(|turn| turn.task);
        self.turn += 1;
        let next = self.batch.turns.get(self.turn).map(|turn| turn.task);
        if let Some(place) = ended.filter(|_| ended != next)
            && let Some(task) = self.batch.tasks.get(place)
            && let Some(record) = self.records.get_mut(place)
        {
            finish(record, task.phases, self.tenancy.run());
        }
        self.begin();
    }
}

/// Hears what the database says, for whoever's turn it is.
struct NoticeRouter {
    outputs: Vec<Arc<StepOutput>>,
    turn: AtomicUsize,
}

impl Listener for NoticeRouter {
    fn hear(&self, level: Level, message: &str) {
        if let Some(output) = self.outputs.get(self.turn.load(Ordering::Relaxed)) {
            output.hear(level, message);
        }
    }
}
