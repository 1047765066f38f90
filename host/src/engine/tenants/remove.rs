//! Removing a tenant: it takes no part in any run from then on. Its data is not touched, and the journal keeps what was applied
//! for it.

use std::sync::Arc;

use super::lines;
use super::tenant_database::open_tenant;
use super::{RunError, SourceKind, TenancyOptions, Tenant, TenantRemoved, list};
use crate::database::{self, Access, Session, Stop, TenantPlace};
use crate::engine::Engine;
use crate::engine::adopt::{self, Record};
use crate::engine::event::Observer;
use crate::journal::{self, SourceRecord, StepState};

/// Removes a tenant, in a run of its own.
pub(in crate::engine) async fn remove(
    engine: &Engine,
    options: &TenancyOptions,
    name: &str,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<TenantRemoved, RunError> {
    {
        // Who is refused must not even open the target for writing.
        let mut session = engine.database.open(Access::Read, stop).await?;
        session.begin_read().await?;
        refuse(engine, options, name, &mut *session).await?;
        session.rollback().await?;
    }
    let (mut session, snapshot) = adopt::take_turn(engine, &*observer, stop).await?;
    refuse(engine, options, name, &mut *session).await?;
    lines::gather(engine, std::iter::once(name), &mut *session).await?;
    // What else the target should look like is what the last run left.
    let last = snapshot.last_run.as_ref().map(|run| run.id);
    let kept = journal::read_schema(&mut *session).await?;
    let mut kept = kept
        .filter(|(run, _)| Some(*run) == last)
        .map(|(_, kept)| kept);
    if let Some(kept) = &mut kept
        && engine.database.capabilities().tenants == TenantPlace::Schema
    {
        let reserved = journal::reserved_words(&mut *session).await?;
        let tenant = Tenant::new(name, TenantPlace::Schema, &reserved);
        database::remove_tenant(kept, &tenant.schema);
    }
    let begun = Record::begin(&mut *session, journal::REMOVE_TENANT, &engine.options);
    let mut record = begun.await?;
    record.tell_of_tenant(name, &format!("the tenant {name} was removed"));
    journal::remove_tenant(&mut *session, name).await?;
    journal::set_begun_aside(&mut *session, name).await?;
    let run = record.commit_with(&mut *session, kept.as_ref()).await?;
    Ok(TenantRemoved {
        name: name.to_owned(),
        run,
    })
}

/// Refuses what is no tenant, and one for which something is half done that a run could still end.
async fn refuse(
    engine: &Engine,
    options: &TenancyOptions,
    name: &str,
    session: &mut dyn Session,
) -> Result<(), RunError> {
    let refused = |why: String| Err(RunError::Refused(format!("{why}; nothing was changed")));
    let has_tenants = journal::has_tenants(session).await?;
    let tenants = list::list(options, session, has_tenants).await?;
    let is_listed = tenants.iter().any(|tenant| tenant == name);
    if is_listed && options.tenant_select.is_some() {
        return refused(format!(
            "the application's own list has the tenant `{name}`: take it out of what `tenants.select` reads"
        ));
    }
    let own = match engine.database.tenant(name) {
        None => None,
        Some(file) if file.is_gone() || file.is_new() => None,
        Some(_) => open_tenant(engine, name).await?,
    };
    let rows = match own {
        Some(mut own) => {
            let rows = journal::read_all_of_tenant(&mut *own, name).await?;
            own.rollback().await?;
            rows
        }
        None => journal::read_all_of_tenant(session, name).await?,
    };
    let is_known = match options.tenant_select {
        None => is_listed,
        // The list had it once.
        Some(_) => !rows.is_empty() || knows(session, has_tenants, name).await?,
    };
    if !is_known {
        return refused(format!("there is no tenant `{name}`"));
    }
    if !is_listed || !has_tenants {
        return Ok(());
    }
    let sources = journal::read_sources(session).await?;
    // One that was removed for good, with `repair`, is run by nobody.
    let is_file = |source: &&SourceRecord| SourceKind::from_journal(&source.kind).is_some();
    let half_done = rows.iter().filter(|row| row.state == StepState::Started);
    let mut files = half_done.filter_map(|row| {
        let of_row = |source: &&SourceRecord| source.id == row.source;
        sources.iter().filter(is_file).find(of_row)
    });
    match files.next() {
        None => Ok(()),
        Some(file) => refused(format!(
            "`{}` was begun for `{name}` outside a transaction, and may be half done: run `wasmigrate migrate` to its end, or \
             `wasmigrate reset`, and remove the tenant then",
            file.key
        )),
    }
}

/// Whether the target has heard of a tenant with a file of its own.
async fn knows(session: &mut dyn Session, has_tenants: bool, name: &str) -> Result<bool, RunError> {
    if !has_tenants {
        return Ok(false);
    }
    let known = journal::read_tenants(session).await?;
    Ok(known.iter().any(|known| known == name))
}
