//! What a schema looks like, in the server's own words.
//!
//! The first form knows tables and views alone, and is asked only where a journal of an earlier version keeps it. The second
//! knows [`everything`].

mod everything;
mod pieces;
mod whole;
mod words;

pub(super) use everything::{read as read_everything, read_digests};

use super::text::quote_text;
use crate::database::JOURNAL_PREFIX;

/// One row a column, constraint, index, trigger or view: the table's name, and the line. In full names: a journal of an
/// earlier version holds what it says with the names of the connection.
pub(super) fn query(schema: &str) -> String {
    let condition = format!(
        "relnamespace OPERATOR(pg_catalog.=) {}::pg_catalog.regnamespace::pg_catalog.oid",
        quote_text(schema)
    );
    lines("relname::pg_catalog.text", &condition)
}

/// What stands between the names of schemas in the parameter of [`digests`], and between those of a schema and a table in it.
pub(super) const SEPARATOR: &str = "\u{1f}";

/// One row a table in one of the schemas that the parameter names: the schema, the table, and a digest of its lines.
pub(super) fn digests() -> String {
    let lines = lines(
        "pg_catalog.concat(relnamespace::pg_catalog.oid::pg_catalog.text, pg_catalog.chr(31), relname)",
        "relnamespace OPERATOR(pg_catalog.=) ANY (SELECT oid FROM pg_catalog.pg_namespace
         WHERE nspname = ANY (pg_catalog.string_to_array($1, pg_catalog.chr(31))))",
    );
    format!(
        "SELECT nspname::pg_catalog.text, pg_catalog.split_part(line.name, pg_catalog.chr(31), 2),
         pg_catalog.md5(pg_catalog.string_agg(line.text, pg_catalog.chr(10) ORDER BY line.text COLLATE \"C\"))
         FROM ({lines}) AS line (name, text)
         JOIN pg_catalog.pg_namespace ON pg_namespace.oid::pg_catalog.text = pg_catalog.split_part(line.name, pg_catalog.chr(31), 1)
         GROUP BY nspname, line.name ORDER BY 1, 2"
    )
}

fn lines(name: &str, condition: &str) -> String {
    let length = JOURNAL_PREFIX.len();
    format!(
        r#"WITH relation AS (
           SELECT oid, {name} AS name, relkind FROM pg_catalog.pg_class
           WHERE {condition}
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
           WHERE relkind OPERATOR(pg_catalog.=) ANY (CAST('{{v,m}}' AS pg_catalog."char"[]))"#
    )
}
