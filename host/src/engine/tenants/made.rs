//! The files of tenants that a run makes: when it fails, one goes again in which nothing was kept.
//!
//! Else the next run would take it for the tenant's own, and run everything in it in silence.

use super::Tenant;
use super::context::TenancyContext;
use super::look::read_tenant;
use super::snapshot::TenantSnapshot;
use crate::engine::Engine;

/// The numbers of the tenants whose files are not there yet: of a new one, and of those that are known to have had one.
pub(super) fn absent(
    engine: &Engine,
    snapshot: &TenantSnapshot,
    tenants: &[Tenant],
    new: Option<usize>,
) -> Vec<usize> {
    let is_absent = |(number, tenant): &(usize, &Tenant)| {
        let counts = new == Some(*number) || snapshot.known.contains(&tenant.name);
        let own = engine.database.tenant(&tenant.name).filter(|_| counts);
        own.is_some_and(|own| own.is_new() || own.is_gone())
    };
    let all = tenants.iter().enumerate().filter(is_absent);
    all.map(|(number, _)| number).collect()
}

impl TenancyContext<'_> {
    /// Removes what the run has made and kept nothing in. Nobody else uses it as long as the run has its lease.
    pub(super) async fn discard_made(&self) {
        for tenant in self.absent.iter().filter_map(|it| self.tenants.get(*it)) {
            let Some(own) = self.engine.database.tenant(&tenant.name) else {
                continue;
            };
            if own.is_new() || own.is_gone() {
                continue;
            }
            let kept = read_tenant(self.engine, &tenant.name, 0).await;
            if kept.is_ok_and(|kept| kept.rows.is_empty())
                && let Err(error) = own.discard()
            {
                tracing::warn!("{} stays, with nothing in it: {error}", own.name());
            }
        }
    }
}
