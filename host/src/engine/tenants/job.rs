//! What a run of tenants wants of a target, for [`acquire`](crate::engine::acquire) to come to its lease.

use std::collections::BTreeSet;

use super::look;
use super::overview;
use super::request::{RunRequest, database};
use super::select::{self, refuse, refuse_after_a_failed_finalize, to_migrate};
use super::snapshot::TenantSnapshot;
use super::under_final;
use super::work::Work;
use super::{ApplyError, RunError, TenancyOptions};
use crate::database::Session;
use crate::engine::Engine;
use crate::engine::acquire::Job;
use crate::journal::{AppliedRecord, LeaseRecord, Pause};

/// A request, for a target with tenants.
pub(super) struct TenantsJob<'j> {
    pub(super) engine: &'j Engine,
    pub(super) options: &'j TenancyOptions,
    pub(super) request: &'j RunRequest<'j>,
}

/// What a look at the target finds.
pub(super) struct Found {
    pub(super) snapshot: TenantSnapshot,
    /// The tenants whose failure stands, where only they are wanted.
    pub(super) failed: Option<BTreeSet<String>>,
    /// What is finalized and may stand on what is to be reset.
    pub(super) finalized: Vec<AppliedRecord>,
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
        let has_work = self.request.new_tenant.is_some() || !schedule.is_empty();
        if has_work {
            select::refuse_canaries(&found.snapshot, &self.request.strategy)?;
        }
        Ok(has_work)
    }

    async fn permit(&mut self, found: &Found) -> Result<(), ApplyError> {
        // A new tenant has no readers yet.
        let migrates = !matches!(self.request.work, Work::Reset | Work::Sync);
        if migrates && let Some(problem) = overview::order_problem(self.engine, &found.snapshot) {
            return Err(RunError::Files(vec![problem]).into());
        }
        if migrates && self.request.new_tenant.is_none() {
            let files = to_migrate(&found.snapshot, self.request.work, &self.request.extent)?;
            self.engine.refuse_unfit(files.iter())?;
            self.engine.refuse_dangers_of(files.iter())?;
        }
        Ok(())
    }

    fn waits(&self) -> bool {
        self.request.waits
    }
}
