//! All tenants in one transaction.
//!
//! On PostgreSQL it is one. Where each tenant has a file of its own, all of their transactions stay open until every one of
//! them could be committed, and are then committed one after the other, the target's own last.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::FileFailure;
use super::add;
use super::batch::Batch;
use super::changes::JournalChanges;
use super::context::{TenancyContext, finish};
use super::end::{as_written, end, kept_in_part, was_committed};
use super::failed::{Failed, cancelled, no_session, outcome_of, without_task};
use super::known;
use super::open_database::OpenDatabase;
use super::owners;
use super::progress::ProgressReporter;
use super::work::{Schedule, Task, Work, concerned};
use crate::database::{Durability, Session, is_journal};
use crate::engine::failure::Failure;
use crate::engine::pause;
use crate::engine::retries::await_next_try;
use crate::engine::run_output::RunOutput;
use crate::engine::step_output::RunContext;
use crate::engine::uncommitted::Uncommitted;
use crate::journal::{self, AttemptRecord, Fenced, Lease, Outcome, Sealed};

/// The transactions of one try.
pub(super) struct AtomicRun<'a> {
    tenancy: &'a TenancyContext<'a>,
    work: Work,
    new_tenant: Option<&'a str>,
    schedule: &'a Schedule,
    /// The target, or the target (0) and its tenants (their numbers and 1).
    databases: BTreeMap<usize, OpenDatabase>,
    contexts: BTreeMap<Option<usize>, Arc<RunContext>>,
    output: Arc<RunOutput>,
    /// When the task began that failed.
    began_at: i64,
    /// The files that have run in the transactions.
    ran: Uncommitted,
}

/// Runs all waves in one transaction, with as many tries as it is worth, and ends the run.
pub(super) async fn run(
    tenancy: &TenancyContext<'_>,
    session: Box<dyn Session>,
    work: Work,
    new_tenant: Option<&str>,
    schedule: &Schedule,
    lease: &Lease,
    output: &Arc<RunOutput>,
) -> Result<(), (Outcome, FileFailure)> {
    let mut session = session;
    let mut attempt = 1;
    let mut failures: Vec<AttemptRecord> = Vec::new();
    loop {
        let mut atomic = AtomicRun::new(tenancy, session, work, new_tenant, schedule);
        atomic.output = Arc::clone(output);
        let tried = atomic.all(attempt, lease, &failures).await;
        let mut ran = std::mem::take(&mut atomic.ran);
        let began_at = atomic.began_at;
        let observer = &*tenancy.observer;
        let Err((task, failure)) = tried else {
            ran.committed(observer);
            return Ok(());
        };
        output.rolled_back();
        session = match atomic.undo().await {
            Some(session) => session,
            None => {
                ran.lost(observer, outcome_of(&failure));
                return Err((Outcome::Interrupted, named(tenancy, task, failure)));
            }
        };
        if failure.is_lost_connection() && was_committed(&mut *session, lease).await {
            ran.committed(observer);
            return Ok(());
        }
        match failure.is_kept {
            true => ran.lost(observer, outcome_of(&failure)),
            false => ran.rolled_back(observer, outcome_of(&failure)),
        }
        if let Some(task) = &task {
            failures.extend(tenancy.attempt(task, attempt, began_at, &failure));
        }
        let pause = tenancy.engine.options.retries.pause(&failure, attempt);
        let Some(pause) = pause.filter(|_| !tenancy.stop.is_cancelled()) else {
            let outcome = outcome_of(&failure);
            tenancy.discard_made().await;
            let written = async {
                session.reconnect().await?;
                end(
                    &mut *session,
                    lease,
                    output,
                    outcome,
                    Some(&failure),
                    &failures,
                    &[],
                )
                .await
            };
            let (outcome, failure) = as_written(written.await, outcome, failure);
            return Err((outcome, named(tenancy, task, failure)));
        };
        attempt += 1;
        let step = failure.step.as_deref().unwrap_or("the transaction");
        // A run that is stopped meanwhile is found to be at the next try.
        await_next_try(
            &*tenancy.observer,
            step,
            &failure,
            attempt,
            pause,
            tenancy.stop,
        )
        .await;
    }
}

