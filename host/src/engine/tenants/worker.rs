//! One who runs the files of one tenant after the other, each in a transaction of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::changes::JournalChanges;
use super::context::finish;
use super::failed::{cancelled, no_session, outcome_of};
use super::phases::set_phase;
use super::shared::{Shared, lock};
use super::tenant_database::{enter, write_sources};
use super::work::Task;
use crate::database::{Access, Database, Durability, Kind, Session, Stop, quote};
use crate::engine::event::Event;
use crate::engine::failure::Failure;
use crate::engine::pause;
use crate::engine::retries::await_next_try;
use crate::engine::run_output::RunOutput;
use crate::engine::runner::outside::{may_be_of, name_invalid};
use crate::journal::{self, AppliedRecord, Lease, Outcome, Phase, StepState};

/// One who works.
pub(super) struct Worker<'w> {
    pub(super) shared: &'w Shared<'w>,
    pub(super) stop: Stop,
    pub(super) output: Arc<RunOutput>,
    /// Of the tenant that it is at; the target's own on PostgreSQL.
    pub(super) session: Option<Box<dyn Session>>,
    /// The right to commit where the session is.
    pub(super) lease: Lease,
    pub(super) looked_for_pause_at: Instant,
}

impl Worker<'_> {
    /// Runs the tasks of one tenant, or of the target itself.
    pub(super) async fn tenant(&mut self, tasks: &[Task]) -> Result<(), (Task, Failure)> {
        for group in groups(tasks) {
            let Some(first) = group.first() else {
                continue;
            };
            self.group(group).await.map_err(|failed| match failed {
                (Some(task), failure) => (task, failure),
                (None, failure) => (first.clone(), failure),
            })?;
        }
        Ok(())
    }

    /// Runs the tasks of one transaction, with as many tries as they are worth.
    async fn group(&mut self, group: &[Task]) -> Result<(), (Option<Task>, Failure)> {
        let tenancy = self.shared.tenancy;
        let mut attempt = 1;
        loop {
            let began_at = journal::now();
            let Err((task, failure)) = self.try_group(group, attempt).await else {
                return Ok(());
            };
            let task = task.or_else(|| group.first().cloned());
            self.give_up().await;
            if let Some(task) = &task {
                lock(&self.shared.unwritten)
                    .extend(tenancy.attempt(task, attempt, began_at, &failure));
                self.write_failures().await;
            }
            let pause = tenancy.engine.options.retries.pause(&failure, attempt);
            let Some(pause) = pause.filter(|_| !self.stop.is_cancelled()) else {
                return Err((task, failure));
            };
            attempt += 1;
            let step = failure.step.as_deref().unwrap_or_default();
            // A run that is stopped meanwhile is found to be at the next try.
            await_next_try(
                &*tenancy.observer,
                step,
                &failure,
                attempt,
                pause,
                &self.stop,
            )
            .await;
            if failure.is_lost_connection() && self.is_done(group).await {
                return Ok(());
            }
        }
    }

    async fn try_group(
        &mut self,
        group: &[Task],
        attempt: u32,
    ) -> Result<(), (Option<Task>, Failure)> {
        let tenancy = self.shared.tenancy;
        let of_nobody = |error| (None, Failure::from_database(error));
        self.open(group).await.map_err(of_nobody)?;
        self.rest().await.map_err(|failure| (None, failure))?;
        let mut session = self.session.take().ok_or_else(|| (None, no_session()))?;
        if let Err(error) = session.begin(Durability::Deferred).await {
            self.session = Some(session);
            return Err(of_nobody(error));
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
            let phase = task.phases.first().copied().unwrap_or(Phase::Migrate);
            tenancy.observer.notify(&Event::StepStarted {
                step: label.clone(),
                phase,
                attempt,
                number: task.file + 1,
                of: tenancy.files.len(),
                resumed: false,
            });
            let context = tenancy.context(tenancy.tenant(&task), &self.output);
            let is_outside = task.phases.contains(&Phase::Migrate)
                && tenancy
                    .loaded
                    .get(&task.file)
                    .is_some_and(|loaded| loaded.is_outside());
            let performed = match is_outside {
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
            let outcome = match &performed.0 {
                Ok(_) => Outcome::Done,
                Err(failure) => outcome_of(failure),
            };
            tenancy.observer.notify(&Event::StepEnded {
                step: label,
                phase,
                outcome,
                milliseconds: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
            });
            match performed.0 {
                Ok((task, record)) => {
                    changes.note(&task, record.clone());
                    done.push((task, record));
                }
                Err(failure) => {
                    self.session = Some(session);
                    return Err((Some(task), failure));
                }
            }
        }
        let committed = self.commit(&mut *session, &changes).await;
        self.session = Some(session);
        committed.map_err(of_nobody)?;
        self.output.committed();
        let mut started = lock(&self.shared.started);
        started.extend(
            done.into_iter()
                .filter(|(_, record)| record.state == StepState::Migrated)
                .map(|(task, record)| ((task.file, task.tenant), record)),
        );
        Ok(())
    }

    /// Runs a file outside a transaction: it is written down as started first, and its session has a transaction again
    /// afterwards.
    async fn outside(
        &self,
        context: &Arc<crate::engine::transaction::RunContext>,
        mut session: Box<dyn Session>,
        task: &Task,
        attempt: u32,
    ) -> (Result<(Task, AppliedRecord), Failure>, Box<dyn Session>) {
        let tenancy = self.shared.tenancy;
        let mut record = tenancy.record(task);
        let was_started = task.record.is_some();
        let started = async {
            // Of one that was cut off, what it left is its own.
            let known = match was_started {
                true => BTreeSet::new(),
                false => self.invalid_indexes(&mut *session, task).await?,
            };
            if !was_started {
                journal::write_applied(&mut *session, std::slice::from_ref(&record)).await?;
            }
            self.lease.fence(&mut *session).await?;
            session.commit().await?;
            session.begin_without_transaction().await?;
            crate::database::Result::Ok(known)
        };
        let known = match started.await {
            Ok(known) => known,
            Err(error) => return (Err(Failure::from_database(error)), session),
        };
        lock(&self.shared.started).insert((task.file, task.tenant), record.clone());
        let task = Task {
            record: Some(record.clone()),
            ..task.clone()
        };
        let migrate = Task {
            phases: &[Phase::Migrate],
            ..task.clone()
        };
        let performed = tenancy
            .perform_outside(context, session, &migrate, attempt, &self.stop)
            .await;
        session = performed.session;
        let kept = |failure: Failure| Failure {
            is_kept: true,
            ..failure
        };
        let mut result = performed.result.map(|_| ());
        let looked = async {
            session.rollback().await?;
            session.begin(Durability::Deferred).await?;
            self.invalid_indexes(&mut *session, &task).await
        };
        match looked.await {
            Ok(invalid) => {
                let left: Vec<&str> = invalid.difference(&known).map(String::as_str).collect();
                if !left.is_empty() {
                    let failure = name_invalid(result, &left);
                    result = Err(tenancy.say(failure, &task, Phase::Migrate, &self.stop));
                }
            }
            Err(error) => result = result.and(Err(Failure::from_database(error))),
        }
        if let Err(failure) = result {
            return (Err(kept(failure)), session);
        }
        let rest = match task.phases {
            [Phase::Migrate, rest @ ..] => rest,
            rest => rest,
        };
        finish(&mut record, &[Phase::Migrate], tenancy.run());
        if !rest.is_empty() {
            let finalize = Task {
                phases: rest,
                record: Some(record.clone()),
                ..task.clone()
            };
            let performed = tenancy
                .perform(context, session, &finalize, attempt, &self.stop)
                .await;
            session = performed.session;
            match performed.result {
                Ok(finalized) => record = finalized,
                Err(failure) => return (Err(kept(failure)), session),
            }
        }
        (Ok((task, record)), session)
    }

    /// The invalid indexes that a file may have made: those that it names, where its tenant is. Others work beside it.
    async fn invalid_indexes(
        &self,
        session: &mut dyn Session,
        task: &Task,
    ) -> crate::database::Result<BTreeSet<String>> {
        let tenancy = self.shared.tenancy;
        let tenant = tenancy.tenant(task);
        let schemas = tenant.map(|tenant| [tenant.schema.clone(), quote(&tenant.schema)]);
        let is_here = |index: &str| {
            let Some(schemas) = &schemas else { return true };
            let is_in = |schema: &String| {
                let rest = index.strip_prefix(schema.as_str());
                rest.is_some_and(|rest| rest.starts_with('.'))
            };
            schemas.iter().any(is_in)
        };
        let loaded = tenancy.loaded.get(&task.file);
        let mut invalid = session.invalid_indexes().await?;
        invalid.retain(|index| {
            is_here(index) && loaded.is_some_and(|loaded| may_be_of(loaded, index))
        });
        Ok(invalid.into_iter().collect())
    }

    async fn commit(
        &self,
        session: &mut dyn Session,
        changes: &JournalChanges,
    ) -> crate::database::Result<()> {
        session.verify().await?;
        changes.write(session, self.lease.run).await?;
        if self.writes_to_target() {
            self.output.write(session, self.shared.lease).await?;
        }
        self.lease.fence(session).await?;
        session.commit().await
    }

    /// Whether what it commits is in the target itself.
    fn writes_to_target(&self) -> bool {
        self.shared.tenancy.engine.target_kind() == Kind::Postgres
    }

    /// Opens the session for the tenant of these tasks, unless it is open.
    async fn open(&mut self, group: &[Task]) -> crate::database::Result<()> {
        if let Some(session) = &mut self.session {
            return session.reconnect().await;
        }
        let tenancy = self.shared.tenancy;
        let tenant = group.first().and_then(|task| tenancy.tenant(task));
        let own = tenant.and_then(|tenant| tenancy.engine.database.tenant(&tenant.name));
        let database: Arc<dyn Database> = match &own {
            Some(own) => Arc::clone(own),
            None => Arc::clone(&tenancy.engine.database),
        };
        let mut session = database.open(Access::Write, &self.stop).await?;
        session.label(self.shared.lease.run);
        if own.is_some() {
            self.lease = self.shared.lease.for_tenant();
            enter(&mut *session, &self.lease).await?;
            session.begin(Durability::Deferred).await?;
            write_sources(tenancy, self.shared.schedule, &mut *session).await?;
            self.lease.fence(&mut *session).await?;
            session.commit().await?;
        }
        self.session = Some(session);
        Ok(())
    }

    /// Writes down, in the target, what the run does now, with as many tries as that is worth.
    pub(super) async fn enter_phase(&mut self, phase: Phase) -> Result<(), Failure> {
        let tenancy = self.shared.tenancy;
        let mut attempt = 1;
        loop {
            let Err(failure) = self.try_enter_phase(phase).await else {
                return Ok(());
            };
            self.give_up().await;
            let pause = tenancy.engine.options.retries.pause(&failure, attempt);
            let Some(pause) = pause.filter(|_| !self.stop.is_cancelled()) else {
                return Err(failure);
            };
            attempt += 1;
            await_next_try(&*tenancy.observer, "", &failure, attempt, pause, &self.stop).await;
        }
    }

    async fn try_enter_phase(&mut self, phase: Phase) -> Result<(), Failure> {
        self.open(&[]).await.map_err(Failure::from_database)?;
        let session = self.session.as_mut().ok_or_else(no_session)?;
        set_phase(&mut **session, phase, self.shared.lease).await
    }

    /// Rolls back; what cannot be rolled back is given up.
    async fn give_up(&mut self) {
        self.output.rolled_back();
        if let Some(session) = &mut self.session
            && session.rollback().await.is_err()
        {
            self.session = None;
        }
    }

    /// Whether the transaction whose connection was lost came through.
    async fn is_done(&mut self, group: &[Task]) -> bool {
        let tenancy = self.shared.tenancy;
        let looked = async {
            self.open(group).await?;
            let Some(session) = &mut self.session else {
                return Ok(Vec::new());
            };
            let sources: Vec<i64> = group
                .iter()
                .filter_map(|task| tenancy.ids.get(task.file).copied())
                .collect();
            session.begin_read().await?;
            let applied = journal::read_applied_of(&mut **session, &sources).await?;
            session.rollback().await?;
            crate::database::Result::Ok(applied)
        };
        let applied = looked.await.unwrap_or_default();
        group.iter().all(|task| {
            let tenant = tenancy.tenant(task).map_or("", |tenant| &*tenant.name);
            let is_final = task.phases.contains(&Phase::Finalize);
            applied.iter().any(|record| {
                record.tenant == tenant
                    && tenancy.ids.get(task.file) == Some(&record.source)
                    && match is_final {
                        true => record.state == StepState::Finalized,
                        false => record.state != StepState::Started,
                    }
            })
        })
    }

    /// Writes down what failed, where that is in the target itself; else it is left to the end.
    async fn write_failures(&mut self) {
        if !self.writes_to_target() {
            return;
        }
        let failures = std::mem::take(&mut *lock(&self.shared.unwritten));
        let Some(session) = &mut self.session else {
            lock(&self.shared.unwritten).extend(failures);
            return;
        };
        let written = async {
            session.begin(Durability::Deferred).await?;
            for failure in &failures {
                journal::write_failure(&mut **session, failure).await?;
            }
            self.output.write(&mut **session, self.shared.lease).await?;
            self.shared.lease.fence(&mut **session).await?;
            session.commit().await
        };
        match written.await {
            Ok(()) => self.output.committed(),
            Err(_) => {
                lock(&self.shared.unwritten).extend(failures);
                self.give_up().await;
            }
        }
    }

    /// Writes down the lines that the workers could not.
    pub(super) async fn keep_output(&mut self, outputs: &[Arc<RunOutput>]) {
        let Some(session) = &mut self.session else {
            return;
        };
        let written = async {
            session.begin(Durability::Deferred).await?;
            for output in outputs {
                output.rolled_back();
                output.write(&mut **session, self.shared.lease).await?;
            }
            self.shared.lease.fence(&mut **session).await?;
            session.commit().await
        };
        let written: crate::database::Result<()> = written.await;
        if let Err(error) = written {
            tracing::warn!("output could not be written down: {error}");
            let _ = session.rollback().await;
        }
    }

    /// Rests while the operator wants it; looks only now and then.
    async fn rest(&mut self) -> Result<(), Failure> {
        if self.looked_for_pause_at.elapsed() < pause::INTERVAL {
            return Ok(());
        }
        self.looked_for_pause_at = Instant::now();
        let tenancy = self.shared.tenancy;
        let mut of_target = None;
        if !self.writes_to_target() {
            // The word is in the target, and the session in a tenant's own file.
            let opened = tenancy
                .engine
                .database
                .open(Access::Write, &self.stop)
                .await;
            of_target = Some(opened.map_err(Failure::from_database)?);
        }
        let Some(session) = of_target.as_mut().or(self.session.as_mut()) else {
            return Ok(());
        };
        let observer = &tenancy.observer;
        pause::rest(&mut **session, &**observer, self.shared.lease, &self.stop).await
    }
}

/// What is one transaction each: a file to migrate or apply, or all that is only finalized or reset.
fn groups(tasks: &[Task]) -> impl Iterator<Item = &[Task]> {
    let is_short = |task: &Task| !task.phases.contains(&Phase::Migrate);
    tasks.chunk_by(move |one, next| is_short(one) && is_short(next))
}
