//! Who holds the lock that a statement waits for, and whether the server works on a statement at all.

use super::super::{Cell, LockHolder};
use super::pipeline;
use super::pool::Postgres;

const HOLDERS: &str = "SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, ''),
       pg_catalog.floor(extract(epoch FROM pg_catalog.now() - coalesce(xact_start, backend_start)))::bigint,
       pg_catalog.left(pg_catalog.regexp_replace(query, '\\s+', ' ', 'g'), 200)
FROM pg_catalog.pg_stat_activity WHERE pid = ANY (pg_catalog.pg_blocking_pids(coalesce($1::integer, (
    SELECT pid FROM pg_catalog.pg_stat_activity WHERE application_name = $2
    AND datname = pg_catalog.current_database() AND wait_event_type = 'Lock' LIMIT 1
)))) ORDER BY xact_start LIMIT 3";

/// The transactions that were prepared for a commit in two phases and hold a lock that was asked for: they have no process.
const PREPARED: &str = "SELECT prepared.gid, prepared.owner,
       pg_catalog.floor(extract(epoch FROM pg_catalog.now() - prepared.prepared))::bigint
FROM pg_catalog.pg_locks AS waits
JOIN pg_catalog.pg_locks AS held ON held.granted AND held.pid IS NULL
    AND held.locktype = waits.locktype AND held.database IS NOT DISTINCT FROM waits.database
    AND held.relation IS NOT DISTINCT FROM waits.relation
    AND held.transactionid::text IS NOT DISTINCT FROM waits.transactionid::text
    AND held.classid IS NOT DISTINCT FROM waits.classid AND held.objid IS NOT DISTINCT FROM waits.objid
    AND held.objsubid IS NOT DISTINCT FROM waits.objsubid
JOIN pg_catalog.pg_locks AS own ON own.locktype = 'transactionid' AND own.granted AND own.pid IS NULL
    AND own.virtualtransaction = held.virtualtransaction
JOIN pg_catalog.pg_prepared_xacts AS prepared ON own.transactionid = prepared.transaction
WHERE NOT waits.granted AND waits.pid = coalesce($1::integer, (
    SELECT pid FROM pg_catalog.pg_stat_activity WHERE application_name = $2
    AND datname = pg_catalog.current_database() AND wait_event_type = 'Lock' LIMIT 1
)) ORDER BY prepared.prepared LIMIT 3";

/// Whether a process is at work. One that waits for its client is not: it has answered, or was not asked. What it does is hidden
/// from other roles.
const IS_AT_WORK: &str = "SELECT (pg_catalog.count(*) > 0 AND pg_catalog.bool_or(
    state IS NULL OR (state = 'active' AND wait_event_type IS DISTINCT FROM 'Client')
))::text FROM pg_catalog.pg_stat_activity
WHERE pid = $1::integer OR ($1::integer IS NULL AND application_name = $2 AND datname = pg_catalog.current_database())";

/// What the sessions are called that take the lock of a target, before the name of their host.
pub(super) const LOCKING: &str = "wasmigrate lock by ";

/// The name of the lock under which a journal is made: no schema is called so.
pub(super) const ANY_NEW_JOURNAL: &str = "";

/// The lock of the target whose journal is in the schema $1.
pub(super) const OF_TARGET: &str = "pg_catalog.hashtext($1)::pg_catalog.oid";

/// The same, or the one under which a journal is made, wherever.
const WAITED_FOR: &str =
    "ANY (ARRAY[pg_catalog.hashtext($1)::pg_catalog.oid, pg_catalog.hashtext('')::pg_catalog.oid])";

/// The sessions that have a lock of a target.
const TARGET_LOCK: &str = "pg_catalog.pg_locks AS held
    JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 2
    AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND held.classid = pg_catalog.hashtext('wasmigrate')::pg_catalog.oid AND held.objid =";

/// Whether a session's host has said nothing for so many seconds that it must have stopped in the middle of taking the lock. It
/// has only a few statements of its own to run with it.
const IS_STALLED: &str = "coalesce(wait_event_type = 'Client'
    AND state_change < pg_catalog.clock_timestamp() - interval '5 seconds', false)";

/// What is seen of a statement from another connection.
pub(super) enum Probe {
    /// It waits for these.
    Waits(String),
    /// The server works on it, or that cannot be told.
    IsAtWork,
    /// The server knows nothing of it any more, or has answered.
    IsNot,
    /// The server does not let another connection in either.
    NoAnswer,
}

