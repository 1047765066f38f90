//! What the journal holds, as a short text: whoever runs where nothing can be rolled back is looked at by what was there
//! before and after.

use super::Lease;
use super::output::last_place;
use super::tables::tables;
use crate::database::{Result, Session, Value};

/// The journal's tables, and which of their rows nobody changes while a run's step runs outside a transaction. The lease is
/// renewed meanwhile, and a pause of the run, or its end, may be asked for; whose the lease is is looked at by the fence of the next commit, and
/// here, whether its times are such as the host writes.
const UNCHANGED: [(&str, &str); 12] = [
    ("wasmigrate_journal", "true"),
    ("wasmigrate_pause", "run <> $1"),
    ("wasmigrate_step", "true"),
    ("wasmigrate_attempt", "true"),
    ("wasmigrate_transformation", "true"),
    ("wasmigrate_range", "true"),
    ("wasmigrate_bad_row", "true"),
    ("wasmigrate_schema", "true"),
    ("wasmigrate_tenant", "true"),
    ("wasmigrate_source", "true"),
    ("wasmigrate_release", "true"),
    ("wasmigrate_order", "run <> $1"),
];

/// What tells whether anybody has changed journals in between.
#[derive(Debug)]
pub struct Fingerprint {
    parts: Vec<Vec<Value>>,
    /// The tables of other journals in the database.
    others: Vec<String>,
    /// The place of the last line of output.
    last_place: i64,
}

impl Fingerprint {
    /// Whether all that there was before is still there. Another target may have got a journal since.
    pub fn is_kept_in(&self, after: &Self) -> bool {
        self.parts == after.parts && self.others.iter().all(|table| after.others.contains(table))
    }
}

/// What tells whether anybody has changed the journal or its tables since `before`, but for what the lease's run itself writes, or removed
/// those of another target. None where nothing runs outside a transaction. Where others work for their tenants meanwhile,
/// `beside` are the rows of files applied that they may change; those of the run are left to whoever knows what each of them
/// writes.
pub async fn fingerprint(
    session: &mut dyn Session,
    lease: &Lease,
    beside: Option<&[i64]>,
    before: Option<&Fingerprint>,
) -> Result<Fingerprint> {
    let run = lease.run;
    let mut found = Fingerprint {
        parts: Vec::new(),
        others: Vec::new(),
        last_place: 0,
    };
    let capabilities = session.server().capabilities;
    if !capabilities.has_statements_outside_transactions {
        return Ok(found);
    }
    found.last_place = match before {
        Some(before) => before.last_place,
        None if beside.is_some() => last_place(session, run).await?,
        None => 0,
    };
    // Whoever changes a row makes another version of it.
    let part = |table: &str, rows: &str| {
        format!(
            "SELECT count(*), md5(string_agg(CAST(xmin AS TEXT), ',' ORDER BY CAST(xmin AS TEXT))) FROM {table} WHERE {rows}"
        )
    };
    let mut parts: Vec<String> = UNCHANGED
        .iter()
        .map(|(table, rows)| part(table, rows))
        .collect();
    match beside {
        None => {
            parts.extend(
                ["run", "output", "applied", "failure"]
                    .map(|table| part(&format!("wasmigrate_{table}"), "true")),
            );
        }
        Some(beside) => {
            let beside: Vec<String> = beside.iter().map(ToString::to_string).collect();
            let beside = beside.join(",");
            let applied = format!("run <> $1 AND id <> ALL (CAST('{{{beside}}}' AS BIGINT[]))");
            // Others write lines after these.
            let output = format!("run <> $1 OR sequence <= {}", found.last_place);
            parts.extend([
                part("wasmigrate_run", "id <> $1"),
                OWN_RUN.to_owned(),
                part("wasmigrate_output", &output),
                part("wasmigrate_applied", &applied),
                part("wasmigrate_failure", "run <> $1"),
            ]);
        }
    }
    parts.push(format!(
        "SELECT count(*), CAST(NULL AS TEXT) FROM wasmigrate_lease WHERE run = $1 AND NOT ({})",
        lease.has_usual_times(capabilities.clock)
    ));
    found.parts = tables(session)
        .rows(&parts.join(" UNION ALL "), &[run.into()])
        .await?;
    let catalog = session.journal_catalog().await?;
    found.parts.push(vec![catalog.into()]);
    found.others = session.other_journals().await?;
    Ok(found)
}

/// What is said of the run but for how far it has come.
const OWN_RUN: &str = "SELECT count(*), md5(string_agg(concat_ws(' ', id, command, \"verbose\", host, started_at, outcome,
    ended_at, error, release, commanded_by, request_key, request), ',')) FROM wasmigrate_run WHERE id = $1";
