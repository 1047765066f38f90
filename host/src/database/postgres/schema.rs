//! What a schema looks like, in the server's own words.

use super::text::quote_text;
use crate::database::JOURNAL_PREFIX;

/// One row a column, constraint, index, trigger or view: the table's name, and the line.
pub(super) fn query(schema: &str) -> String {
    let length = JOURNAL_PREFIX.len();
    format!(
        "WITH relation AS (
           SELECT oid, relname::text AS name, relkind FROM pg_catalog.pg_class
           WHERE relnamespace = {schema}::pg_catalog.regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
           AND pg_catalog.left(relname, {length}) <> '{JOURNAL_PREFIX}')
         SELECT name, 'column ' || attname || ' ' || pg_catalog.format_type(atttypid, atttypmod)
           || CASE WHEN attnotnull THEN ' not null' ELSE '' END
           || coalesce(' default ' || pg_catalog.pg_get_expr(adbin, adrelid), '')
           FROM relation JOIN pg_catalog.pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
           LEFT JOIN pg_catalog.pg_attrdef ON adrelid = attrelid AND adnum = attnum
         UNION ALL SELECT name, 'constraint ' || conname || ' ' || pg_catalog.pg_get_constraintdef(pg_constraint.oid)
           FROM relation JOIN pg_catalog.pg_constraint ON conrelid = relation.oid
         UNION ALL SELECT name, 'index ' || pg_catalog.pg_get_indexdef(indexrelid)
           FROM relation JOIN pg_catalog.pg_index ON indrelid = relation.oid
         UNION ALL SELECT name, 'trigger ' || pg_catalog.pg_get_triggerdef(pg_trigger.oid)
           FROM relation JOIN pg_catalog.pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal
         UNION ALL SELECT name, 'view ' || pg_catalog.pg_get_viewdef(oid) FROM relation WHERE relkind IN ('v', 'm')",
        schema = quote_text(schema),
    )
}
