//! A new tenant that was one before: what the journal knows of it holds as long as its data is still there.

use super::look::{OwnJournal, read_tenant};
use super::snapshot::{Comeback, TenantSnapshot};
use super::tenant_database::open_tenant;
use super::{RunError, TenancyOptions, Tenant};
use crate::database::{Session, TenantPlace};
use crate::engine::Engine;
use crate::foreign::{self, Found, Owner};
use crate::journal::{self, AppliedRecord, StepState};
use crate::output::counted;

/// How a tenant is added.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Whether it takes over what there is.
    pub(super) adopts: bool,
    /// Whether its files are only written down.
    pub(super) runs_nothing: bool,
}

/// Takes note of what a new tenant has already: from the time when it was one, or because a host was cut off before the target
/// heard of it. Refuses one whose data is not there although its place is, unless the operator adopts that.
pub(super) async fn read(
    snapshot: &mut TenantSnapshot,
    engine: &Engine,
    session: &mut dyn Session,
    tenant: &Tenant,
    manner: Manner,
) -> Result<(), RunError> {
    match snapshot.place {
        TenantPlace::Schema => read_schema(snapshot, session, tenant, manner).await,
        TenantPlace::Database => read_file(snapshot, engine, session, tenant, manner).await,
    }
}

async fn read_schema(
    snapshot: &mut TenantSnapshot,
    session: &mut dyn Session,
    tenant: &Tenant,
    manner: Manner,
) -> Result<(), RunError> {
    let (name, schema) = (&tenant.name, &tenant.schema);
    let rows = journal::read_all_of_tenant(session, name).await?;
    if rows.is_empty() {
        if manner.adopts && !manner.runs_nothing {
            let found = foreign::find(session).await?;
            let is_its_own = |found: &Found| found.table.names().schema == Some(schema);
            refuse_history(found.into_iter().find(is_its_own), tenant)?;
        }
        return Ok(());
    }
    match journal::holds_anything(session, schema).await? {
        Some(true) => {
            let repeated = journal::read_repeated(session, None, snapshot.last_reset).await?;
            let is_own = |record: &AppliedRecord| record.tenant == *name;
            let repeated: Vec<_> = repeated.into_iter().filter(is_own).collect();
            note(snapshot, repeated);
            note(snapshot, rows.into_iter().filter(|row| !row.is_script));
            snapshot.comeback = Comeback::WithData;
        }
        Some(false) if !manner.adopts => {
            return Err(RunError::Refused(format!(
                "`{name}` was a tenant before, with {} applied to it, but nothing is in its schema `{schema}` now: put its data \
                 back; or begin anew, with `wasmigrate tenants add {name} --adopt`, which runs all files in this schema; nothing \
                 was run",
                counted(rows.len(), "file", "files")
            )));
        }
        Some(false) | None => snapshot.comeback = Comeback::Empty,
    }
    Ok(())
}

/// The journal of a tenant is in its file, and goes and comes with it.
async fn read_file(
    snapshot: &mut TenantSnapshot,
    engine: &Engine,
    session: &mut dyn Session,
    tenant: &Tenant,
    manner: Manner,
) -> Result<(), RunError> {
    let name = &tenant.name;
    let removed = journal::removed_tenants(session).await?;
    let was_one = removed.contains(name);
    let file = engine.database.tenant(name);
    let Some(file) = file.filter(|file| !file.is_gone() && !file.is_new()) else {
        if manner.adopts {
            return Err(RunError::Refused(format!(
                "there is no file of `{name}` that could be taken over; leave out `--adopt` to make a new one; nothing was run"
            )));
        }
        if was_one {
            snapshot.comeback = Comeback::Empty;
        }
        return Ok(());
    };
    let has_journal = match open_tenant(engine, name).await? {
        Some(mut own) => {
            let has_journal = journal::has_tenants(&mut *own).await?;
            own.rollback().await?;
            has_journal
        }
        None => false,
    };
    if was_one && !has_journal && !manner.adopts {
        return Err(RunError::Refused(format!(
            "`{name}` was a tenant before, but its file {} is another one, in which there is nothing of its history: put its file \
             back; or begin anew, with `wasmigrate tenants add {name} --adopt`, which runs all files in this one; nothing was run",
            file.name()
        )));
    }
    let OwnJournal { rows, last, .. } = read_tenant(engine, name, snapshot.last_reset).await?;
    if rows.is_empty() && !was_one {
        refuse_file(engine, tenant, file.name(), manner).await?;
    }
    snapshot.last_applied = snapshot.last_applied.max(last);
    if was_one {
        snapshot.comeback = match rows.is_empty() {
            true => Comeback::Empty,
            false => Comeback::WithData,
        };
    }
    note(snapshot, rows);
    Ok(())
}

