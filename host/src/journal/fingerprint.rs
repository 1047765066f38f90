//! What the journal holds, as a short text: whoever runs where nothing can be rolled back is looked at by what was there
//! before and after.

use super::tables::tables;
use crate::database::{Result, Session, Value};

/// The journal's tables, and which of their rows nobody changes while a run's step runs outside a transaction. The lease is
/// renewed meanwhile, and a pause may be asked for; the lease is looked at by the fence of the next commit.
const UNCHANGED: [(&str, &str); 11] = [
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
];

/// What tells whether anybody has changed the journal or its tables in between, but for what `run` itself writes. Empty where
/// nothing runs outside a transaction. Where others work for their tenants meanwhile, `beside` are the rows of files applied
/// that they may change; those of the run are left to whoever knows what each of them writes.
pub async fn fingerprint(
    session: &mut dyn Session,
    run: i64,
    beside: Option<&[i64]>,
) -> Result<Vec<Vec<Value>>> {
    let capabilities = session.server().capabilities;
    if !capabilities.has_statements_outside_transactions {
        return Ok(Vec::new());
    }
    // Whoever changes a row makes another version of it.
    let part = |table: &str, rows: &str| {
        format!(
            "SELECT count(*), md5(string_agg(CAST(xmin AS TEXT), ',' ORDER BY CAST(xmin AS TEXT))) FROM {table} WHERE {rows}"
        )
    };
    let (applied, failures) = match beside {
        None => ("true".to_owned(), "true"),
        Some(beside) => {
            let beside: Vec<String> = beside.iter().map(ToString::to_string).collect();
            let beside = beside.join(",");
            let applied = format!("run <> $1 AND id <> ALL (CAST('{{{beside}}}' AS BIGINT[]))");
            (applied, "run <> $1")
        }
    };
    let mut parts: Vec<String> = UNCHANGED
        .iter()
        .map(|(table, rows)| part(table, rows))
        .collect();
    parts.push(part("wasmigrate_applied", &applied));
    parts.push(part("wasmigrate_failure", failures));
    let mut found = tables(session)
        .rows(&parts.join(" UNION ALL "), &[run.into()])
        .await?;
    found.push(vec![session.journal_catalog().await?.into()]);
    Ok(found)
}
