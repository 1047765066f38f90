//! What PostgreSQL can do.

use crate::database::{
    Capabilities, ColumnTypes, Expressions, Form, SchemaChanges, TenantPlace, Writers,
};

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    writers: Writers::Many,
    schema_changes: SchemaChanges::InTransaction,
    has_statements_outside_transactions: true,
    schema_change_rewrites_table: false,
    tenants: TenantPlace::Schema,
    keeps_sequences_on_rollback: true,
    reverses_unordered_rows: false,
    clock_counts_seconds: false,
    line_ends: &['\n', '\r'],
    // `U&'…'`, and all of them with `standard_conforming_strings` off.
    strings_may_escape: true,
    schema_form: Form::Everything,
    columns: ColumnTypes {
        key: "BIGINT PRIMARY KEY",
        bytes: "BYTEA",
        clustered: "",
    },
    expressions: Expressions {
        hexadecimal: "pg_catalog.encode({}, 'hex')",
        milliseconds: "CAST(pg_catalog.round(extract(epoch FROM {}::timestamptz) * 1000) AS BIGINT)",
    },
    clock: "CAST(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000 AS BIGINT)",
};
