//! What SQLite can do.

use crate::database::{
    Capabilities, ColumnTypes, Expressions, Form, SchemaChanges, TenantPlace, Writers,
};

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    writers: Writers::One,
    schema_changes: SchemaChanges::InTransaction,
    has_statements_outside_transactions: false,
    schema_change_rewrites_table: true,
    tenants: TenantPlace::Database,
    keeps_sequences_on_rollback: false,
    reverses_unordered_rows: true,
    clock_counts_seconds: true,
    line_ends: &['\n'],
    strings_may_escape: false,
    schema_form: Form::Tables,
    columns: ColumnTypes {
        key: "INTEGER PRIMARY KEY",
        bytes: "BLOB",
        clustered: "WITHOUT ROWID",
    },
    expressions: Expressions {
        hexadecimal: "lower(hex({}))",
        milliseconds: "CAST(round((julianday({}) - 2440587.5) * 86400000) AS INTEGER)",
    },
    // That of the machine, which all hosts of a file share.
    clock: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
};
