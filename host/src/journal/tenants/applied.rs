//! For whom each file was applied: the rows, read and written.

use super::super::cells::{columns, integer, number, spelled, text};
use super::super::{StepState, conflict, now};
use super::{AppliedRecord, list};
use crate::database::{Result, Session, Value};
use crate::journal::tables::tables;

/// How many rows one statement inserts.
const ROWS_PER_STATEMENT: usize = 500;

/// The number of what was applied last; 0 when nothing was.
pub async fn last_applied(session: &mut dyn Session) -> Result<i64> {
    let rows = tables(session)
        .rows("SELECT coalesce(max(id), 0) FROM wasmigrate_applied", &[])
        .await?;
    Ok(integer(&rows, 0))
}

/// Whether any migration is applied, or there is any tenant.
pub async fn serves_anybody(session: &mut dyn Session) -> Result<bool> {
    if !super::has_tenants(session).await? {
        return Ok(false);
    }
    let query = "SELECT id FROM wasmigrate_applied WHERE once = 0 LIMIT 1";
    if !tables(session).rows(query, &[]).await?.is_empty() {
        return Ok(true);
    }
    let query = "SELECT name FROM wasmigrate_tenant LIMIT 1";
    Ok(!tables(session).rows(query, &[]).await?.is_empty())
}

/// What was applied of these migrations, for whomever.
pub async fn read_applied_of(
    session: &mut dyn Session,
    sources: &[i64],
) -> Result<Vec<AppliedRecord>> {
    read_where(session, &format!("source IN ({})", list(sources))).await
}

/// Everything that was applied in one tenant's own file, or for a target whose tenants have such.
pub async fn read_applied(session: &mut dyn Session) -> Result<Vec<AppliedRecord>> {
    read_where(session, "1 = 1").await
}

/// The migrations that were applied and not finalized, or started and not done, in the order in which they were.
pub async fn read_unfinalized(session: &mut dyn Session) -> Result<Vec<AppliedRecord>> {
    read_where(session, "state <> 'finalized'").await
}

/// The migrations that are finalized, of those that were applied after the one with this number.
pub async fn read_finalized_after(
    session: &mut dyn Session,
    id: i64,
) -> Result<Vec<AppliedRecord>> {
    read_where(session, &format!("state = 'finalized' AND id > {id}")).await
}

/// What was applied for one tenant, the scripts of this run among it.
pub async fn read_applied_for(
    session: &mut dyn Session,
    tenant: &str,
    run: i64,
) -> Result<Vec<AppliedRecord>> {
    let condition = "tenant = $1 AND once IN (0, $2)";
    read(session, condition, &[tenant.into(), run.into()]).await
}

/// All that may be a run's: what it migrated and finalized, scripts among it, and what is not finalized.
pub async fn read_applied_by(session: &mut dyn Session, run: i64) -> Result<Vec<AppliedRecord>> {
    let condition =
        "once >= 0 AND (run = $1 OR finalized_by = $1 OR (once = 0 AND state <> 'finalized'))";
    read(session, condition, &[run.into()]).await
}

/// What other workers of a run may write while one of them works: the rows of the run, and what was started before.
pub async fn read_applied_beside(
    session: &mut dyn Session,
    run: i64,
) -> Result<Vec<AppliedRecord>> {
    read(
        session,
        "run = $1 OR (state = 'started' AND once >= 0)",
        &[run.into()],
    )
    .await
}

async fn read_where(session: &mut dyn Session, condition: &str) -> Result<Vec<AppliedRecord>> {
    read(session, &format!("once = 0 AND {condition}"), &[]).await
}

