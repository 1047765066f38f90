//! What all workers of a parallel run share.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::context::TenancyContext;
use super::remaining::Committed;
use super::work::{Schedule, Task};
use crate::engine::failure::Failure;
use crate::journal::{AttemptRecord, Lease, Phase};

/// What all workers share.
pub(super) struct Shared<'s> {
    pub(super) tenancy: &'s TenancyContext<'s>,
    pub(super) lease: &'s Lease,
    pub(super) schedule: &'s Schedule,
    /// What the commits of this run have left, for another try, for its finalize and to find out what was lost.
    pub(super) committed: Mutex<Committed>,
    pub(super) failed: Mutex<Vec<(Task, Failure)>>,
    /// Tries that the target's journal does not know yet.
    pub(super) unwritten: Mutex<Vec<AttemptRecord>>,
    pub(super) failures: AtomicUsize,
    pub(super) stop_after: Option<usize>,
    /// The numbers of workers that were given.
    pub(super) parts: AtomicU32,
    /// Why nothing more may be done, when that is so.
    pub(super) over: Mutex<Option<Failure>>,
}

impl Shared<'_> {
    pub(super) fn fail(&self, failed: (Task, Failure)) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        lock(&self.failed).push(failed);
    }

    /// Who has failed: tenants by their numbers, and none for the target itself.
    pub(super) fn failed_tenants(&self) -> BTreeSet<Option<usize>> {
        let failed = lock(&self.failed);
        failed.iter().map(|(task, _)| task.tenant).collect()
    }

    /// Nothing more may be done.
    pub(super) fn end(&self, why: Failure) {
        lock(&self.over).get_or_insert(why);
    }

    pub(super) fn why_over(&self) -> Option<Failure> {
        lock(&self.over).clone()
    }

    pub(super) fn is_enough(&self) -> bool {
        self.stop_after
            .is_some_and(|most| self.failures.load(Ordering::Relaxed) >= most)
    }

    /// Whether a tenant that has not failed, or the target itself, is to be finalized.
    pub(super) fn has_anything_to_finalize(&self) -> bool {
        let failed = lock(&self.failed);
        let has_failed = |task: &Task| failed.iter().any(|(other, _)| other.tenant == task.tenant);
        self.schedule
            .finalize
            .iter()
            .flatten()
            .any(|task| !has_failed(task))
    }

    /// Whether the run could not migrate everything, and finalized all that it could migrate.
    pub(super) fn failed_only_before_the_finalize(&self) -> bool {
        let failed = lock(&self.failed);
        let mut failed = failed.iter();
        !self.schedule.only_finalizes() && failed.all(|(task, _)| task.phases != [Phase::Finalize])
    }

    /// The task with its row, when this run has written one.
    pub(super) fn with_record(&self, task: &Task) -> Task {
        let mut task = task.clone();
        if task.record.is_none() {
            let committed = lock(&self.committed);
            task.record = committed.get(&(task.file, task.tenant)).cloned().flatten();
        }
        task
    }

    /// One failure for all: how many tenants failed, and the first of them.
    pub(super) fn summary(&self, why_over: Option<&str>) -> Option<(Task, Failure)> {
        let failed = lock(&self.failed);
        let (task, failure) = failed.first()?.clone();
        let of = self.tenancy.tenants.len();
        let Some(tenant) = self
            .tenancy
            .tenant(&task)
            .filter(|_| failure.code != "cancelled")
        else {
            return Some((task, failure));
        };
        let message = format!(
            "{} of {of} tenants failed; the first was `{}`: {}{}",
            failed.len(),
            tenant.name,
            failure.message,
            why_over.map_or_else(String::new, |why| format!(" ({why})"))
        );
        Some((task, Failure { message, ..failure }))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
