//! What cannot be undone any more: something that is finalized was applied after it, and may stand on it.

use super::RunError;
use super::snapshot::TenantSnapshot;
use super::tenant_database::open_tenant;
use super::work::{Schedule, Task};
use crate::database::{Session, TenantPlace};
use crate::engine::Engine;
use crate::journal::{self, AppliedRecord};

/// What is finalized, and was applied after anything that could be reset.
pub(super) async fn read(
    engine: &Engine,
    snapshot: &TenantSnapshot,
    session: &mut dyn Session,
) -> Result<Vec<AppliedRecord>, RunError> {
    let Some(first) = snapshot.unfinalized.iter().map(|record| record.id).min() else {
        return Ok(Vec::new());
    };
    let mut finalized = journal::read_finalized_after(session, first).await?;
    if snapshot.place == TenantPlace::Database {
        for tenant in &snapshot.tenants {
            if let Some(mut own) = open_tenant(engine, tenant).await? {
                if journal::has_tenants(&mut *own).await? {
                    finalized.extend(journal::read_finalized_after(&mut *own, first).await?);
                }
                own.rollback().await?;
            }
        }
    }
    Ok(finalized)
}

/// Refuses to reset a file under one that comes after it in the order, was applied after it and is finalized: a file for the target
/// under one for anybody, a tenant's under its own and the target's.
pub(super) fn refuse(
    snapshot: &TenantSnapshot,
    finalized: &[AppliedRecord],
    schedule: &Schedule,
) -> Result<(), RunError> {
    let name_of = |task: &Task| task.tenant.and_then(|tenant| snapshot.tenants.get(tenant));
    let stands_on = |final_one: &&AppliedRecord, task: &Task| {
        let whose = &*final_one.tenant;
        let is_served = whose.is_empty() || snapshot.tenants.iter().any(|name| name == whose);
        let concerns = match name_of(task) {
            None => is_served,
            Some(name) => whose.is_empty() || whose == name,
        };
        let is_after = snapshot.place_of(final_one.source) > Some(task.file);
        let was_after = task
            .record
            .as_ref()
            .is_some_and(|row| final_one.id > row.id);
        concerns && is_after && was_after
    };
    for task in schedule.tasks() {
        let Some(after) = finalized.iter().find(|row| stands_on(row, task)) else {
            continue;
        };
        let key = |place: Option<usize>| {
            let file = place.and_then(|place| snapshot.files.get(place));
            file.map_or("", |file| &*file.source.key)
        };
        let whose = match &*after.tenant {
            "" => String::new(),
            name => format!(" for `{name}`"),
        };
        return Err(RunError::Refused(format!(
            "`{}` is finalized{whose}, and was applied after `{}`, which is not: that cannot be undone under it; nothing was reset; \
             `finalize` makes it final",
            key(snapshot.place_of(after.source)),
            key(Some(task.file)),
        )));
    }
    Ok(())
}
