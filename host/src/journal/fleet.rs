//! What is remembered of a fleet: its tenants, its files with their contents, and for whom each was applied.
//!
//! A file has one row, and one more for each further content that a script has had. What was applied refers to that row, so
//! that it costs little for each tenant. An empty tenant stands for the target itself.

use super::cells::{columns, integer, json, number, small, spelled, text};
use super::{AttemptRecord, Outcome, Phase, StepState, now, schema};
use crate::database::{Authority, CursorId, Result, Session, Value};

/// How many rows one statement inserts.
const ROWS_AT_ONCE: usize = 500;

/// A file of a fleet, with what it held when it was first applied.
#[derive(Clone, Debug)]
pub struct SourceRecord {
    /// Its number.
    pub id: i64,
    /// Its path relative to the base.
    pub key: String,
    /// Its directory.
    pub directory: String,
    /// Its name.
    pub file_name: String,
    /// For whom it was, as it is spelled there.
    pub kind: String,
    /// Its form.
    pub form: String,
    /// Its SHA-256, in hexadecimal.
    pub digest: String,
}

/// One file that was applied for one tenant.
#[derive(Clone, Debug)]
pub struct AppliedRecord {
    /// Its number, which grows.
    pub id: i64,
    /// The file.
    pub source: i64,
    /// The tenant; empty for the target itself.
    pub tenant: String,
    /// Whether the file is a script, of which each run has a row.
    pub is_script: bool,
    /// The run that migrated it.
    pub run: i64,
    /// How far it came.
    pub state: StepState,
    /// When it was begun.
    pub started_at: i64,
    /// The seed of whatever randomness its language runtime asks for.
    pub seed: i64,
    /// When its `migrate` was done.
    pub migrated_at: Option<i64>,
    /// When its `finalize` was done.
    pub finalized_at: Option<i64>,
    /// The run that did it.
    pub finalized_by: Option<i64>,
}

/// One file that was applied for one tenant, with all that is known of the file.
#[derive(Clone, Debug)]
pub struct AppliedEntry {
    /// Its number, which grows.
    pub id: i64,
    /// The file.
    pub source: SourceRecord,
    /// What it held then.
    pub contents: String,
    /// The tenant; empty for the target itself.
    pub tenant: String,
    /// The run.
    pub run: i64,
    /// When it was done.
    pub applied_at: i64,
}

/// For how many tenants a migration came how far.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// The file.
    pub source: i64,
    /// How far.
    pub state: StepState,
    /// For how many.
    pub tenants: u64,
    /// When its `migrate` was last done.
    pub migrated_at: Option<i64>,
    /// When its `finalize` was last done.
    pub finalized_at: Option<i64>,
}

/// For how many tenants one run migrated and finalized a file.
#[derive(Clone, Debug)]
pub struct RunTally {
    /// The run.
    pub run: i64,
    /// The file's path relative to the base.
    pub key: String,
    /// The file's name.
    pub file_name: String,
    /// For whom it was, as it is spelled there.
    pub kind: String,
    /// For how many tenants the run migrated it.
    pub migrated: u64,
    /// For how many tenants the run finalized it.
    pub finalized: u64,
}

/// How far one tenant came.
#[derive(Clone, Debug)]
pub struct TenantTally {
    /// The tenant.
    pub tenant: String,
    /// How many of the files were applied.
    pub applied: u64,
    /// How many of these wait for their finalize.
    pub unfinalized: u64,
    /// When the last was applied.
    pub applied_at: Option<i64>,
}

/// Whether the target's journal has the tables of fleets.
pub async fn has_fleet(session: &mut dyn Session) -> Result<bool> {
    let version = schema::version(session).await?;
    Ok(version.is_some_and(|version| version >= schema::THIRD))
}

/// The tenants of our own table, by name.
pub async fn read_tenants(session: &mut dyn Session) -> Result<Vec<String>> {
    let rows = session
        .rows("SELECT name FROM wasmigrate_tenant ORDER BY name", &[])
        .await?;
    Ok(rows.iter().flatten().map(text).collect())
}

/// Adds a tenant to our own table.
pub async fn write_tenant(session: &mut dyn Session, name: &str) -> Result<()> {
    session
        .execute_later(
            "INSERT INTO wasmigrate_tenant (name, added_at) VALUES ($1, $2)",
            &[name.into(), now().into()],
        )
        .await
}

/// All files that were ever applied, the newest contents last.
pub async fn read_sources(session: &mut dyn Session) -> Result<Vec<SourceRecord>> {
    let rows = session
        .rows(
            "SELECT id, file_key, directory, file_name, kind, form, digest FROM wasmigrate_source ORDER BY id",
            &[],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let [id, key, directory, file_name, kind, form, digest] = columns(row)?;
            Ok(SourceRecord {
                id: number(&id),
                key: text(&key),
                directory: text(&directory),
                file_name: text(&file_name),
                kind: text(&kind),
                form: text(&form),
                digest: text(&digest),
            })
        })
        .collect()
}

