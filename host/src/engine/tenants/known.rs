//! Which tenants have a database of their own, by what the target knows: one that is gone is not made anew in silence.

use std::collections::BTreeSet;

use super::context::TenancyContext;
use super::gone::kind_in_history;
use super::tenant_database::open_tenant;
use super::{RunError, SourceKind};
use crate::database::{Error, ErrorKind, Session};
use crate::engine::Engine;
use crate::journal::{self, SourceRecord};

/// The tenants that the target knows to have one. Those that were added before there was a file for tenants may have none.
pub(super) async fn read(
    session: &mut dyn Session,
    sources: &[SourceRecord],
) -> Result<BTreeSet<String>, RunError> {
    let mut kinds = sources
        .iter()
        .filter_map(|source| kind_in_history(&source.kind));
    if !kinds.any(SourceKind::is_for_tenants) {
        return Ok(BTreeSet::new());
    }
    Ok(journal::read_tenants(session).await?.into_iter().collect())
}

/// Refuses a tenant whose database was there and is gone.
pub(super) fn refuse_gone(engine: &Engine, tenant: &str) -> Result<(), RunError> {
    let Some(database) = engine.database.tenant(tenant).filter(|own| own.is_gone()) else {
        return Ok(());
    };
    let message = format!(
        "{}: the file of the tenant `{tenant}` is gone, and was there before: put it back, or pass `--create` to begin a new one",
        database.name()
    );
    Err(Error::new(ErrorKind::Unavailable, message).into())
}

/// Refuses a file in the place of a tenant's that has no journal: the tenant's own had one from the beginning.
pub(super) async fn refuse_another(engine: &Engine, tenant: &str) -> Result<(), RunError> {
    let Some(database) = engine.database.tenant(tenant) else {
        return Ok(());
    };
    if database.makes_what_is_missing() || database.is_gone() {
        return Ok(());
    }
    let Some(mut own) = open_tenant(engine, tenant).await? else {
        return Ok(());
    };
    let has_journal = journal::has_tenants(&mut *own).await?;
    own.rollback().await?;
    if has_journal {
        return Ok(());
    }
    let message = format!(
        "{}: the file of the tenant `{tenant}` is another one, in which there is nothing of its history: put its file back, or pass \
         `--create` to run all files in this one",
        database.name()
    );
    Err(Error::new(ErrorKind::Unavailable, message).into())
}

/// Takes note of tenants that now have one.
pub(super) async fn write<'n>(
    tenants: impl Iterator<Item = &'n str>,
    session: &mut dyn Session,
) -> crate::database::Result<()> {
    for tenant in tenants {
        journal::write_tenant(session, tenant).await?;
    }
    Ok(())
}

impl TenancyContext<'_> {
    /// Of these tenants, by their numbers, those that have one and of whom the target does not know that.
    pub(super) fn unknown(&self, tenants: BTreeSet<usize>) -> impl Iterator<Item = &str> {
        let names = tenants
            .into_iter()
            .filter_map(|number| Some(&*self.tenants.get(number)?.name));
        // The list that is ours has them all.
        let is_unknown = |name: &&str| {
            self.options.tenant_select.is_some()
                && !self.known.contains(*name)
                && self.engine.database.tenant(name).is_some()
        };
        names.filter(is_unknown)
    }
}
