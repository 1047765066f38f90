//! What the journal holds, as a short text: whoever runs where nothing can be rolled back is looked at by what was there
//! before and after.

use super::tables::tables;
use crate::database::{Result, Session, Value};

/// The journal's tables, and which of their rows nobody changes while a run's step runs outside a transaction. The lease is
/// renewed meanwhile, and a pause may be asked for; the lease is looked at by the fence of the next commit.
const UNCHANGED: [(&str, &str); 13] = [
    ("wasmigrate_journal", "true"),
    ("wasmigrate_run", "id <> $1"),
    ("wasmigrate_step", "true"),
    ("wasmigrate_attempt", "true"),
    ("wasmigrate_output", "run <> $1"),
    ("wasmigrate_transformation", "true"),
    ("wasmigrate_range", "true"),
    ("wasmigrate_bad_row", "true"),
    ("wasmigrate_schema", "true"),
    ("wasmigrate_tenant", "true"),
    ("wasmigrate_source", "true"),
    ("wasmigrate_applied", "run <> $1 AND state <> 'started'"),
    ("wasmigrate_failure", "run <> $1"),
];

/// What tells whether anybody has changed the journal or its tables in between, but for what `run` itself writes. Empty where
/// nothing runs outside a transaction.
pub async fn fingerprint(session: &mut dyn Session, run: i64) -> Result<Vec<Vec<Value>>> {
    let capabilities = session.server().capabilities;
    if !capabilities.has_statements_outside_transactions {
        return Ok(Vec::new());
    }
    // Whoever changes a row makes another version of it.
    let parts = UNCHANGED.map(|(table, rows)| {
        format!(
            "SELECT count(*), md5(string_agg(CAST(xmin AS TEXT), ',' ORDER BY CAST(xmin AS TEXT))) FROM {table} WHERE {rows}"
        )
    });
    let mut found = tables(session)
        .rows(&parts.join(" UNION ALL "), &[run.into()])
        .await?;
    found.push(vec![session.journal_catalog().await?.into()]);
    Ok(found)
}
