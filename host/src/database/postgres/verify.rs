//! What is looked for before a commit, inside the transaction.
//!
//! Whatever a step ran, in however many functions and blocks, the server still knows what its transaction did: which one
//! it is, and which locks it holds. A table cannot be changed, in its rows or its shape, without a lock that lasts until
//! the transaction's end; the host itself writes to its journal only after this look. First everything is brought forward
//! that would otherwise run at the commit, behind the look: deferred triggers, and cursors that outlive the transaction.

use super::pipeline::{Begun, TAMPERED};
use crate::database::JOURNAL_PREFIX;

/// What ends all that a step can have set in motion, and puts the session's settings back.
pub(super) const BEFORE: [&str; 6] = [
    "SET CONSTRAINTS ALL IMMEDIATE",
    "CLOSE ALL",
    "RESET SESSION AUTHORIZATION",
    "RESET ROLE",
    "RESET ALL",
    // Names in the host's own statements mean what they say, whatever a step has made.
    "SET LOCAL search_path = pg_catalog, pg_temp",
];

/// What makes a transaction fit for the next step, when several share it.
pub(super) const AFTER: [&str; 2] = ["RESET search_path", "SET CONSTRAINTS ALL DEFERRED"];

/// A statement that fails when the transaction is another one, or has touched the journal in `schema`.
pub(super) fn statement(schema: &str, begun: Begun) -> String {
    // Names are looked up by the server's functions, lock by lock: planning a join with its catalogs, in each transaction
    // anew, would take longer than all else that the host does in it. With the search path that was set above, the name of
    // a table comes with its schema.
    format!(
        "SELECT CAST(CASE
            WHEN txid_current() <> {transaction} THEN '{TAMPERED} transaction'
            ELSE coalesce((
                SELECT '{TAMPERED} ' || substr(relation::regclass::text, length('{schema}.') + 1) FROM pg_lock_status()
                WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode <> 'AccessShareLock'
                AND relation::regclass::text ^@ ANY (ARRAY['{schema}.{JOURNAL_PREFIX}', '{schema}.\"{JOURNAL_PREFIX}'])
                LIMIT 1
            ), '0') END AS integer), pg_advisory_unlock_all()",
        transaction = begun.transaction,
        schema = schema.replace('\'', "''"),
    )
}
