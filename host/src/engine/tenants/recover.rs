//! After a lost connection: what was committed, and what is left to do.
//!
//! Only the last commit of a run waits for the disk. So a server that goes down may have forgotten the newest commits, and
//! the one that was under way may have come through although nobody heard of it. Nothing more is done before both are known:
//! what the lost connection may still have open is ended, and the journal is read again. When a commit that was acknowledged
//! is not there any more, the run is over: what comes after it must not be done without it.

use super::remaining::{Rows, forgotten, gap};
use super::shared::lock;
use super::work::Task;
use super::worker::Worker;
use crate::engine::failure::Failure;
use crate::engine::recover::{Lost, recover};
use crate::engine::retries::await_next_try;
use crate::engine::run_output::RunOutput;
use crate::journal;

impl Worker<'_> {
    /// Finds out what is left of these tasks, all of one tenant. The session has a connection afterwards, and no transaction.
    pub(super) async fn look_again(&mut self, tasks: &[Task]) -> Result<Vec<Task>, Failure> {
        let rows = self
            .read_again(tasks)
            .await
            .map_err(Failure::from_database)?;
        let tenancy = self.shared.tenancy;
        if self.writes_to_target() && self.shared.why_over().is_none() {
            let committed = lock(&self.shared.committed);
            if let Some(key) = forgotten(&committed, |key| rows.get(tenancy, *key)) {
                let task = Task {
                    file: key.0,
                    tenant: key.1,
                    phases: &[],
                    record: None,
                };
                let failure = gap(&tenancy.label(&task));
                self.shared.end(failure.clone());
                return Err(failure);
            }
        }
        let left = rows.left(tenancy, tasks)?;
        self.is_certain = true;
        Ok(left)
    }

    /// What of the run a lost connection of this worker is.
    pub(super) fn lost(&self) -> Lost {
        match self.part {
            Some(part) => Lost::OfPart(part),
            None => Lost::OfRun,
        }
    }

    async fn read_again(&mut self, tasks: &[Task]) -> crate::database::Result<Rows> {
        self.open(tasks).await?;
        let tenancy = self.shared.tenancy;
        let run = self.shared.lease.run;
        let tenant = tasks.first().and_then(|task| tenancy.tenant(task));
        let tenant = tenant.map_or("", |tenant| &*tenant.name);
        let is_in_target = self.writes_to_target();
        let lost = self.lost();
        // In a tenant's own file there is no output.
        let nothing = RunOutput::default();
        let output = if is_in_target {
            &*self.output
        } else {
            &nothing
        };
        let Some(session) = self.session.as_mut() else {
            return Ok(Rows::new(Vec::new()));
        };
        recover(&mut **session, &self.lease, lost, output, async |fenced| {
            let session = fenced.session();
            let mut rows = match is_in_target {
                true => journal::read_applied_by(session, run).await?,
                false => Vec::new(),
            };
            rows.extend(journal::read_applied_for(session, tenant, run).await?);
            Ok(Rows::new(rows))
        })
        .await
    }

    /// Finds out what was committed, where that is not known, with as many tries as it is worth.
    pub(super) async fn make_certain(&mut self) -> Result<(), Failure> {
        let mut attempt = 1;
        while !self.is_certain {
            let Err(failure) = self.look_again(&[]).await else {
                break;
            };
            self.give_up(&failure).await;
            let what = "the look at what is committed";
            if self.shared.why_over().is_some()
                || !self.tries_again(what, &failure, &mut attempt).await
            {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Says that what failed is tried again, and waits for the moment to do so; false when it is not, and nothing was said.
    pub(super) async fn tries_again(
        &self,
        what: &str,
        failure: &Failure,
        attempt: &mut u32,
    ) -> bool {
        let tenancy = self.shared.tenancy;
        let pause = tenancy.engine.options.retries.pause(failure, *attempt);
        let Some(pause) = pause.filter(|_| !self.stop.is_cancelled()) else {
            return false;
        };
        *attempt += 1;
        let observer = &*tenancy.observer;
        // A run that is stopped meanwhile is found to be at the next try.
        await_next_try(observer, what, failure, *attempt, pause, &self.stop).await;
        true
    }
}