/// The failure with its file and tenant.
pub(super) fn named(
    tenancy: &TenancyContext<'_>,
    task: Option<Task>,
    failure: Failure,
) -> FileFailure {
    let needs_commit = failure.is_uncommitted();
    let mut named = match task {
        Some(task) => tenancy.file_failure(&task, failure),
        None => tenancy.unnamed(failure),
    };
    if needs_commit {
        named.failure.message.push_str(
            "; all files are one transaction here: `--parallel 1` commits each of them before the next",
        );
    }
    named
}

impl<'a> AtomicRun<'a> {
    /// No transaction is open yet, except in a dry run.
    pub(super) fn new(
        tenancy: &'a TenancyContext<'a>,
        session: Box<dyn Session>,
        work: Work,
        new_tenant: Option<&'a str>,
        schedule: &'a Schedule,
    ) -> Self {
        let target = OpenDatabase {
            session: Some(session),
            changes: JournalChanges::default(),
            lease: tenancy.lease.clone(),
            rows: None,
            lines: None,
        };
        Self {
            tenancy,
            work,
            new_tenant,
            schedule,
            databases: BTreeMap::from([(0, target)]),
            contexts: BTreeMap::new(),
            output: Arc::default(),
            began_at: journal::now(),
            ran: Uncommitted::default(),
        }
    }

    /// Rolls back what is open, in all databases, and gives the target's session back: only so can another try begin, from the
    /// first file. Nothing is tried again from a savepoint: what the run has locked would stay so while it waits. None when the
    /// session is lost, or the database does not roll back.
    async fn undo(self) -> Option<Box<dyn Session>> {
        let mut of_target = None;
        for (number, database) in self.databases {
            let Some(mut session) = database.session else {
                continue;
            };
            // A session that does not roll back does so when it is dropped.
            if session.rollback().await.is_ok() && number == 0 {
                of_target = Some(session);
            }
        }
        of_target
    }

    async fn all(
        &mut self,
        attempt: u32,
        lease: &Lease,
        failures: &[AttemptRecord],
    ) -> Result<(), Failed> {
        let TenancyContext { observer, stop, .. } = self.tenancy;
        let (observer, stop) = (Arc::clone(observer), *stop);
        let session = self.session(0)?;
        // It may have been lost while the gate was asked. The fence tells whether the beginning of the run was lost, too.
        session.reconnect().await.map_err(without_task)?;
        let closed = pause::close(session, &*observer, lease, stop).await;
        closed.map_err(|failure| (None, failure))?;
        let begun = session.begin(Durability::Flushed).await;
        begun.map_err(without_task)?;
        self.perform(attempt).await?;
        self.look().await?;
        if self.tenancy.stop.is_cancelled() {
            return Err((None, cancelled()));
        }
        let commit = self.commit(lease, failures).await;
        commit.map_err(|failure| (None, failure))
    }

    /// Runs all tasks.
    pub(super) async fn perform(&mut self, attempt: u32) -> Result<(), Failed> {
        self.add_tenant().await.map_err(|failure| (None, failure))?;
        let mut progress = ProgressReporter::new(
            self.tenancy,
            attempt,
            concerned(self.schedule.tasks()).len(),
        );
        let tasks: Vec<&Task> = self.schedule.tasks().collect();
        let mut rest = tasks.as_slice();
        while let Some(task) = rest.first() {
            let (done, performed) = match self.batch(rest) {
                Some(batch) => (batch.len(), self.together(&batch, &mut progress).await),
                None => {
                    progress.begins(task);
                    let performed = self.task(task, attempt).await;
                    (
                        1,
                        performed.map_err(|failure| (Some((*task).clone()), failure)),
                    )
                }
            };
            if let Err((task, failure)) = performed {
                self.began_at = progress.began_at;
                self.ran = progress.failed(&failure);
                return Err((task, failure));
            }
            rest = rest.get(done..).unwrap_or_default();
        }
        self.ran = progress.all_ran();
        Ok(())
    }

