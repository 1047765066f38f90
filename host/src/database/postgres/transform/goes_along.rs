//! What goes with a column that is dropped.

use crate::database::transform::{TransformedTable, text_of};
use crate::database::{Result, Session};

/// What PostgreSQL drops with a column is said in `pg_depend`; the rest is the column's own.
/// <https://www.postgresql.org/docs/current/catalog-pg-depend.html>
pub(super) async fn read(
    session: &mut dyn Session,
    table: &TransformedTable,
) -> Result<Vec<String>> {
    let Some(number) = &table.number else {
        return Ok(Vec::new());
    };
    let of_column = format!(
        "SELECT attnum, attname, attnotnull, attacl, attrelid FROM pg_catalog.pg_attribute
         WHERE attrelid = {number}::pg_catalog.oid AND NOT attisdropped AND attname = $1::pg_catalog.text"
    );
    let dropped = format!(
        "WITH gone AS ({of_column})
         SELECT pg_catalog.pg_describe_object(classid, objid, objsubid) FROM gone JOIN pg_catalog.pg_depend
           ON refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refobjid = attrelid AND refobjsubid = attnum
         WHERE deptype IN ('a', 'i') AND classid <> 'pg_catalog.pg_attrdef'::pg_catalog.regclass ORDER BY 1"
    );
    let replaced = format!(
        "WITH gone AS ({of_column})
         SELECT 'NOT NULL' FROM gone WHERE attnotnull AND $2::pg_catalog.bool
         UNION ALL SELECT 'the default ' || pg_catalog.pg_get_expr(adbin, adrelid)
           FROM gone JOIN pg_catalog.pg_attrdef ON adrelid = attrelid AND adnum = attnum
         UNION ALL SELECT 'its comment' FROM gone WHERE pg_catalog.col_description(attrelid, attnum) IS NOT NULL
         UNION ALL SELECT 'rights on it' FROM gone WHERE attacl IS NOT NULL"
    );
    let mut all = Vec::new();
    for (column, by) in table.going() {
        let parameters = [column.into()];
        let mut rows = session.rows(&dropped, &parameters).await?;
        if let Some(by) = by {
            let parameters = [column.into(), by.nullable.into()];
            rows.extend(session.rows(&replaced, &parameters).await?);
        }
        all.extend(rows.iter().map(|row| text_of(row.first())));
    }
    // What is on two of the columns is named once.
    all.sort();
    all.dedup();
    Ok(all)
}
