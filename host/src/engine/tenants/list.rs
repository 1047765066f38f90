//! The list of tenants: our own table, or whatever query the operator names.

use super::{TenancyOptions, name};
use crate::database::{Authority, Error, Result, Session, Value, unquote};
use crate::engine::RunError;
use crate::journal;

/// How many tenants are read at once.
const BATCH_SIZE: usize = 1_000;

/// The tenants' names, in order; the transaction that the session has open is not to write anything any more.
pub(super) async fn list(
    options: &TenancyOptions,
    session: &mut dyn Session,
    has_tenants: bool,
) -> std::result::Result<Vec<String>, RunError> {
    let Some(query) = &options.tenant_select else {
        return of_journal(session, has_tenants).await;
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
    refuse_journal(session, &names)?;
    Ok(names)
}

/// The tenants of our own table.
async fn of_journal(
    session: &mut dyn Session,
    has_tenants: bool,
) -> std::result::Result<Vec<String>, RunError> {
    if !has_tenants {
        return Ok(Vec::new());
    }
    let mut names = journal::read_tenants(session).await?;
    // Not every server sorts by bytes, as is expected of them here.
    names.sort_unstable();
    refuse_journal(session, &names)?;
    Ok(names)
}

/// Refuses a journal that is in the schema of a tenant, whose files may do there what they want.
pub(in crate::engine) async fn refuse_journal_at_tenants(
    options: Option<&TenancyOptions>,
    session: &mut dyn Session,
) -> std::result::Result<(), RunError> {
    let has_tenants = journal::has_tenants(session).await?;
    match options {
        Some(options) => list(options, session, has_tenants).await,
        None => of_journal(session, has_tenants).await,
    }
    .map(|_| ())
}

fn refuse_journal(session: &dyn Session, names: &[String]) -> std::result::Result<(), RunError> {
    let Some(journal) = session.journal_schema().map(unquote) else {
        return Ok(());
    };
    // A plain name is folded by the server.
    let is_journals = |name: &&String| **name == journal || name.to_ascii_lowercase() == journal;
    match names.iter().find(is_journals) {
        None => Ok(()),
        Some(name) => Err(RunError::Refused(format!(
            "the schema {journal} is that of the tenant `{name}`, where the journal cannot be: name another one with \
             `postgres.journal_schema`, and move a journal that is there with `wasmigrate repair --move-journal`"
        ))),
    }
}

async fn select(session: &mut dyn Session, query: &str) -> Result<Vec<String>> {
    let cursor = session.query(Authority::Step, query, &[]).await?;
    let mut names: Vec<String> = Vec::new();
    loop {
        let batch = session.fetch(cursor, BATCH_SIZE, 1 << 20).await?;
        if batch.row_count == 0 {
            break;
        }
        for row in batch.into_rows() {
            names.push(match row.into_iter().next() {
                Some(Value::Text(name) | Value::Other { text: name, .. }) => name,
                Some(Value::Integer(number)) => number.to_string(),
                value => {
                    let what = match value {
                        None => "has no column",
                        Some(Value::Null) => "is NULL",
                        Some(_) => "is neither a text nor a whole number",
                    };
                    return Err(Error::invalid_argument(format!(
                        "its row {} {what}, and so names no tenant; nothing was run",
                        names.len() + 1
                    )));
                }
            });
        }
    }
    session.close(cursor).await;
    Ok(names)
}
