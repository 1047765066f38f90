//! What a run of tenants wants of a target, for [`acquire`](crate::engine::acquire) to come to its lease.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::lines;
use super::load::refuse_unsuited;
use super::look;
use super::overview;
use super::request::{RunRequest, database};
use super::select::{self, for_new_tenants, refuse, refuse_after_a_failed_finalize, to_migrate};
use super::snapshot::TenantSnapshot;
use super::under_final;
use super::work::Work;
use super::{ApplyError, RolloutStrategy, RunError, TenancyOptions};
use crate::catalog::StepFile;
use crate::database::{Session, Stop};
use crate::engine::acquire::Job;
use crate::engine::{Engine, Observer};
use crate::journal::{AppliedRecord, LeaseRecord, Pause};

/// A request, for a target with tenants.
pub(super) struct TenantsJob<'j> {
    pub(super) engine: &'j Engine,
    pub(super) options: &'j TenancyOptions,
    pub(super) request: &'j RunRequest<'j>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: &'j Stop,
}

/// What a look at the target finds.
pub(super) struct Found {
    pub(super) snapshot: TenantSnapshot,
    /// The tenants whose failure stands, where only they are wanted.
    pub(super) failed: Option<BTreeSet<String>>,
    /// What is finalized and may stand on what is to be reset.
    pub(super) finalized: Vec<AppliedRecord>,
}

impl TenantsJob<'_> {
    /// Refuses files that cannot be run, or not in this way, before there is a target.
    fn refuse_unloadable(&self, files: &[StepFile]) -> Result<(), RunError> {
        let files: Vec<&StepFile> = files.iter().collect();
        let is_one_transaction =
            self.request.new_tenant.is_none() && self.request.strategy == RolloutStrategy::Atomic;
        for step in &self.engine.load_first(&files, &*self.observer, self.stop)? {
            let suited = refuse_unsuited(step, is_one_transaction);
            suited.map_err(|failure| RunError::Step(Box::new(failure)))?;
        }
        Ok(())
    }
}

impl Job for TenantsJob<'_> {
    type Found = Found;
    type Refusal = ApplyError;

    async fn look(&mut self, session: &mut dyn Session) -> Result<Found, ApplyError> {
        let digests = self.engine.remembered_digests();
        let snapshot = look::read(self.engine, self.options, digests, session).await?;
        let failed = database(select::failed(session, &snapshot, &self.request.strategy).await)?;
        let finalized = match self.request.work {
            Work::Reset => under_final::read(self.engine, &snapshot, session).await?,
            _ => Vec::new(),
        };
        Ok(Found {
            snapshot,
            failed,
            finalized,
        })
    }

    fn pause(found: &Found) -> Option<&Pause> {
        found.snapshot.pause.as_ref()
    }

    fn lease(found: &Found) -> Option<&LeaseRecord> {
        found.snapshot.lease.as_ref()
    }

    async fn settle(&mut self, found: &Found, session: &mut dyn Session) -> Result<(), ApplyError> {
        let tenants = found.snapshot.tenants.iter().map(String::as_str);
        let tenants = tenants.chain(self.request.new_tenant);
        Ok(lines::gather(self.engine, tenants, session).await?)
    }

    fn wants(&mut self, found: &Found) -> Result<bool, ApplyError> {
        refuse(self.engine, &found.snapshot, self.request.work)?;
        refuse_after_a_failed_finalize(&found.snapshot, self.request)?;
        // A new tenant is added even when there are no files for it.
        let schedule = select::schedule(&found.snapshot, &found.failed, self.request, None)?;
        if let Some(waiting) = select::waiting(&found.snapshot, &schedule)
            && schedule.is_empty()
        {
            return Err(RunError::Refused(format!("{waiting}; nothing was run")).into());
        }
        under_final::refuse(&found.snapshot, &found.finalized, &schedule)?;
        select::refuse_canaries(&found.snapshot, &self.request.strategy)?;
        Ok(self.request.new_tenant.is_some() || !schedule.is_empty())
    }

    async fn permit(&mut self, found: &Found) -> Result<(), ApplyError> {
        // A new tenant has no readers yet.
        let migrates = !matches!(self.request.work, Work::Reset | Work::Sync);
        if migrates && let Some(problem) = overview::order_problem(self.engine, &found.snapshot) {
            return Err(RunError::Files(vec![problem]).into());
        }
        if !migrates {
            return Ok(());
        }
        let (work, extent) = (self.request.work, &self.request.extent);
        let files = match self.request.new_tenant {
            Some(_) => for_new_tenants(&found.snapshot),
            None => to_migrate(&found.snapshot, work, extent)?,
        };
        // A refused run is written down, but makes no journal for that.
        if found.snapshot.last_run.is_none() {
            self.refuse_unloadable(&files)?;
        }
        if self.request.new_tenant.is_none() {
            self.engine.refuse_unfit(files.iter())?;
            self.engine.refuse_dangers_of(files.iter())?;
        }
        Ok(())
    }

    fn waits(&self) -> bool {
        self.request.waits
    }
}
