//! Repeatable files: of each, the last row for a tenant says which content the tenant has.

use std::collections::BTreeMap;

use super::super::cells::{columns, integer, number, text};
use super::applied::read;
use super::report::count_where;
use super::{AppliedRecord, Tally, list};
use crate::database::{Result, Session};
use crate::journal::tables::tables;

/// The last row of each repeatable file for each tenant, where it is done and no reset came after it.
fn last_rows(last_reset: i64) -> String {
    format!(
        "id IN (SELECT max(applied.id) FROM wasmigrate_applied AS applied
         JOIN wasmigrate_source AS source ON source.id = applied.source
         WHERE source.kind IN ('single-repeatable', 'tenant-repeatable') GROUP BY source.file_key, applied.tenant)
         AND state <> 'started' AND run > {last_reset}"
    )
}

/// The last run that may have reset something; 0 when there is none.
pub async fn last_reset(session: &mut dyn Session) -> Result<i64> {
    let rows = tables(session)
        .rows(
            "SELECT coalesce(max(id), 0) FROM wasmigrate_run
             WHERE command = 'reset' AND (outcome IS NULL OR outcome <> 'refused')",
            &[],
        )
        .await?;
    Ok(integer(&rows, 0))
}

/// The last run that has reset all that was migrated; 0 when there is none.
pub async fn last_whole_reset(session: &mut dyn Session) -> Result<i64> {
    let query = "SELECT coalesce(max(id), 0) FROM wasmigrate_run WHERE command = 'reset' AND outcome = 'done'";
    Ok(integer(&tables(session).rows(query, &[]).await?, 0))
}

/// The last run that has reset something for a tenant, be it only for some of them.
pub async fn last_resets(session: &mut dyn Session) -> Result<BTreeMap<String, i64>> {
    // What is set aside names the run that did that.
    let query = "SELECT tenant, max(finalized_by) FROM wasmigrate_applied
                 WHERE once < 0 AND tenant <> '' AND finalized_by IS NOT NULL GROUP BY tenant";
    let rows = tables(session).rows(query, &[]).await?;
    rows.into_iter()
        .map(|row| {
            let [tenant, run] = columns(row)?;
            Ok((text(&tenant), number(&run)))
        })
        .collect()
}

/// How many tenants have which content of the repeatable files; of these, or of those of our own table.
pub async fn count_repeated(
    session: &mut dyn Session,
    tenants: Option<&[String]>,
    last_reset: i64,
) -> Result<Vec<Tally>> {
    count_where(session, &last_rows(last_reset), tenants).await
}

/// Who has which content of the repeatable files: of these contents, or of all.
pub async fn read_repeated(
    session: &mut dyn Session,
    sources: Option<&[i64]>,
    last_reset: i64,
) -> Result<Vec<AppliedRecord>> {
    let of = sources.map_or_else(String::new, |sources| {
        format!("AND source IN ({})", list(sources))
    });
    read(session, &format!("{} {of}", last_rows(last_reset)), &[]).await
}