/// Refuses a file with something in it of which the journal knows nothing, unless it is to be taken over.
async fn refuse_file(
    engine: &Engine,
    tenant: &Tenant,
    file: &str,
    manner: Manner,
) -> Result<(), RunError> {
    let name = &tenant.name;
    let Some(mut own) = open_tenant(engine, name).await? else {
        return Ok(());
    };
    let is_empty = own.schema().await?.is_empty();
    let found = match manner.runs_nothing {
        true => None,
        false => foreign::find(&mut *own).await?.into_iter().next(),
    };
    own.rollback().await?;
    // Whoever keeps a list of tenants of its own may make their files, too.
    let tenancy = engine.options.tenancy.as_ref();
    let is_made_before = tenancy.is_some_and(|tenancy| tenancy.tenant_insert.is_some());
    if !manner.adopts && !is_empty && !is_made_before {
        return Err(RunError::Refused(format!(
            "the file {file} exists already, and was never a tenant: `wasmigrate tenants add {name} --adopt` takes it over and runs \
             all files in it; nothing was run"
        )));
    }
    refuse_history(found, tenant)
}

/// Refuses to run everything again that another tool has done for a tenant.
fn refuse_history(found: Option<Found>, tenant: &Tenant) -> Result<(), RunError> {
    let Some(found) = found else {
        return Ok(());
    };
    let (name, table) = (&tenant.name, &found.table);
    let tool = match found.owner {
        Owner::Tool(tool) => tool.as_str(),
        Owner::Stranger(name) => name,
    };
    Err(RunError::Refused(format!(
        "`{table}` says that {tool} has migrated what `{name}` is to take over: everything would run again. `wasmigrate tenants add \
         {name} --adopt --applied` writes all files for tenants down as applied; where the table is of something else, give it \
         another name meanwhile; nothing was run"
    )))
}

/// Takes note of rows: what is done does not run again.
fn note(snapshot: &mut TenantSnapshot, rows: impl IntoIterator<Item = AppliedRecord>) {
    for record in rows {
        if let Some(place) = snapshot.place_of(record.source)
            && record.state != StepState::Started
        {
            snapshot.had_by_new.insert(place);
        }
        if record.state != StepState::Finalized {
            snapshot.unfinalized.push(record);
        }
    }
}

/// Writes down what is to be known before anything runs for a tenant that comes back.
pub(super) async fn write(
    snapshot: &TenantSnapshot,
    options: &TenancyOptions,
    name: &str,
    session: &mut dyn Session,
) -> crate::database::Result<()> {
    if snapshot.place == TenantPlace::Database || snapshot.comeback == Comeback::None {
        return Ok(());
    }
    if snapshot.comeback == Comeback::Empty {
        journal::set_tenant_aside(session, name).await?;
    }
    if options.tenant_select.is_some() {
        // So that its schema is looked at again.
        journal::write_tenant(session, name).await?;
    }
    Ok(())
}

/// What the operator ought to know of a tenant that comes back.
pub(super) fn message(snapshot: &TenantSnapshot, name: &str) -> Option<String> {
    match snapshot.comeback {
        Comeback::None => None,
        Comeback::WithData => Some(format!(
            "`{name}` was a tenant before, and its data is still there: what was applied for it then does not run again"
        )),
        Comeback::Empty => Some(format!(
            "`{name}` was a tenant before, but nothing of its data is left: it begins anew"
        )),
    }
}