/// Looks at a process of the server on another connection.
///
/// The process is not known before the first answer in its transaction; its label is what others can tell it by. Whether it is
/// at work is asked only where it `is_late`.
pub(super) fn probe(
    database: &Postgres,
    process: Option<i64>,
    label: Option<&str>,
    is_late: bool,
) -> Probe {
    let patience = database.brief_patience();
    let Ok(mut connection) = database.connect(&patience) else {
        return Probe::NoAnswer;
    };
    let is_known = process.is_some() || label.is_some();
    let cell = process.map_or(Cell::Null, Cell::Integer);
    let label = label.map_or(Cell::Null, Cell::Text);
    let Ok(rows) = pipeline::ask(&mut connection, HOLDERS, &[cell, label], &patience) else {
        return Probe::NoAnswer;
    };
    let mut holders: Vec<String> = rows.into_iter().filter_map(described).collect();
    if holders.is_empty() {
        // What is asked may be hidden from this role, or not be there: then nobody is named.
        let Ok(rows) = pipeline::ask(&mut connection, PREPARED, &[cell, label], &patience) else {
            return Probe::IsAtWork;
        };
        holders = rows.into_iter().filter_map(prepared).collect();
    }
    if !holders.is_empty() {
        database.give_back(connection);
        return Probe::Waits(holders.join("; "));
    }
    if !is_late || !is_known {
        database.give_back(connection);
        return Probe::IsAtWork;
    }
    let Ok(rows) = pipeline::ask(&mut connection, IS_AT_WORK, &[cell, label], &patience) else {
        return Probe::NoAnswer;
    };
    database.give_back(connection);
    match rows.into_iter().flatten().flatten().next().as_deref() {
        Some("true") => Probe::IsAtWork,
        _ => Probe::IsNot,
    }
}

fn described(row: Vec<Option<String>>) -> Option<String> {
    let [pid, user, application, state, seconds, query]: [Option<String>; 6] =
        row.try_into().ok()?;
    let who: Vec<String> = [user, application, state]
        .into_iter()
        .flatten()
        .filter(|word| !word.is_empty())
        .collect();
    Some(format!(
        "process {} ({}; its transaction is {} s old), whose statement is: {}",
        pid?,
        who.join(", "),
        seconds.unwrap_or_default(),
        query.unwrap_or_default()
    ))
}

fn prepared(row: Vec<Option<String>>) -> Option<String> {
    let [name, owner, seconds]: [Option<String>; 3] = row.try_into().ok()?;
    Some(format!(
        "the prepared transaction '{}' ({}; {} s old), which COMMIT PREPARED or ROLLBACK PREPARED ends",
        name?,
        owner.unwrap_or_default(),
        seconds.unwrap_or_default()
    ))
}

/// Ends the session that has the target's lock when its host has stopped in the middle of that; asked on another connection.
/// Returns who has the lock; none when nobody has it, or that cannot be told.
pub(super) fn end_stalled_holder(database: &Postgres) -> Option<String> {
    let journal = database.known_target().as_ref()?.home.journal.clone();
    let patience = database.brief_patience();
    let mut connection = database.connect(&patience).ok()?;
    let schema = [Cell::Text(&journal)];
    let end = end_holders(WAITED_FOR, IS_STALLED);
    let rows = pipeline::ask(&mut connection, &end, &schema, &patience).ok()?;
    if let Some(ended) = rows.into_iter().find_map(holder) {
        database.give_back(connection);
        return Some(format!("{}, which has stopped and was ended,", ended.name));
    }
    let rows = pipeline::ask(
        &mut connection,
        &holders_of_target(WAITED_FOR),
        &schema,
        &patience,
    )
    .ok()?;
    database.give_back(connection);
    rows.into_iter().find_map(holder).map(|holder| holder.name)
}

/// Who has this lock of the target whose journal is in the schema $1.
pub(super) fn holders_of_target(lock: &str) -> String {
    format!(
        "SELECT activity.pid::text, coalesce(application_name, ''), {IS_STALLED}::text FROM {TARGET_LOCK} {lock}"
    )
}

/// Ends the hosts' sessions that have this lock of the target whose journal is in the schema $1 and for which the condition holds.
pub(super) fn end_holders(lock: &str, condition: &str) -> String {
    format!(
        "SELECT activity.pid::text, coalesce(application_name, ''), pg_catalog.pg_terminate_backend(activity.pid)::text
         FROM {TARGET_LOCK} {lock} AND pg_catalog.left(application_name, {}) = '{LOCKING}' AND activity.usename = current_user
         AND activity.pid <> pg_catalog.pg_backend_pid() AND {condition}",
        LOCKING.len()
    )
}

/// A row of [`holders_of_target`] or [`end_holders`].
pub(super) fn holder(row: Vec<Option<String>>) -> Option<LockHolder> {
    let [pid, application, is_stalled]: [Option<String>; 3] = row.try_into().ok()?;
    let (pid, application) = (pid?, application.unwrap_or_default());
    Some(LockHolder {
        name: match application.strip_prefix(LOCKING) {
            Some(host) => host.to_owned(),
            None => format!("process {pid} of the server ({application})"),
        },
        is_stalled: is_stalled.as_deref() == Some("true"),
    })
}