pub(super) async fn read(
    session: &mut dyn Session,
    condition: &str,
    parameters: &[Value],
) -> Result<Vec<AppliedRecord>> {
    let query = format!(
        "SELECT id, source, tenant, once, run, state, started_at, seed, migrated_at, finalized_at, finalized_by
         FROM wasmigrate_applied WHERE {condition} ORDER BY id"
    );
    let rows = tables(session).rows(&query, parameters).await?;
    rows.into_iter()
        .map(|row| {
            let [
                id,
                source,
                tenant,
                once,
                run,
                state,
                started_at,
                seed,
                migrated_at,
                finalized_at,
                finalized_by,
            ] = columns(row)?;
            Ok(AppliedRecord {
                id: number(&id),
                source: number(&source),
                tenant: text(&tenant),
                is_script: number(&once) != 0,
                run: number(&run),
                state: spelled(&state, StepState::from_journal)?,
                started_at: number(&started_at),
                seed: number(&seed),
                migrated_at: migrated_at.as_integer(),
                finalized_at: finalized_at.as_integer(),
                finalized_by: finalized_by.as_integer(),
            })
        })
        .collect()
}

/// Writes down what was applied or started. What is there already is an error of the database, with which nothing is
/// committed.
pub async fn write_applied(session: &mut dyn Session, applied: &[AppliedRecord]) -> Result<()> {
    for portion in applied.chunks(ROWS_PER_STATEMENT) {
        let mut parameters: Vec<Value> = Vec::with_capacity(portion.len() * 11);
        let mut rows = Vec::with_capacity(portion.len());
        for record in portion {
            let first = parameters.len() + 1;
            let places: Vec<String> = (first..first + 11).map(|at| format!("${at}")).collect();
            rows.push(format!("({})", places.join(", ")));
            let once = if record.is_script { record.run } else { 0 };
            parameters.extend([
                record.id.into(),
                record.source.into(),
                record.tenant.as_str().into(),
                once.into(),
                record.run.into(),
                record.state.as_str().into(),
                record.started_at.into(),
                record.seed.into(),
                record.migrated_at.into(),
                record.finalized_at.into(),
                record.finalized_by.into(),
            ]);
        }
        let statement = format!(
            "INSERT INTO wasmigrate_applied
             (id, source, tenant, once, run, state, started_at, seed, migrated_at, finalized_at, finalized_by) VALUES {}",
            rows.join(", ")
        );
        tables(session)
            .execute_later(&statement, &parameters)
            .await?;
    }
    Ok(())
}

/// Writes down how far a migration came that was started outside a transaction, and is nothing but started.
pub async fn update_applied(session: &mut dyn Session, record: &AppliedRecord) -> Result<()> {
    tables(session)
        .require(
            "UPDATE wasmigrate_applied
             SET state = $1, run = $2, migrated_at = $3, finalized_at = $4, finalized_by = $5
             WHERE id = $6 AND state = 'started' RETURNING id",
            &[
                record.state.as_str().into(),
                record.run.into(),
                record.migrated_at.into(),
                record.finalized_at.into(),
                record.finalized_by.into(),
                record.id.into(),
            ],
            1,
            conflict("that a file is started"),
        )
        .await
}

/// Marks these as finalized by a run, all of which are migrated.
pub async fn finalize_applied(session: &mut dyn Session, applied: &[i64], run: i64) -> Result<()> {
    for portion in applied.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "UPDATE wasmigrate_applied SET state = 'finalized', finalized_at = $1, finalized_by = $2
             WHERE id IN ({}) AND state = 'migrated' RETURNING id",
            list(portion)
        );
        let parameters = [now().into(), run.into()];
        let rows = portion.len() as u64;
        tables(session)
            .require(
                &statement,
                &parameters,
                rows,
                conflict("that each of these files is migrated"),
            )
            .await?;
    }
    Ok(())
}

/// Sets these aside, none of which is finalized: a run has reset them. For the history they stay, as of that run, in a form
/// in which no version of this program takes them for applied: `once` is below 0, and they are no more than started.
pub async fn set_applied_aside(session: &mut dyn Session, applied: &[i64], run: i64) -> Result<()> {
    for portion in applied.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "UPDATE wasmigrate_applied SET state = 'started', once = -id, finalized_at = $1, finalized_by = $2
             WHERE id IN ({}) AND state <> 'finalized' AND once >= 0 RETURNING id",
            list(portion)
        );
        let rows = portion.len() as u64;
        tables(session)
            .require(
                &statement,
                &[now().into(), run.into()],
                rows,
                conflict("that none of these files is finalized"),
            )
            .await?;
    }
    Ok(())
}
