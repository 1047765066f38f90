//! The schemas of tenants, where they live in the target.

use std::collections::BTreeSet;

use crate::database::{Authority, Result, Session, quote};

/// Makes the schema of a new tenant, unless there is one.
pub async fn make_schema(session: &mut dyn Session, schema: &str) -> Result<()> {
    let statement = format!("CREATE SCHEMA IF NOT EXISTS {}", quote(schema));
    session.execute(Authority::Step, &statement, &[]).await?;
    Ok(())
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
