//! Scripts: which run they are still due for, and who has them since.

use std::collections::BTreeSet;

use super::super::cells::{columns, integer, number, text};
use super::list;
use crate::database::{Result, Session};
use crate::journal::tables::tables;

/// Whether any run was not done to its end.
pub async fn has_unfinished(session: &mut dyn Session) -> Result<bool> {
    let query = "SELECT id FROM wasmigrate_run
                 WHERE outcome IS NULL OR outcome NOT IN ('done', 'refused') LIMIT 1";
    Ok(!tables(session).rows(query, &[]).await?.is_empty())
}

/// The runs that have migrated something that is no script, by what this database says; of what is repeatable, those since
/// the last reset.
pub async fn migrating_runs(session: &mut dyn Session, last_reset: i64) -> Result<BTreeSet<i64>> {
    let query = format!(
        "SELECT DISTINCT run FROM wasmigrate_applied WHERE migrated_at IS NOT NULL AND (once = 0 OR (run > {last_reset}
         AND source IN (SELECT id FROM wasmigrate_source WHERE kind IN ('single-repeatable', 'tenant-repeatable'))))"
    );
    let rows = tables(session).rows(&query, &[]).await?;
    Ok(rows.iter().flatten().map(number).collect())
}

/// The last of these runs that was not done to its end, and whether a run of files after it was.
pub async fn last_unfinished(
    session: &mut dyn Session,
    runs: &BTreeSet<i64>,
) -> Result<Option<(i64, bool)>> {
    let runs: Vec<i64> = runs.iter().copied().collect();
    let query = format!(
        "SELECT coalesce(max(id), 0) FROM wasmigrate_run
         WHERE id IN ({}) AND (outcome IS NULL OR outcome <> 'done')",
        list(&runs)
    );
    let last = integer(&tables(session).rows(&query, &[]).await?, 0);
    if last == 0 {
        return Ok(None);
    }
    let query = "SELECT count(*) FROM wasmigrate_run
                 WHERE id > $1 AND outcome = 'done' AND command IN ('migrate', 'finalize', 'apply', 'sync')";
    let done = integer(&tables(session).rows(query, &[last.into()]).await?, 0);
    Ok(Some((last, done > 0)))
}

/// The scripts that this run or a later one has run, by their paths, and for whom.
pub async fn read_scripts_since(
    session: &mut dyn Session,
    run: i64,
) -> Result<BTreeSet<(String, String)>> {
    let rows = tables(session)
        .rows(
            "SELECT DISTINCT source.file_key, applied.tenant FROM wasmigrate_applied AS applied
             JOIN wasmigrate_source AS source ON source.id = applied.source
             WHERE applied.run >= $1 AND applied.state <> 'started' AND source.kind IN ('single-script', 'tenant-script')",
            &[run.into()],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let [key, tenant] = columns(row)?;
            Ok((text(&key), text(&tenant)))
        })
        .collect()
}
