//! The schemas of tenants, where they live in the target.

use std::collections::BTreeSet;

use super::super::damaged;
use super::has_tenants;
use super::removed::REMOVED;
use crate::database::{
    Authority, Error, Form, Result, Schema, Session, Value, add_tenants, quote, unquote,
};
use crate::journal::tables::tables;

/// SQLSTATE `duplicate_schema`: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const DUPLICATE_SCHEMA: &str = "42P06";

/// How near a name is that was meant, in letters that differ.
const NEAR: usize = 2;

/// Demands that there is the schema of a tenant that takes over one. Whoever names it for that writes its name as it is.
pub async fn demand_schema(session: &mut dyn Session, tenant: &str, schema: &str) -> Result<()> {
    let rows = session
        .rows(
            "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' \
             ORDER BY nspname",
            &[],
        )
        .await?;
    let names: Vec<&str> = rows.iter().flatten().filter_map(Value::as_text).collect();
    if tenant == schema && names.contains(&schema) {
        return Ok(());
    }
    let folded = tenant.to_lowercase();
    let distance = |name: &&&str| strsim::osa_distance(&folded, &name.to_lowercase());
    let near = names.iter().min_by_key(|name| distance(name));
    let near = near.filter(|name| distance(name) <= NEAR);
    let way = match near {
        Some(near) => format!("there is `{near}`: name that, or leave out"),
        None => "leave out".to_owned(),
    };
    Err(Error::not_permitted(format!(
        "there is no schema `{tenant}` that could be taken over; {way} `--adopt` to make a new one"
    )))
}

/// Makes the schema of a new tenant. One that exists may hold something else: it is taken over only when the operator `adopts`
/// it, and never where the target itself or the journal is.
pub async fn make_schema(session: &mut dyn Session, schema: &str, adopts: bool) -> Result<()> {
    let is = |own: Option<&str>| own.is_some_and(|own| unquote(own) == schema);
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

/// What the target looks like, with the schemas of its tenants, where they are schemas.
pub async fn whole_schema(session: &mut dyn Session) -> Result<Schema> {
    let form = session.server().capabilities.schema_form;
    whole_schema_in(session, form).await
}

/// The same in a form.
pub async fn whole_schema_in(session: &mut dyn Session, form: Form) -> Result<Schema> {
    let mut schema = session.schema_as(Authority::Host, form).await?;
    if session.server().capabilities.has_tenant_databases() || !has_tenants(session).await? {
        return Ok(schema);
    }
    // One that was removed is nobody's any more, unless it has come back.
    let query = format!(
        "SELECT name FROM wasmigrate_tenant UNION SELECT tenant FROM wasmigrate_applied
         WHERE tenant <> '' AND once >= 0 AND tenant NOT IN ({REMOVED})"
    );
    let rows = tables(session).rows(&query, &[]).await?;
    let names = rows.iter().flatten().filter_map(|name| name.as_text());
    // A plain name is folded by the server.
    let mut schemas: Vec<String> = names
        .flat_map(|name| [name.to_owned(), name.to_ascii_lowercase()])
        .collect();
    schemas.sort_unstable();
    schemas.dedup();
    // The query for nothing costs the server as much as that for a few.
    if schemas.is_empty() {
        return Ok(schema);
    }
    add_tenants(&mut schema, &session.schema_digests(&schemas, form).await?);
    Ok(schema)
}

/// Keeps what the open transaction leaves in a tenant's own database.
pub async fn keep_tenant_schema(session: &mut dyn Session, run: i64) -> Result<()> {
    let schema = session.schema().await?;
    let definition = serde_json::to_string(&schema).map_err(|error| damaged(&error.to_string()))?;
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_schema (id, run, definition) VALUES (1, $1, $2)
             ON CONFLICT (id) DO UPDATE SET run = excluded.run, definition = excluded.definition",
            &[run.into(), definition.into()],
        )
        .await
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
