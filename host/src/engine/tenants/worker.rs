//! One who runs the files of one tenant after the other, each in a transaction of its own.

use std::sync::Arc;
use std::time::Instant;

use super::changes::JournalChanges;
use super::failed::{cancelled, no_session, outcome_of};
use super::lines::OwnLines;
use super::owners;
use super::shared::{Shared, lock};
use super::tenant_database::enter;
use super::work::Task;
use crate::database::{Access, Database, Durability, Session, Stop};
use crate::engine::event::Event;
use crate::engine::failure::Failure;
use crate::engine::run_output::RunOutput;
use crate::engine::uncommitted::{Uncommitted, elapsed};
use crate::journal::{self, Fenced, Lease, Outcome, Phase};

/// One who works.
pub(super) struct Worker<'w> {
    pub(super) shared: &'w Shared<'w>,
    pub(super) stop: Stop,
    pub(super) output: Arc<RunOutput>,
    /// Of the tenant that it is at; the target's own on PostgreSQL.
    pub(super) session: Option<Box<dyn Session>>,
    /// The right to commit where the session is.
    pub(super) lease: Lease,
    /// Its number among the workers of the run; none for the one whose session is the run's own.
    pub(super) part: Option<u32>,
    /// Whether it is known what was committed where the session is.
    pub(super) is_certain: bool,
    pub(super) looked_for_pause_at: Option<Instant>,
    /// The count of the last line before those of the tenant that it is at.
    pub(super) said_before: i64,
}