/// Writes a file down, over what it held when it was not applied yet.
pub async fn write_source(
    session: &mut dyn Session,
    source: &SourceRecord,
    contents: &str,
) -> Result<()> {
    session
        .execute_later(
            "INSERT INTO wasmigrate_source (id, file_key, directory, file_name, kind, form, digest, contents)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, digest = excluded.digest, contents = excluded.contents",
            &[
                source.id.into(),
                source.key.as_str().into(),
                source.directory.as_str().into(),
                source.file_name.as_str().into(),
                source.kind.as_str().into(),
                source.form.as_str().into(),
                source.digest.as_str().into(),
                contents.into(),
            ],
        )
        .await
}

/// The number of what was applied last; 0 when nothing was.
pub async fn last_applied(session: &mut dyn Session) -> Result<i64> {
    let rows = session
        .rows("SELECT coalesce(max(id), 0) FROM wasmigrate_applied", &[])
        .await?;
    Ok(integer(&rows, 0))
}

/// For how many tenants each migration came how far; of these tenants alone, when they are named.
pub async fn count_by_source(
    session: &mut dyn Session,
    tenants: Option<&[String]>,
) -> Result<Vec<Tally>> {
    let (condition, parameters) = among(tenants);
    let query = format!(
        "SELECT source, state, count(*), max(migrated_at), max(finalized_at) FROM wasmigrate_applied
         WHERE once = 0 {condition} GROUP BY source, state"
    );
    let rows = session.rows(&query, &parameters).await?;
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
        "SELECT tenant, count(CASE WHEN state <> 'started' THEN 1 END), count(CASE WHEN state = 'migrated' THEN 1 END),
         max(coalesce(finalized_at, migrated_at)) FROM wasmigrate_applied
         WHERE once = 0 AND source IN ({}) GROUP BY tenant",
        list(sources)
    );
    let rows = session.rows(&query, &[]).await?;
    rows.into_iter()
        .map(|row| {
            let [tenant, applied, unfinalized, applied_at] = columns(row)?;
            Ok(TenantTally {
                tenant: text(&tenant),
                applied: count(&applied),
                unfinalized: count(&unfinalized),
                applied_at: applied_at.as_integer(),
            })
        })
        .collect()
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

/// The migrations that were applied and not finalized, or begun and not done, in the order in which they were.
pub async fn read_unfinalized(session: &mut dyn Session) -> Result<Vec<AppliedRecord>> {
    read_where(session, "state <> 'finalized'").await
}

