//! What is looked for before a commit, inside the transaction.
//!
//! Whatever a step ran, in however many functions and blocks, the server still knows what its transaction did: which one
//! it is, which locks it holds, and which rows of the catalog it wrote. A table cannot be changed, in its rows or its
//! shape, without a lock that lasts until the transaction's end; the host itself writes to its journal only after this
//! look. First everything is brought forward that would otherwise run at the commit, behind the look: deferred triggers,
//! and cursors that outlive the transaction. Whatever puts itself off again finds a transaction that may not write.

use super::pipeline::TAMPERED;
use crate::database::JOURNAL_PREFIX;

/// What brings forward all that a step can have set in motion.
pub(super) const BEFORE: [&str; 3] = ["SET CONSTRAINTS ALL IMMEDIATE", "CLOSE ALL", "UNLISTEN *"];

/// What puts the session's settings back, before the first statement of a transaction and before the look.
pub(super) const CLEAN: [&str; 3] = ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"];

/// What makes names in the host's own statements mean what they say, whatever a step has made, and ends its temporary
/// objects.
pub(super) const BEHIND: [&str; 2] = [
    "SET LOCAL search_path = pg_catalog, pg_temp",
    "DISCARD TEMP",
];

/// What makes a transaction fit for the next step, when several share it.
pub(super) const AFTER: [&str; 2] = ["RESET search_path", "SET CONSTRAINTS ALL DEFERRED"];

/// A query for the names and numbers of the journal's tables and indexes.
pub(super) fn journal(schema: &str) -> String {
    format!(
        "SELECT {NAMES} FROM pg_catalog.pg_class WHERE {}",
        is_of_journal(schema)
    )
}

const NAMES: &str = "coalesce(pg_catalog.string_agg(
    CASE WHEN relkind IN ('r', 'p', 'i') THEN relname || ' ' || oid END, ',' ORDER BY oid), '')";

/// Whether a row of `pg_class` is of the journal: a table, or an index of it.
fn is_of_journal(schema: &str) -> String {
    // The prefix's last letter is an underscore, which a backtick follows.
    let behind = JOURNAL_PREFIX.replace('_', "`");
    format!(
        "relname >= '{JOURNAL_PREFIX}' AND relname < '{behind}'
         AND relnamespace = pg_catalog.to_regnamespace('{}')",
        schema.replace('\'', "''")
    )
}

/// Whether this transaction, or a part of it under a savepoint, wrote a row of the catalog. (Rows of others that are not
/// committed are not seen at all.)
const IS_OURS: &str = "CASE WHEN age(xmin) > 0 THEN false
    ELSE txid_status(txid_current() - age(xmin)) = 'in progress' END";

/// A statement that fails when the transaction is not the one that its parameter names, or has touched a journal, or settings of the server with
/// which sessions begin.
///
/// Two kinds of lock are no sign of harm: that of reading, and that of `ANALYZE`, which conflicts with neither rows nor
/// readers; what else takes the latter, or none as `GRANT` does, shows in the catalog. Names are looked up by the server's
/// functions, lock by lock: planning a join with its catalogs, in each transaction anew, would take longer than all else
/// that the host does in it. With the search path that was set before, a table's name comes with its schema; no journal
/// may be touched in any, because a later session could take it for this target's.
pub(super) fn statement(schema: &str, journal: &str) -> String {
    let tables: Vec<&str> = journal
        .split(',')
        .filter_map(|table| table.rsplit_once(' '))
        .map(|(_, number)| number)
        .collect();
    format!(
        "SELECT CAST(CASE
            WHEN txid_current() <> $1 THEN '{TAMPERED} transaction'
            WHEN names <> '{known}' THEN '{TAMPERED} journal'
            ELSE coalesce((
                SELECT '{TAMPERED} ' || regexp_replace(relation::regclass::text, '^.*[.]', '') FROM pg_lock_status()
                WHERE pid = pg_backend_pid() AND locktype = 'relation'
                AND mode NOT IN ('AccessShareLock', 'ShareUpdateExclusiveLock')
                AND (relation::regclass::text ~ '(^|[.])\"?{JOURNAL_PREFIX}'
                     OR relation = 'pg_catalog.pg_db_role_setting'::regclass)
                ORDER BY relation LIMIT 1
            ), '{TAMPERED} ' || changed, (
                SELECT '{TAMPERED} ' || regexp_replace(attrelid::regclass::text, '^.*[.]', '') FROM pg_attribute
                WHERE attrelid = ANY ('{{{tables}}}'::oid[]) AND {IS_OURS} LIMIT 1
            ), '0') END AS integer), pg_advisory_unlock_all()
         FROM (
            SELECT {NAMES} AS names, min(CASE WHEN {IS_OURS} THEN relname END) AS changed
            FROM pg_class WHERE {of_journal}
         ) AS journal",
        known = journal.replace('\'', "''"),
        tables = tables.join(","),
        of_journal = is_of_journal(schema),
    )
}
