//! The schemas of tenants, where they live in the target.

use std::collections::BTreeSet;

use crate::database::{Authority, Error, Result, Session, quote};

/// SQLSTATE `duplicate_schema`: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const DUPLICATE_SCHEMA: &str = "42P06";

/// Makes the schema of a new tenant. One that exists may hold something else: it is taken over only when the operator `adopts`
/// it, and never where the target itself or the journal is.
pub async fn make_schema(session: &mut dyn Session, schema: &str, adopts: bool) -> Result<()> {
    let is = |own: Option<&str>| own.is_some_and(|own| own.trim_matches('"') == schema);
    let why = match (is(session.journal_schema()), is(session.own_schema())) {
        (true, _) => "the journal is in",
        (_, true) => "the target itself is in",
        _ => "",
    };
    if !why.is_empty() {
        return Err(Error::not_permitted(format!(
            "{why} the schema `{schema}`, which cannot be a tenant's"
        )));
    }
    let unless = if adopts { "IF NOT EXISTS " } else { "" };
    let statement = format!("CREATE SCHEMA {unless}{}", quote(schema));
    let made = session.execute(Authority::Step, &statement, &[]).await;
    made.map(|_| ()).map_err(|error| match error.code == DUPLICATE_SCHEMA {
        true => Error {
            message: format!(
                "the schema `{schema}` exists already, and may hold what is not of a tenant: `wasmigrate tenants add --adopt` takes \
                 it over"
            ),
            ..error
        },
        false => error,
    })
}

/// The words that the server does not take as the name of a schema without quotes; none where tenants are no schemas.
pub async fn reserved_words(session: &mut dyn Session) -> Result<BTreeSet<String>> {
    if session.server().capabilities.has_tenant_databases() {
        return Ok(BTreeSet::new());
    }
    let query = "SELECT word FROM pg_catalog.pg_get_keywords() WHERE catcode <> 'U'";
    let rows = session.rows(query, &[]).await?;
    let words = rows.iter().flatten().filter_map(|word| word.as_text());
    Ok(words.map(str::to_owned).collect())
}