async fn read_where(session: &mut dyn Session, condition: &str) -> Result<Vec<AppliedRecord>> {
    let query = format!(
        "SELECT id, source, tenant, run, state, started_at, seed, migrated_at, finalized_at, finalized_by
         FROM wasmigrate_applied WHERE once = 0 AND {condition} ORDER BY id"
    );
    let rows = session.rows(&query, &[]).await?;
    rows.into_iter()
        .map(|row| {
            let [
                id,
                source,
                tenant,
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
                is_script: false,
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

/// Writes down what was applied. A migration that was begun outside a transaction is written over; one that was applied
/// before is an error of the database, with which nothing is committed.
pub async fn write_applied(session: &mut dyn Session, applied: &[AppliedRecord]) -> Result<()> {
    for portion in applied.chunks(ROWS_AT_ONCE) {
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
        session.execute_later(&statement, &parameters).await?;
    }
    Ok(())
}

/// Writes down how far a migration came whose beginning was written down before.
pub async fn update_applied(session: &mut dyn Session, record: &AppliedRecord) -> Result<()> {
    session
        .execute_later(
            "UPDATE wasmigrate_applied
             SET state = $1, run = $2, migrated_at = $3, finalized_at = $4, finalized_by = $5 WHERE id = $6",
            &[
                record.state.as_str().into(),
                record.run.into(),
                record.migrated_at.into(),
                record.finalized_at.into(),
                record.finalized_by.into(),
                record.id.into(),
            ],
        )
        .await
}

/// Marks these as finalized by a run.
pub async fn finalize_applied(session: &mut dyn Session, applied: &[i64], run: i64) -> Result<()> {
    for portion in applied.chunks(ROWS_AT_ONCE) {
        let statement = format!(
            "UPDATE wasmigrate_applied SET state = 'finalized', finalized_at = $1, finalized_by = $2 WHERE id IN ({})",
            list(portion)
        );
        session
            .execute_later(&statement, &[now().into(), run.into()])
            .await?;
    }
    Ok(())
}

/// Forgets these.
pub async fn forget_applied(session: &mut dyn Session, applied: &[i64]) -> Result<()> {
    for portion in applied.chunks(ROWS_AT_ONCE) {
        let statement = format!(
            "DELETE FROM wasmigrate_applied WHERE id IN ({})",
            list(portion)
        );
        session.execute_later(&statement, &[]).await?;
    }
    Ok(())
}

/// Writes down a try at a file that failed.
pub async fn write_failure(session: &mut dyn Session, attempt: &AttemptRecord) -> Result<()> {
    session
        .execute_later(
            "INSERT INTO wasmigrate_failure
             (run, tenant, file_key, phase, attempt, step_index, digest, outcome, started_at, ended_at, error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (run, tenant, file_key, phase, attempt) DO NOTHING",
            &[
                attempt.run.into(),
                attempt.tenant.clone().unwrap_or_default().into(),
                attempt.name.as_str().into(),
                attempt.phase.as_str().into(),
                attempt.attempt.into(),
                attempt.index.into(),
                attempt.digest.as_str().into(),
                attempt.outcome.as_str().into(),
                attempt.started_at.into(),
                attempt.ended_at.into(),
                attempt.error.as_ref().map(ToString::to_string).into(),
            ],
        )
        .await
}

/// The tries at files that failed in a run, in the order of their ends.
pub async fn read_failures(session: &mut dyn Session, run: i64) -> Result<Vec<AttemptRecord>> {
    let rows = session
        .rows(
            "SELECT tenant, file_key, phase, attempt, step_index, digest, outcome, started_at, ended_at, error
             FROM wasmigrate_failure WHERE run = $1 ORDER BY ended_at, tenant, file_key, attempt",
            &[run.into()],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let [
                tenant,
                key,
                phase,
                attempt,
                index,
                digest,
                outcome,
                started_at,
                ended_at,
                error,
            ] = columns(row)?;
            Ok(AttemptRecord {
                run,
                index: small(&index)?,
                name: text(&key),
                digest: text(&digest),
                phase: spelled(&phase, Phase::from_journal)?,
                attempt: small(&attempt)?,
                outcome: spelled(&outcome, Outcome::from_journal)?,
                started_at: number(&started_at),
                ended_at: number(&ended_at),
                error: json(&error),
                tenant: Some(text(&tenant)).filter(|tenant| !tenant.is_empty()),
            })
        })
        .collect()
}

/// For how many tenants these runs migrated and finalized each file, in the order of names and directories; of each run
/// the first `most` files.
pub async fn count_by_run(
    session: &mut dyn Session,
    runs: &[i64],
    most: usize,
) -> Result<Vec<RunTally>> {
    let runs = list(runs);
    // What is counted is one scan of the table for each phase, however many runs are asked for.
    let query = format!(
        "SELECT run, file_key, file_name, kind, migrated, finalized FROM (
           SELECT counted.run, source.file_key, source.file_name, source.kind,
             CAST(sum(counted.migrated) AS BIGINT) AS migrated, CAST(sum(counted.finalized) AS BIGINT) AS finalized,
             row_number() OVER (PARTITION BY counted.run ORDER BY source.file_name, source.file_key) AS place
           FROM (
             SELECT run, source, count(*) AS migrated, 0 AS finalized FROM wasmigrate_applied
             WHERE run IN ({runs}) AND migrated_at IS NOT NULL GROUP BY run, source
             UNION ALL
             SELECT finalized_by, source, 0, count(*) FROM wasmigrate_applied
             WHERE finalized_by IN ({runs}) GROUP BY finalized_by, source
           ) AS counted JOIN wasmigrate_source AS source ON source.id = counted.source
           GROUP BY counted.run, source.file_key, source.file_name, source.kind
         ) AS placed WHERE place <= {most} ORDER BY run, file_name, file_key"
    );
    let rows = session.rows(&query, &[]).await?;
    rows.into_iter()
        .map(|row| {
            let [run, key, file_name, kind, migrated, finalized] = columns(row)?;
            Ok(RunTally {
                run: number(&run),
                key: text(&key),
                file_name: text(&file_name),
                kind: text(&kind),
                migrated: count(&migrated),
                finalized: count(&finalized),
            })
        })
        .collect()
}

/// Begins to read everything that was applied, in the order of names, directories and numbers.
pub async fn query_applied(session: &mut dyn Session) -> Result<CursorId> {
    session
        .query(
            Authority::Host,
            "SELECT applied.id, source.id, source.file_key, source.directory, source.file_name, source.kind, source.form,
             source.digest, source.contents, applied.tenant, applied.run,
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
                run,
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
                run: number(&run),
                applied_at: number(&applied_at),
            })
        })
        .collect()
}

fn among(tenants: Option<&[String]>) -> (&'static str, Vec<Value>) {
    let Some(tenants) = tenants else {
        return ("", Vec::new());
    };
    let mut names: Vec<&str> = tenants.iter().map(String::as_str).collect();
    names.push("");
    let names = serde_json::to_string(&names).unwrap_or_default();
    (
        "AND tenant IN (SELECT pg_catalog.jsonb_array_elements_text(CAST($1 AS pg_catalog.jsonb)))",
        vec![names.into()],
    )
}

/// Numbers, as a list of SQL; one that nothing has when there are none.
fn list(numbers: &[i64]) -> String {
    if numbers.is_empty() {
        return "0".to_owned();
    }
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(", ")
}

fn count(value: &Value) -> u64 {
    u64::try_from(number(value)).unwrap_or(0)
}
