//! The list of tenants: our own table, or whatever query the operator names.

use super::{TenancyOptions, name};
use crate::database::{Authority, Result, Session, Value};
use crate::engine::RunError;

/// How many tenants are read at once.
const BATCH_SIZE: usize = 1_000;

/// The tenants' names, in order; the transaction that the session has open is not to write anything any more.
pub(super) async fn list(
    options: &TenancyOptions,
    session: &mut dyn Session,
    has_tenants: bool,
) -> std::result::Result<Vec<String>, RunError> {
    let Some(query) = &options.tenant_select else {
        return match has_tenants {
            true => Ok(journal_tenants(session).await?),
            false => Ok(Vec::new()),
        };
    };
    let mut names = select(session, query).await.map_err(|error| {
        RunError::Refused(format!(
            "`tenants.select` does not list the tenants: {error}"
        ))
    })?;
    names.sort_unstable();
    names.dedup();
    for name in &names {
        name::check(name).map_err(|why| {
            RunError::Refused(format!("{why}; `tenants.select` lists it: nothing was run"))
        })?;
    }
    Ok(names)
}

async fn journal_tenants(session: &mut dyn Session) -> Result<Vec<String>> {
    crate::journal::read_tenants(session).await
}

async fn select(session: &mut dyn Session, query: &str) -> Result<Vec<String>> {
    let cursor = session.query(Authority::Step, query, &[]).await?;
    let mut names = Vec::new();
    loop {
        let batch = session.fetch(cursor, BATCH_SIZE, 1 << 20).await?;
        if batch.row_count == 0 {
            break;
        }
        names.extend(
            batch
                .into_rows()
                .filter_map(|row| match row.into_iter().next()? {
                    Value::Text(name) | Value::Other { text: name, .. } => Some(name),
                    Value::Integer(number) => Some(number.to_string()),
                    _ => None,
                }),
        );
    }
    session.close(cursor).await;
    Ok(names)
}
