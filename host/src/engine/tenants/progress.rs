//! The progress of the files of one transaction, which are told as done when it is committed.

use std::time::Instant;

use super::context::TenancyContext;
use super::failed::outcome_of;
use super::work::Task;
use crate::engine::event::Event;
use crate::engine::failure::Failure;
use crate::engine::uncommitted::{Uncommitted, elapsed};
use crate::journal::{self, Phase};

/// Tells of each file when it begins for the first tenant, and when it has run for the last.
pub(super) struct ProgressReporter<'t> {
    tenancy: &'t TenancyContext<'t>,
    attempt: u32,
    /// How many files there are.
    of: usize,
    number: usize,
    current: Option<Current>,
    ran: Uncommitted,
    /// When the last task began.
    pub(super) began_at: i64,
}

struct Current {
    file: usize,
    phase: Phase,
    label: String,
    began: Instant,
}

impl<'t> ProgressReporter<'t> {
    pub(super) fn new(tenancy: &'t TenancyContext<'t>, attempt: u32, of: usize) -> Self {
        Self {
            tenancy,
            attempt,
            of,
            number: 0,
            current: None,
            ran: Uncommitted::default(),
            began_at: journal::now(),
        }
    }

    /// A task begins.
    pub(super) fn begins(&mut self, task: &Task) {
        self.began_at = journal::now();
        let phase = task.phases.first().copied().unwrap_or(Phase::Migrate);
        let goes_on = |current: &Current| current.file == task.file && current.phase == phase;
        if self.current.as_ref().is_some_and(goes_on) {
            return;
        }
        self.ran();
        self.number += 1;
        let label = self
            .tenancy
            .file(task)
            .map_or_else(String::new, |file| file.label());
        self.tenancy.observer.notify(&Event::StepStarted {
            step: label.clone(),
            phase,
            attempt: self.attempt,
            number: self.number,
            of: self.of,
            resumed: false,
        });
        self.current = Some(Current {
            file: task.file,
            phase,
            label,
            began: Instant::now(),
        });
    }

    /// The file that runs has run for all.
    fn ran(&mut self) {
        if let Some(current) = self.current.take() {
            let observer = &*self.tenancy.observer;
            self.ran
                .ran(observer, current.label, current.phase, current.began);
        }
    }

    /// All files have run; the transaction is open.
    pub(super) fn all_ran(mut self) -> Uncommitted {
        self.ran();
        self.ran
    }

    /// The file that runs has failed; those before it are what the transaction holds.
    pub(super) fn failed(mut self, failure: &Failure) -> Uncommitted {
        if let Some(current) = self.current.take() {
            self.tenancy.observer.notify(&Event::StepEnded {
                step: current.label,
                phase: current.phase,
                outcome: outcome_of(failure),
                milliseconds: elapsed(current.began),
                rolled_back: false,
            });
        }
        self.ran
    }
}
