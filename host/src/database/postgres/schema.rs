//! What a schema looks like, in the server's own words.

use super::text::quote_text;
use crate::database::JOURNAL_PREFIX;

/// One row a column, constraint, index, trigger or view: the table's name, and the line. In full names: a journal of an
/// earlier version holds what it says with the names of the connection.
pub(super) fn query(schema: &str) -> String {
    let length = JOURNAL_PREFIX.len();
    format!(
        r#"WITH relation AS (
           SELECT oid, relname::pg_catalog.text AS name, relkind FROM pg_catalog.pg_class
           WHERE relnamespace OPERATOR(pg_catalog.=) {schema}::pg_catalog.regnamespace::pg_catalog.oid
           AND relkind OPERATOR(pg_catalog.=) ANY (CAST('{{r,p,v,m,f}}' AS pg_catalog."char"[]))
           AND pg_catalog.left(relname::pg_catalog.text, {length}) OPERATOR(pg_catalog.<>) '{JOURNAL_PREFIX}')
         SELECT name, pg_catalog.concat('column ', attname, ' ', pg_catalog.format_type(atttypid, atttypmod),
           CASE WHEN attnotnull THEN ' not null' ELSE '' END,
           pg_catalog.concat(CASE WHEN adbin IS NULL THEN '' ELSE ' default ' END, pg_catalog.pg_get_expr(adbin, adrelid)))
           FROM relation
           JOIN pg_catalog.pg_attribute ON attrelid OPERATOR(pg_catalog.=) relation.oid
             AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped
           LEFT JOIN pg_catalog.pg_attrdef ON adrelid OPERATOR(pg_catalog.=) attrelid
             AND adnum OPERATOR(pg_catalog.=) attnum
         UNION ALL SELECT name, pg_catalog.concat('constraint ', conname, ' ', pg_catalog.pg_get_constraintdef(pg_constraint.oid))
           FROM relation JOIN pg_catalog.pg_constraint ON conrelid OPERATOR(pg_catalog.=) relation.oid
         UNION ALL SELECT name, pg_catalog.concat('index ', pg_catalog.pg_get_indexdef(indexrelid))
           FROM relation JOIN pg_catalog.pg_index ON indrelid OPERATOR(pg_catalog.=) relation.oid
         UNION ALL SELECT name, pg_catalog.concat('trigger ', pg_catalog.pg_get_triggerdef(pg_trigger.oid))
           FROM relation
           JOIN pg_catalog.pg_trigger ON tgrelid OPERATOR(pg_catalog.=) relation.oid AND NOT tgisinternal
         UNION ALL SELECT name, pg_catalog.concat('view ', pg_catalog.pg_get_viewdef(oid)) FROM relation
           WHERE relkind OPERATOR(pg_catalog.=) ANY (CAST('{{v,m}}' AS pg_catalog."char"[]))"#,
        schema = quote_text(schema),
    )
}
