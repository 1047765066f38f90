//! The database of one tenant, where each has its own.

use std::collections::BTreeSet;

use super::RunError;
use super::context::TenancyContext;
use super::sources;
use super::work::{Schedule, concerned};
use crate::database::{Access, Durability, Result, Session, Stop};
use crate::engine::Engine;
use crate::journal::{self, Fenced, Lease};

/// A transaction that reads a tenant's own database, where it has one.
pub(super) async fn open_tenant(
    engine: &Engine,
    tenant: &str,
) -> std::result::Result<Option<Box<dyn Session>>, RunError> {
    let Some(database) = engine.database.tenant(tenant) else {
        return Ok(None);
    };
    let mut session = database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    Ok(Some(session))
}

/// Makes a tenant's own journal, and writes the run's token and its files into it: from then on no host that had entered it
/// before commits there any more.
pub(super) async fn enter(
    session: &mut dyn Session,
    lease: &Lease,
    tenancy: &TenancyContext<'_>,
    schedule: &Schedule,
) -> Result<()> {
    session.begin(Durability::Deferred).await?;
    journal::prepare(session).await?;
    lease.enter_tenant(session).await?;
    let mut fenced = Fenced::join(session, lease).await?;
    journal::forget_copied_output(fenced.session(), lease.run, &tenancy.interrupted).await?;
    write_sources(tenancy, schedule, fenced.session()).await?;
    fenced.commit().await
}

/// Writes the files of a run into a tenant's own journal.
async fn write_sources(
    tenancy: &TenancyContext<'_>,
    schedule: &Schedule,
    session: &mut dyn Session,
) -> Result<()> {
    let known: BTreeSet<i64> = journal::read_sources(session)
        .await?
        .iter()
        .map(|record| record.id)
        .collect();
    for database in concerned(schedule.tasks()) {
        let (Some(file), Some(id)) = (tenancy.files.get(database), tenancy.ids.get(database))
        else {
            continue;
        };
        if !file.kind().is_for_tenants() || known.contains(id) {
            continue;
        }
        if let Ok(source) = sources::read(tenancy.engine, &file.source) {
            let record = sources::record(*id, &source);
            journal::write_source(session, &record, &source.contents).await?;
        }
    }
    Ok(())
}
