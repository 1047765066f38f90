//! Who holds the lock that a statement waits for.

use super::super::Cell;
use super::pipeline;
use super::pool::Postgres;

const HOLDERS: &str = "SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, ''),
       pg_catalog.floor(extract(epoch FROM pg_catalog.now() - coalesce(xact_start, backend_start)))::bigint,
       pg_catalog.left(pg_catalog.regexp_replace(query, '\\s+', ' ', 'g'), 200)
FROM pg_catalog.pg_stat_activity WHERE pid = ANY (pg_catalog.pg_blocking_pids(coalesce($1::integer, (
    SELECT pid FROM pg_catalog.pg_stat_activity WHERE application_name = $2
    AND datname = pg_catalog.current_database() AND wait_event_type = 'Lock' LIMIT 1
)))) ORDER BY xact_start LIMIT 3";

/// Describes whoever keeps a process of the server waiting; asked on another connection. None when that cannot be told.
///
/// The process is not known before the first answer in its transaction; its label is what others can tell it by.
pub(super) fn holders(
    database: &Postgres,
    process: Option<i64>,
    label: Option<&str>,
) -> Option<String> {
    let patience = database.brief_patience();
    let mut connection = database.connect(&patience).ok()?;
    let process = process.map_or(Cell::Null, Cell::Integer);
    let label = label.map_or(Cell::Null, Cell::Text);
    let rows = pipeline::ask(&mut connection, HOLDERS, &[process, label], &patience).ok()?;
    database.give_back(connection);
    let holders: Vec<String> = rows
        .into_iter()
        .filter_map(|row| {
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
        })
        .collect();
    (!holders.is_empty()).then(|| holders.join("; "))
}