    /// The next tasks, when they are SQL for the target's own session.
    fn batch<'p>(&self, rest: &[&'p Task]) -> Option<Batch<'p>> {
        if self.work == Work::Sync {
            return None;
        }
        let is_here = |task: &Task| match self.tenancy.tenant(task) {
            Some(tenant) => self.tenancy.engine.database.tenant(&tenant.name).is_none(),
            None => true,
        };
        Batch::next(self.tenancy, rest, is_here)
    }

    /// Runs SQL of several tasks without waiting for each.
    async fn together(
        &mut self,
        batch: &Batch<'_>,
        progress: &mut ProgressReporter<'_>,
    ) -> Result<(), Failed> {
        let contexts: Vec<_> = batch.tasks().map(|task| self.context(task)).collect();
        let Some(database) = self.databases.get_mut(&0) else {
            return Err((None, no_session()));
        };
        let Some(session) = &mut database.session else {
            return Err((None, no_session()));
        };
        let records = batch
            .perform(self.tenancy, &contexts, &mut **session, &mut |task| {
                progress.begins(task);
            })
            .await?;
        for (task, record) in batch.tasks().zip(records) {
            database.changes.note(task, record);
        }
        Ok(())
    }

    fn context(&mut self, task: &Task) -> Arc<RunContext> {
        match self.contexts.get(&task.tenant) {
            Some(context) => Arc::clone(context),
            None => {
                let context = self
                    .tenancy
                    .context(self.tenancy.tenant(task), &self.output);
                self.contexts.insert(task.tenant, Arc::clone(&context));
                context
            }
        }
    }

    async fn task(&mut self, task: &Task, attempt: u32) -> Result<(), Failure> {
        if self.tenancy.stop.is_cancelled() {
            return Err(cancelled());
        }
        let number = self.database_of(task.tenant).await?;
        let rows = self
            .databases
            .get(&number)
            .and_then(|database| database.rows.as_ref());
        let left = match rows {
            Some(rows) => rows.left(self.tenancy, std::slice::from_ref(task))?,
            None => vec![task.clone()],
        };
        let Some(task) = left.first() else {
            return Ok(());
        };
        if self.work == Work::Sync {
            let mut record = self.tenancy.record(task);
            finish(&mut record, task.phases, self.tenancy.run());
            if let Some(database) = self.databases.get_mut(&number) {
                database.changes.note(task, record);
            }
            return Ok(());
        }
        let context = self.context(task);
        let Some(database) = self.databases.get_mut(&number) else {
            return Err(no_session());
        };
        let session = database.session.take().ok_or_else(no_session)?;
        let performed = self
            .tenancy
            .perform(&context, session, task, attempt, self.tenancy.stop)
            .await;
        database.session = Some(performed.session);
        database.changes.note(task, performed.result?);
        Ok(())
    }

    /// The database of a tenant, or of the target, with its transaction open.
    async fn database_of(&mut self, tenant: Option<usize>) -> Result<usize, Failure> {
        let number = tenant.map_or(0, |tenant| tenant + 1);
        let Some(tenant) = tenant.and_then(|tenant| self.tenancy.tenants.get(tenant)) else {
            return Ok(0);
        };
        let Some(database) = self.tenancy.engine.database.tenant(&tenant.name) else {
            return Ok(0);
        };
        if !self.databases.contains_key(&number) {
            let opened = OpenDatabase::of_tenant(
                &*database,
                tenant,
                self.tenancy,
                self.schedule,
                &self.output,
            );
            let opened = opened.await.map_err(Failure::from_database)?;
            self.databases.insert(number, opened);
        }
        Ok(number)
    }

    /// Makes the schema of the new tenant, and adds it to the operator's list.
    async fn add_tenant(&mut self) -> Result<(), Failure> {
        let Some(name) = self.new_tenant else {
            return Ok(());
        };
        if let Some(number) = self.tenancy.tenants.len().checked_sub(1) {
            // It is there from now on, though there be no file for it yet.
            self.database_of(Some(number)).await?;
        }
        let tenancy = self.tenancy;
        let session = self.session(0).map_err(|(_, failure)| failure)?;
        add::make(tenancy, session, name).await
    }

    /// Looks at what all files did, as before every commit.
    pub(super) async fn look(&mut self) -> Result<(), Failed> {
        for database in self.databases.values_mut() {
            if let Some(session) = &mut database.session {
                session.verify().await.map_err(without_task)?;
                session.settle().await.map_err(without_task)?;
            }
        }
        let (tenancy, schedule) = (self.tenancy, self.schedule);
        let target = self.session(0)?;
        let checked = owners::check_again(tenancy, target, schedule.tasks()).await;
        checked.map_err(without_task)?;
        Ok(())
    }

    /// Writes into the open transactions what the journal is to know, and commits them, the target's own last. When one of these
    /// commits fails, those before it are kept.
    async fn commit(&mut self, lease: &Lease, failures: &[AttemptRecord]) -> Result<(), Failure> {
        let (tenancy, databases) = (self.tenancy, self.databases.len());
        let sealed = self.seal(lease, failures).await;
        let mut sealed = sealed.map_err(Failure::from_database)?;
        for (_, transaction) in &mut sealed {
            transaction.settle().await.map_err(Failure::from_database)?;
        }
        let mut kept: Vec<&str> = Vec::new();
        while let Some((number, transaction)) = sealed.pop() {
            if let Err(error) = transaction.commit().await {
                let failure = Failure::from_database(error);
                return Err(kept_in_part(failure, &kept, databases));
            }
            let tenant = number.checked_sub(1);
            let tenant = tenant.and_then(|tenant| tenancy.tenants.get(tenant));
            kept.extend(tenant.map(|tenant| &*tenant.name));
        }
        Ok(())
    }

    /// Writes into the open transactions what the journal is to know; all that is left is to commit them, the last first.
    async fn seal(
        &mut self,
        lease: &Lease,
        failures: &[AttemptRecord],
    ) -> crate::database::Result<Vec<(usize, Sealed<'_>)>> {
        let tenancy = self.tenancy;
        let is_target = |number: &usize| *number == 0;
        let own = self
            .databases
            .keys()
            .filter_map(|number| number.checked_sub(1));
        let unknown: Vec<&str> = tenancy.unknown(own.collect()).collect();
        let mut sealed = Vec::with_capacity(self.databases.len());
        for (number, database) in &mut self.databases {
            let (Some(session), Some(right)) = (&mut database.session, &database.lease) else {
                continue;
            };
            let mut fenced = Fenced::of_steps(&mut **session, right).verify().await?;
            database
                .changes
                .write(fenced.session(), tenancy.run())
                .await?;
            if !is_target(number) {
                journal::keep_tenant_schema(fenced.session(), tenancy.run()).await?;
                let fenced = match &database.lines {
                    Some(lines) => fenced.with_output(lines),
                    None => fenced,
                };
                sealed.push((*number, fenced.seal().await?));
                continue;
            }
            let session = fenced.session();
            if let Some(name) = self.new_tenant {
                add::list(tenancy, session, name).await?;
            }
            known::write(unknown.iter().copied(), session).await?;
            for failure in failures {
                journal::write_failure(session, failure).await?;
            }
            journal::keep_schema(session, lease.run).await?;
            journal::end_run(session, lease.run, Outcome::Done, None).await?;
            lease.release(session).await?;
            sealed.push((*number, fenced.with_output(&*self.output).seal().await?));
        }
        Ok(sealed)
    }

    /// Rolls everything back; returns how many rows of each table were changed.
    pub(super) async fn roll_back(&mut self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for database in self.databases.values_mut() {
            if let Some(session) = &mut database.session {
                if let Ok(changed) = session.rows_changed().await {
                    for (table, rows) in changed {
                        if !is_journal(&table) {
                            *all.entry(table).or_default() += rows;
                        }
                    }
                }
                // A connection that is lost has rolled back.
                let _ = session.rollback().await;
            }
        }
        all
    }

    fn session(&mut self, number: usize) -> Result<&mut dyn Session, Failed> {
        let database = self.databases.get_mut(&number);
        match database.and_then(|database| database.session.as_mut()) {
            Some(session) => Ok(&mut **session),
            None => Err((None, no_session())),
        }
    }
}
