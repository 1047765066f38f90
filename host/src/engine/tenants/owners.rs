//! Whose the schemas are that files run in: whoever owns one could have code of theirs run there, in the name of the host's role.

use std::collections::BTreeSet;

use super::context::TenancyContext;
use super::request::database;
use super::work::{Schedule, Task};
use super::{RunError, Tenant};
use crate::database::{Error, Result, Session, StrangeSchema};
use crate::engine::failure::{Blame, Failure};
use crate::engine::program::Program;

/// Refuses tenants whose schemas belong to somebody who is not trusted. Returns the schemas that are not there yet: somebody may make
/// them before a file does.
pub(super) async fn check(
    session: &mut dyn Session,
    tenants: &[Tenant],
) -> std::result::Result<BTreeSet<String>, RunError> {
    let schemas: Vec<&str> = tenants.iter().map(|tenant| &*tenant.schema).collect();
    let strange = database(session.strange_schemas(&schemas).await)?;
    if let Some((schema, owner)) = owned(&strange) {
        let tenant = tenants.iter().find(|tenant| tenant.schema == schema);
        let name = tenant.map_or(schema, |tenant| &*tenant.name);
        return Err(RunError::Refused(format!(
            "{}; nothing was run",
            of_a_stranger(&format!("`{schema}` of the tenant `{name}`"), owner)
        )));
    }
    Ok(strange.into_iter().map(|strange| strange.name).collect())
}

/// Refuses what ran for tenants whose schemas were not there when the run began, if somebody else has made one since: asked before
/// the commit.
pub(super) async fn check_again<'t>(
    tenancy: &TenancyContext<'_>,
    session: &mut dyn Session,
    tasks: impl Iterator<Item = &'t Task>,
) -> Result<()> {
    if tenancy.absent_schemas.is_empty() {
        return Ok(());
    }
    let tenants: BTreeSet<usize> = tasks.filter_map(|task| task.tenant).collect();
    let tenants = tenants.into_iter();
    let schemas = tenants.filter_map(|tenant| Some(&*tenancy.tenants.get(tenant)?.schema));
    let absent: Vec<&str> = schemas
        .filter(|schema| tenancy.absent_schemas.contains(*schema))
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    refuse(
        &session.strange_schemas(&absent).await?,
        "which was not there when the run began",
    )
}

/// Refuses the schema of a new tenant, which is there from now on, if somebody else has made it.
pub(super) async fn check_made(session: &mut dyn Session, schema: &str) -> Result<()> {
    refuse(
        &session.strange_schemas(&[schema]).await?,
        "which is to be the new tenant's",
    )
}

fn refuse(strange: &[StrangeSchema], which: &str) -> Result<()> {
    match owned(strange) {
        None => Ok(()),
        Some((schema, owner)) => Err(Error::not_permitted(of_a_stranger(
            &format!("`{schema}`, {which},"),
            owner,
        ))),
    }
}

/// Refuses files for the target itself that name the schema of somebody who is not trusted, by the name of their directory.
pub(super) async fn check_directories(
    tenancy: &TenancyContext<'_>,
    schedule: &Schedule,
    session: &mut dyn Session,
) -> std::result::Result<(), Failure> {
    let own = schedule.tasks().filter(|task| task.tenant.is_none());
    let schemas: BTreeSet<String> = own
        .filter(|task| {
            let loaded = tenancy.loaded.get(&task.file);
            loaded.is_some_and(|loaded| match &loaded.program {
                Program::Sql(sql) => tenancy.has_placeholder(sql),
                _ => false,
            })
        })
        .filter_map(|task| Some(tenancy.of_directory(task).ok()?.schema))
        .collect();
    if schemas.is_empty() {
        return Ok(());
    }
    let schemas: Vec<&str> = schemas.iter().map(String::as_str).collect();
    let strange = session.strange_schemas(&schemas).await;
    let strange = strange.map_err(Failure::from_database)?;
    match owned(&strange) {
        None => Ok(()),
        Some((schema, owner)) => Err(Failure::new(
            "files",
            Blame::Operator,
            of_a_stranger(
                &format!("`{schema}`, for which the name of a directory stands,"),
                owner,
            ),
        )),
    }
}

/// The first one that there is, and its owner.
fn owned(strange: &[StrangeSchema]) -> Option<(&str, &str)> {
    let mut owned = strange
        .iter()
        .filter_map(|schema| Some((&*schema.name, schema.owner.as_deref()?)));
    owned.next()
}

fn of_a_stranger(schema: &str, owner: &str) -> String {
    format!(
        "the schema {schema} belongs to the role `{owner}`, who could run anything in the name of this connection's role there, and \
         who is neither that role nor one that it is a member of, the owner of the database or a superuser: when `{owner}` is \
         trusted, make this role a member of it, or let it give the schema away (`ALTER SCHEMA … OWNER TO …`); when not, let \
         `{owner}` or a superuser drop the schema"
    )
}
