//! A new tenant: its schema, and its place in the list.

use super::context::TenancyContext;
use super::owners;
use crate::database::{Authority, Durability, Result, Session};
use crate::engine::failure::Failure;
use crate::journal::{self, Fenced, Lease};

/// Makes the schema of the new tenant, which is the last of the tenants, and adds it to the operator's list.
pub(super) async fn make(
    tenancy: &TenancyContext<'_>,
    session: &mut dyn Session,
    name: &str,
) -> std::result::Result<(), Failure> {
    let schema = tenancy.tenants.last().map(|tenant| &*tenant.schema);
    let added = async {
        session.enter_schema(None).await?;
        let lives_in_schema = !session.server().capabilities.has_tenant_databases();
        if let Some(schema) = schema.filter(|_| lives_in_schema) {
            if tenancy.adopts_schema {
                journal::demand_schema(session, name, schema).await?;
            }
            // Whoever keeps a list of tenants of its own may make their schemas, too.
            let is_there = tenancy.comes_back || tenancy.options.tenant_insert.is_some();
            let adopts = tenancy.adopts_schema || is_there;
            journal::make_schema(session, schema, adopts).await?;
            owners::check_made(session, schema).await?;
        }
        if let Some(insert) = &tenancy.options.tenant_insert {
            session
                .execute(Authority::Step, insert, &[name.into()])
                .await?;
        }
        Ok(())
    };
    added.await.map_err(|error| refused(name, error))
}

/// Writes the new tenant into the list that is ours, where that is the list.
pub(super) async fn list(
    tenancy: &TenancyContext<'_>,
    session: &mut dyn Session,
    name: &str,
) -> Result<()> {
    match tenancy.options.tenant_insert {
        Some(_) => Ok(()),
        None => journal::write_tenant(session, name).await,
    }
}

/// Adds a tenant in a transaction of its own, before its files run: one of them cannot be in a transaction.
pub(super) async fn alone(
    tenancy: &TenancyContext<'_>,
    session: &mut dyn Session,
    name: &str,
    lease: &Lease,
) -> std::result::Result<(), Failure> {
    let of_database = |error| refused(name, error);
    session.reconnect().await.map_err(of_database)?;
    let begun = session.begin(Durability::Flushed).await;
    begun.map_err(of_database)?;
    make(tenancy, session, name).await?;
    let committed = async {
        let mut fenced = Fenced::of_steps(session, lease).verify().await?;
        list(tenancy, fenced.session(), name).await?;
        fenced.commit().await
    };
    committed.await.map_err(of_database)
}

/// What is said when a tenant was added whose files did not all run.
pub(super) fn is_half_way(name: &str) -> String {
    format!(
        "; the tenant `{name}` is added, and one of its files runs outside a transaction, so that those before the one that failed \
         are kept: `wasmigrate migrate --parallel 1` continues with it"
    )
}

fn refused(name: &str, error: crate::database::Error) -> Failure {
    let failure = Failure::from_database(error);
    Failure {
        message: format!("the tenant `{name}` cannot be added: {}", failure.message),
        ..failure
    }
}
