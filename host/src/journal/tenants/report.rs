//! What was applied, counted and listed.

use super::super::StepState;
use super::super::cells::{columns, number, spelled, text};
use super::{AppliedEntry, RunTally, SourceRecord, Tally, TenantTally, list};
use crate::database::{CursorId, Result, Session, Value};
use crate::journal::tables::tables;

/// For how many tenants each migration came how far: of these, or of those of our own table.
pub async fn count_by_source(
    session: &mut dyn Session,
    tenants: Option<&[String]>,
) -> Result<Vec<Tally>> {
    count_where(session, "once = 0", tenants).await
}

/// The same of the rows of which a condition is true.
pub(super) async fn count_where(
    session: &mut dyn Session,
    is_counted: &str,
    tenants: Option<&[String]>,
) -> Result<Vec<Tally>> {
    let (condition, parameters) = among(tenants);
    let query = format!(
        "SELECT source, state, count(*), max(migrated_at), max(finalized_at) FROM wasmigrate_applied
         WHERE {is_counted} {condition} GROUP BY source, state"
    );
    let rows = tables(session).rows(&query, &parameters).await?;
    rows.into_iter()
        .map(|row| {
            let [source, state, tenants, migrated_at, finalized_at] = columns(row)?;
            Ok(Tally {
                source: number(&source),
                state: spelled(&state, StepState::from_journal)?,
                tenants: count(&tenants),
                migrated_at: migrated_at.as_integer(),
                finalized_at: finalized_at.as_integer(),
            })
        })
        .collect()
}

/// How far each tenant came with these files.
pub async fn count_by_tenant(
    session: &mut dyn Session,
    sources: &[i64],
) -> Result<Vec<TenantTally>> {
    let query = format!(
        "SELECT tenant, count(CASE WHEN state = 'migrated' THEN 1 END), max(coalesce(finalized_at, migrated_at)) FROM wasmigrate_applied
         WHERE once = 0 AND source IN ({}) GROUP BY tenant",
        list(sources)
    );
    let rows = tables(session).rows(&query, &[]).await?;
    rows.into_iter()
        .map(|row| {
            let [tenant, unfinalized, applied_at] = columns(row)?;
            Ok(TenantTally {
                tenant: text(&tenant),
                unfinalized: count(&unfinalized),
                applied_at: applied_at.as_integer(),
            })
        })
        .collect()
}

/// For how many tenants these runs migrated, finalized and reset each file, in the order of names and directories; of each run
/// the first `most` files.
pub async fn count_by_run(
    session: &mut dyn Session,
    runs: &[i64],
    most: usize,
) -> Result<Vec<RunTally>> {
    let runs = list(runs);
    // What is set aside was reset, or was of a tenant of which nothing was left. A tenant's own database knows no runs, and no
    // such tenant. What is counted is one scan of the table for each phase, however many runs are asked for.
    let query = format!(
        "SELECT run, file_key, file_name, kind, migrated, finalized, undone FROM (
           SELECT counted.run, source.file_key, source.file_name, source.kind,
             CAST(sum(counted.migrated) AS BIGINT) AS migrated, CAST(sum(counted.finalized) AS BIGINT) AS finalized,
             CAST(sum(counted.undone) AS BIGINT) AS undone,
             row_number() OVER (PARTITION BY counted.run ORDER BY source.file_name, source.file_key) AS place
           FROM (
             SELECT run, source, count(*) AS migrated, 0 AS finalized, 0 AS undone FROM wasmigrate_applied
             WHERE run IN ({runs}) AND migrated_at IS NOT NULL GROUP BY run, source
             UNION ALL
             SELECT finalized_by, source, 0, count(CASE WHEN once >= 0 OR command <> 'reset' THEN 1 END),
               count(CASE WHEN once < 0 AND coalesce(command, 'reset') = 'reset' THEN 1 END)
             FROM wasmigrate_applied LEFT JOIN wasmigrate_run ON wasmigrate_run.id = finalized_by
             WHERE finalized_by IN ({runs}) GROUP BY finalized_by, source
           ) AS counted JOIN wasmigrate_source AS source ON source.id = counted.source
           GROUP BY counted.run, source.file_key, source.file_name, source.kind
         ) AS placed WHERE place <= {most} ORDER BY run, file_name, file_key"
    );
    let rows = tables(session).rows(&query, &[]).await?;
    rows.into_iter()
        .map(|row| {
            let [run, key, file_name, kind, migrated, finalized, reset] = columns(row)?;
            Ok(RunTally {
                run: number(&run),
                key: text(&key),
                file_name: text(&file_name),
                kind: text(&kind),
                migrated: count(&migrated),
                finalized: count(&finalized),
                reset: count(&reset),
            })
        })
        .collect()
}

/// Begins to read everything that was applied, in the order of names, directories and numbers.
pub async fn query_applied(session: &mut dyn Session) -> Result<CursorId> {
    tables(session)
        .query(
            "SELECT applied.id, source.id, source.file_key, source.directory, source.file_name, source.kind, source.form,
             source.digest, source.contents, applied.tenant,
             coalesce(applied.finalized_at, applied.migrated_at)
             FROM wasmigrate_applied AS applied JOIN wasmigrate_source AS source ON source.id = applied.source
             WHERE applied.state <> 'started' ORDER BY source.file_name, source.directory, applied.id",
            &[],
        )
        .await
}

/// The next of what was applied; none at the end.
pub async fn fetch_applied(
    session: &mut dyn Session,
    cursor: CursorId,
) -> Result<Vec<AppliedEntry>> {
    let batch = session.fetch(cursor, 500, 1 << 20).await?;
    batch
        .into_rows()
        .map(|row| {
            let [
                id,
                source,
                key,
                directory,
                file_name,
                kind,
                form,
                digest,
                contents,
                tenant,
                applied_at,
            ] = columns(row)?;
            Ok(AppliedEntry {
                id: number(&id),
                source: SourceRecord {
                    id: number(&source),
                    key: text(&key),
                    directory: text(&directory),
                    file_name: text(&file_name),
                    kind: text(&kind),
                    form: text(&form),
                    digest: text(&digest),
                },
                contents: text(&contents),
                tenant: text(&tenant),
                applied_at: number(&applied_at),
            })
        })
        .collect()
}

pub(super) fn among(tenants: Option<&[String]>) -> (&'static str, Vec<Value>) {
    let Some(tenants) = tenants else {
        let ours = "AND (tenant = '' OR tenant IN (SELECT name FROM wasmigrate_tenant))";
        return (ours, Vec::new());
    };
    let mut names: Vec<&str> = tenants.iter().map(String::as_str).collect();
    names.push("");
    let names = serde_json::to_string(&names).unwrap_or_default();
    (
        "AND tenant IN (SELECT pg_catalog.jsonb_array_elements_text(CAST($1 AS pg_catalog.jsonb)))",
        vec![names.into()],
    )
}

pub(super) fn count(value: &Value) -> u64 {
    u64::try_from(number(value)).unwrap_or(0)
}
