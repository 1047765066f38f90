//! What is looked for before a commit, inside the transaction.
//!
//! Whatever a step ran, in however many functions and blocks, the server still knows what its transaction did: which one
//! it is, which locks it holds, and which rows of the catalog it wrote. A table cannot be changed, in its rows or its
//! shape, without a lock that lasts until the transaction's end; the host itself writes to its journal only after this
//! look. First everything is brought forward that would otherwise run at the commit, behind the look: deferred triggers,
//! and cursors that outlive the transaction. Whatever puts itself off again finds a transaction that may not write.

use super::pipeline::{Begun, TAMPERED};
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

/// A query for the names and numbers of the journal's tables.
pub(super) fn journal(schema: &str) -> String {
    format!(
        "SELECT coalesce(pg_catalog.string_agg(relname || ' ' || oid, ',' ORDER BY oid), '')
         FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') AND {}
         AND relnamespace = pg_catalog.to_regnamespace('{}')",
        belongs_to_a_journal("pg_class"),
        schema.replace('\'', "''")
    )
}

/// Whether a row of `pg_class` is of a journal, in whatever schema: a step must not make one that a later session would
/// take for this target's, either.
fn belongs_to_a_journal(class: &str) -> String {
    // The prefix's last letter is an underscore, which a backtick follows.
    let behind = JOURNAL_PREFIX.replace('_', "`");
    format!("{class}.relname >= '{JOURNAL_PREFIX}' AND {class}.relname < '{behind}'")
}

/// Whether this transaction, or a part of it under a savepoint, wrote a row of the catalog. (Rows of others that are not
/// committed are not seen at all.)
fn is_ours(row: &str) -> String {
    format!(
        "CASE WHEN age({row}.xmin) > 0 THEN false
         ELSE txid_status(txid_current() - age({row}.xmin)) = 'in progress' END"
    )
}

/// A statement that fails when the transaction is another one, or has touched a journal, or settings of the
/// server with which sessions begin.
///
/// Two kinds of lock are no sign of harm: that of reading, and that of `ANALYZE`, which conflicts with neither rows nor
/// readers; what else takes the latter and changes the table's shape shows in the catalog.
pub(super) fn statement(schema: &str, begun: &Begun) -> String {
    format!(
        "SELECT CAST(CASE
            WHEN txid_current() <> {transaction} THEN '{TAMPERED} transaction'
            WHEN ({journal}) <> '{known}' THEN '{TAMPERED} journal'
            ELSE coalesce((
                SELECT '{TAMPERED} ' || class.relname FROM pg_locks AS held
                JOIN pg_class AS class ON class.oid = held.relation
                WHERE held.pid = pg_backend_pid() AND held.locktype = 'relation'
                AND held.mode NOT IN ('AccessShareLock', 'ShareUpdateExclusiveLock')
                AND ({belongs} OR class.oid = 'pg_catalog.pg_db_role_setting'::regclass)
                ORDER BY class.oid LIMIT 1
            ), (
                SELECT '{TAMPERED} ' || class.relname FROM pg_class AS class
                WHERE {belongs} AND ({class_is_ours} OR EXISTS (
                    SELECT FROM pg_attribute AS attribute WHERE attribute.attrelid = class.oid AND {attribute_is_ours}
                ) OR EXISTS (
                    SELECT FROM pg_index AS entry JOIN pg_class AS index ON index.oid = entry.indexrelid
                    WHERE entry.indrelid = class.oid AND ({entry_is_ours} OR {index_is_ours})
                )) ORDER BY class.oid LIMIT 1
            ), '0') END AS integer), pg_advisory_unlock_all()",
        transaction = begun.transaction,
        journal = journal(schema),
        known = begun.journal.replace('\'', "''"),
        belongs = belongs_to_a_journal("class"),
        class_is_ours = is_ours("class"),
        attribute_is_ours = is_ours("attribute"),
        entry_is_ours = is_ours("entry"),
        index_is_ours = is_ours("index"),
    )
}