impl Worker<'_> {
    /// Runs the tasks of one tenant, or of the target itself, with as many tries as they are worth.
    pub(super) async fn tenant(&mut self, tasks: &[Task]) -> Result<(), (Task, Failure)> {
        let tenancy = self.shared.tenancy;
        self.said_before = self.output.last();
        // A host that sleeps may have committed in a tenant's own file since it was read, until this run has entered it.
        self.is_certain &= !self.has_own_database(tasks);
        let mut left: Vec<Task> = tasks
            .iter()
            .map(|task| self.shared.with_record(task))
            .collect();
        let mut attempt = 1;
        // What was tried last, when its connection was lost.
        let mut in_doubt: Vec<Task> = Vec::new();
        while let Some(first) = left.first().cloned() {
            let started_at = journal::now();
            let before = left.len();
            let tried = match self.is_certain {
                true => {
                    let group = groups(&left).next().unwrap_or_default();
                    let size = group.len();
                    let tried = self.try_group(group, attempt).await;
                    in_doubt = match &tried {
                        Err((None, failure)) if failure.is_lost_connection() => group.to_vec(),
                        _ => Vec::new(),
                    };
                    tried.map(|()| left.split_off(size))
                }
                false => {
                    let now = self.look_again(&left).await;
                    if let Ok(now) = &now {
                        self.tell_committed(&std::mem::take(&mut in_doubt), now);
                    }
                    now.map_err(|failure| (None, failure))
                }
            };
            let (task, failure) = match tried {
                Ok(now) => {
                    if now.len() < before {
                        attempt = 1;
                    }
                    left = now;
                    continue;
                }
                Err((task, failure)) => (task.unwrap_or(first), failure),
            };
            self.give_up(&failure).await;
            lock(&self.shared.unwritten)
                .extend(tenancy.attempt(&task, attempt, started_at, &failure));
            self.write_failures().await;
            let label = tenancy.label(&task);
            if self.shared.why_over().is_some()
                || !self.tries_again(&label, &failure, &mut attempt).await
            {
                return Err((task, failure));
            }
        }
        Ok(())
    }

    /// Runs some tasks in one transaction and commits it. They are told as done only then.
    async fn try_group(
        &mut self,
        group: &[Task],
        attempt: u32,
    ) -> Result<(), (Option<Task>, Failure)> {
        let observer = Arc::clone(&self.shared.tenancy.observer);
        let mut ran = Uncommitted::default();
        let result = self.run_and_commit(group, attempt, &mut ran).await;
        match &result {
            Ok(()) => ran.committed(&*observer),
            Err((_, failure)) if failure.is_lost_connection() => {
                ran.lost(&*observer, outcome_of(failure));
            }
            Err((_, failure)) => ran.rolled_back(&*observer, outcome_of(failure)),
        }
        result
    }

    async fn run_and_commit(
        &mut self,
        group: &[Task],
        attempt: u32,
        ran: &mut Uncommitted,
    ) -> Result<(), (Option<Task>, Failure)> {
        let tenancy = self.shared.tenancy;
        let without_task = |error| (None, Failure::from_database(error));
        self.open(group).await.map_err(without_task)?;
        self.pause_if_asked()
            .await
            .map_err(|failure| (None, failure))?;
        let mut session = self.session.take().ok_or_else(|| (None, no_session()))?;
        // What runs outside a transaction stands alone, and finds on the disk all that was committed before it.
        let durability = match group.first().is_some_and(|task| self.is_outside(task)) {
            true => Durability::Flushed,
            false => Durability::Deferred,
        };
        if let Err(error) = session.begin(durability).await {
            self.session = Some(session);
            return Err(without_task(error));
        }
        let mut changes = JournalChanges::default();
        let mut done = Vec::new();
        for task in group {
            if self.stop.is_cancelled() {
                self.session = Some(session);
                return Err((Some(task.clone()), cancelled()));
            }
            let task = self.shared.with_record(task);
            let began = Instant::now();
            let label = tenancy.label(&task);
            let phase = first_phase(&task);
            tenancy.observer.notify(&Event::StepStarted {
                step: label.clone(),
                phase,
                attempt,
                number: task.file + 1,
                of: tenancy.files.len(),
                resumed: false,
            });
            let context = tenancy.context(tenancy.tenant(&task), &self.output);
            let performed = match self.is_outside(&task) {
                true => self.outside(&context, session, &task, attempt).await,
                false => {
                    let performed = tenancy
                        .perform(&context, session, &task, attempt, &self.stop)
                        .await;
                    (
                        performed.result.map(|record| (task.clone(), record)),
                        performed.session,
                    )
                }
            };
            session = performed.1;
            match performed.0 {
                Ok((task, record)) => {
                    ran.ran(&*tenancy.observer, label, phase, began);
                    changes.note(&task, record.clone());
                    done.push((task, record));
                }
                Err(failure) => {
                    tenancy.observer.notify(&Event::StepEnded {
                        step: label,
                        phase,
                        outcome: outcome_of(&failure),
                        milliseconds: elapsed(began),
                        rolled_back: false,
                    });
                    self.session = Some(session);
                    return Err((Some(task), failure));
                }
            }
        }
        ran.begin_commit();
        let committed = self.commit(&mut *session, group, &changes).await;
        self.session = Some(session);
        committed.map_err(without_task)?;
        let kept = |task: &Task, record| (task.phases != [Phase::Reset]).then_some(record);
        lock(&self.shared.committed).extend(done.into_iter().map(|(task, record)| {
            let kept = kept(&task, record);
            ((task.file, task.tenant), kept)
        }));
        Ok(())
    }

    /// Tells of these tasks, whose commit was lost, that it came through, unless they are `left`.
    fn tell_committed(&self, tried: &[Task], left: &[Task]) {
        let tenancy = self.shared.tenancy;
        let is_left = |task: &&Task| {
            let is_it = |other: &Task| (other.file, other.tenant) == (task.file, task.tenant);
            !left.iter().any(is_it)
        };
        for task in tried.iter().filter(is_left) {
            tenancy.observer.notify(&Event::StepEnded {
                step: tenancy.label(task),
                phase: first_phase(task),
                outcome: Outcome::Done,
                milliseconds: 0,
                rolled_back: false,
            });
        }
    }

    async fn commit(
        &self,
        session: &mut dyn Session,
        group: &[Task],
        changes: &JournalChanges,
    ) -> crate::database::Result<()> {
        let mut fenced = Fenced::of_steps(session, &self.lease).verify().await?;
        owners::check_again(self.shared.tenancy, fenced.session(), group.iter()).await?;
        changes.write(fenced.session(), self.lease.run).await?;
        if !self.writes_to_target() {
            journal::keep_tenant_schema(fenced.session(), self.lease.run).await?;
        }
        let tenant = group
            .first()
            .and_then(|task| self.shared.tenancy.tenant(task));
        match tenant.filter(|_| !self.writes_to_target()) {
            None => fenced.with_output(&*self.output).commit().await,
            Some(tenant) => {
                let lines = OwnLines {
                    output: Arc::clone(&self.output),
                    tenant: tenant.name.clone(),
                    after: self.said_before,
                };
                fenced.with_output(&lines).commit().await
            }
        }
    }

    /// Whether what it commits is in the target itself.
    pub(super) fn writes_to_target(&self) -> bool {
        let capabilities = self.shared.tenancy.engine.database.capabilities();
        !capabilities.has_tenant_databases()
    }

    /// Whether these tasks are for a tenant with a database of its own.
    fn has_own_database(&self, tasks: &[Task]) -> bool {
        let tenancy = self.shared.tenancy;
        let tenant = tasks.first().and_then(|task| tenancy.tenant(task));
        tenant.is_some_and(|tenant| tenancy.engine.database.tenant(&tenant.name).is_some())
    }

    /// Opens the session for the tenant of these tasks, unless it is open.
    pub(super) async fn open(&mut self, group: &[Task]) -> crate::database::Result<()> {
        if self.session.is_some() {
            return Ok(());
        }
        let tenancy = self.shared.tenancy;
        let tenant = group.first().and_then(|task| tenancy.tenant(task));
        let own = tenant.and_then(|tenant| tenancy.engine.database.tenant(&tenant.name));
        let database: Arc<dyn Database> = match &own {
            Some(own) => Arc::clone(own),
            None => Arc::clone(&tenancy.engine.database),
        };
        let mut session = database.open(Access::Write, &self.stop).await?;
        match self.part {
            Some(part) => session.label_part(self.shared.lease.run, part),
            None => session.label(self.shared.lease.run),
        }
        if own.is_some() {
            self.lease = self.shared.lease.for_tenant();
            enter(&mut *session, &self.lease, tenancy, self.shared.schedule).await?;
        }
        self.session = Some(session);
        Ok(())
    }

    fn is_outside(&self, task: &Task) -> bool {
        let loaded = self.shared.tenancy.loaded.get(&task.file);
        task.phases.contains(&Phase::Migrate) && loaded.is_some_and(|loaded| loaded.is_outside())
    }

    /// Rolls back; what cannot be rolled back is given up. After a lost connection nobody knows what was committed.
    pub(super) async fn give_up(&mut self, failure: &Failure) {
        self.output.rolled_back();
        self.is_certain &= !failure.is_lost_connection();
        if let Some(session) = &mut self.session
            && session.rollback().await.is_err()
        {
            self.is_certain = false;
            self.session = None;
        }
    }
}

fn first_phase(task: &Task) -> Phase {
    task.phases.first().copied().unwrap_or(Phase::Migrate)
}

/// What is one transaction each: a file to migrate or apply, or all that is only finalized or reset.
fn groups(tasks: &[Task]) -> impl Iterator<Item = &[Task]> {
    let is_short = |task: &Task| !task.phases.contains(&Phase::Migrate);
    tasks.chunk_by(move |one, next| is_short(one) && is_short(next))
}
