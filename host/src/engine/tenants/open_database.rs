//! A database that a run changes in one transaction with others.

use std::sync::Arc;

use super::Tenant;
use super::changes::JournalChanges;
use super::context::TenancyContext;
use super::lines::OwnLines;
use super::remaining::Rows;
use super::tenant_database::enter;
use super::work::Schedule;
use crate::database::{Access, Database, Durability, Result, Session};
use crate::engine::run_output::RunOutput;
use crate::journal::{self, Lease};

/// One of the databases that a run changes together.
pub(super) struct OpenDatabase {
    /// None while a file has it.
    pub(super) session: Option<Box<dyn Session>>,
    pub(super) changes: JournalChanges,
    /// None in a dry run.
    pub(super) lease: Option<Lease>,
    /// What the tenant's own journal says of it; none of what is in the target, whose journal nobody else could change.
    pub(super) rows: Option<Rows>,
    /// The lines that go with its commit; none of the target, whose commit takes all along.
    pub(super) lines: Option<OwnLines>,
}

impl OpenDatabase {
    /// That of a tenant, with its transaction open.
    pub(super) async fn of_tenant(
        database: &dyn Database,
        tenant: &Tenant,
        tenancy: &TenancyContext<'_>,
        schedule: &Schedule,
        output: &Arc<RunOutput>,
    ) -> Result<Self> {
        let lease = tenancy.lease.as_ref().map(Lease::for_tenant);
        let access = match lease {
            Some(_) => Access::Write,
            None => Access::Rehearsal,
        };
        let mut session = database.open(access, tenancy.stop).await?;
        if let Some(lease) = &lease {
            enter(&mut *session, lease, tenancy, schedule).await?;
        }
        session.begin(Durability::Flushed).await?;
        // The tenant may have been committed since it was read: by a host that slept, or in an earlier try.
        let rows = match lease {
            Some(_) => {
                journal::read_applied_for(&mut *session, &tenant.name, tenancy.run()).await?
            }
            None => Vec::new(),
        };
        Ok(Self {
            session: Some(session),
            changes: JournalChanges::default(),
            rows: lease.is_some().then(|| Rows::new(rows)),
            lease,
            lines: Some(OwnLines {
                output: Arc::clone(output),
                tenant: tenant.name.clone(),
                after: 0,
            }),
        })
    }
}
