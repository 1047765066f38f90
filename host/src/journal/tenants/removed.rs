//! Tenants that were removed. What was applied for one stays as it was, until it comes back to find that all of it is gone.

use super::super::cells::text;
use super::applied::read;
use super::{AppliedRecord, has_tenants};
use crate::database::{Result, Session};
use crate::journal::tables::tables;

/// The command of a run that removes a tenant. The one line of its output names it.
pub const REMOVE_TENANT: &str = "remove-tenant";

/// The command of a run that adds a tenant, and runs files for nobody else.
pub const ADD_TENANT: &str = "add-tenant";

/// Those that a run has removed, as SQL. Some may have come back.
pub(super) const REMOVED: &str = "SELECT tenant FROM wasmigrate_output WHERE tenant IS NOT NULL
    AND run IN (SELECT id FROM wasmigrate_run WHERE command = 'remove-tenant')";

/// The tenants that were removed, be it that they have come back, by name.
pub async fn removed_tenants(session: &mut dyn Session) -> Result<Vec<String>> {
    if !has_tenants(session).await? {
        return Ok(Vec::new());
    }
    let rows = tables(session).rows(REMOVED, &[]).await?;
    let mut names: Vec<String> = rows.iter().flatten().map(text).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Takes a tenant from our own table, where it is in it.
pub async fn remove_tenant(session: &mut dyn Session, name: &str) -> Result<()> {
    let statement = "DELETE FROM wasmigrate_tenant WHERE name = $1";
    tables(session)
        .execute_later(statement, &[name.into()])
        .await
}

/// All that was applied or begun for a tenant in this database and not undone, scripts and repeatable files among it.
pub async fn read_all_of_tenant(
    session: &mut dyn Session,
    tenant: &str,
) -> Result<Vec<AppliedRecord>> {
    if !has_tenants(session).await? {
        return Ok(Vec::new());
    }
    read(session, "tenant = $1 AND once >= 0", &[tenant.into()]).await
}

/// Sets aside all that was applied for a tenant of which nothing is left. The history keeps it, with the runs
/// that did it, and in a form in which no version of this program takes it for applied.
pub async fn set_tenant_aside(session: &mut dyn Session, tenant: &str) -> Result<()> {
    tables(session)
        .execute_later(
            "UPDATE wasmigrate_applied SET state = 'started', once = -id WHERE tenant = $1 AND once >= 0",
            &[tenant.into()],
        )
        .await
}

/// Sets aside what was begun for a tenant outside a transaction, and what nobody will end any more.
pub async fn set_begun_aside(session: &mut dyn Session, tenant: &str) -> Result<()> {
    if !has_tenants(session).await? {
        return Ok(());
    }
    tables(session)
        .execute_later(
            "UPDATE wasmigrate_applied SET once = -id WHERE tenant = $1 AND once >= 0 AND state = 'started'",
            &[tenant.into()],
        )
        .await
}

/// Whether there is anything in a schema; none when there is no such schema.
pub async fn holds_anything(session: &mut dyn Session, schema: &str) -> Result<Option<bool>> {
    let query = "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relnamespace = space.oid)
                 OR EXISTS (SELECT 1 FROM pg_catalog.pg_proc WHERE pronamespace = space.oid)
                 OR EXISTS (SELECT 1 FROM pg_catalog.pg_type WHERE typnamespace = space.oid)
                 THEN 'something' ELSE 'nothing' END FROM pg_catalog.pg_namespace AS space WHERE nspname = $1";
    let rows = session.rows(query, &[schema.into()]).await?;
    let found = rows.iter().flatten().next();
    Ok(found.map(|found| found.as_text() == Some("something")))
}
