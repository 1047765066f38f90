//! Where a table is cut into parts: a part of its pages tells.

use crate::database::transform::{TransformedTable, step_rows};
use crate::database::{Result, Session, Value};

/// How many rows of each part are looked at to find where it ends. Whole pages are, some 50 of a part; so the parts of a
/// table whose rows lie in the order of their keys differ by about 15 %.
const SAMPLED_OF_PART: u64 = 4_000;

/// The keys with which parts of so many rows end, but for the last of them.
pub(super) async fn borders(
    session: &mut dyn Session,
    table: &TransformedTable,
    rows: u64,
    rows_of_part: u64,
) -> Result<Vec<Vec<Value>>> {
    let parts = rows.div_ceil(rows_of_part);
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let percent = 100.0 * (parts * SAMPLED_OF_PART) as f64 / rows as f64;
    let query = query(table, parts, percent.min(100.0));
    step_rows(session, &query, &[]).await
}

/// <https://www.postgresql.org/docs/current/sql-select.html#SQL-FROM>
fn query(table: &TransformedTable, parts: u64, percent: f64) -> String {
    let keys = table.key_columns();
    let part_of = |row: &str| {
        format!(
            "pg_catalog.int8div(pg_catalog.int8mul({row}, {parts}::pg_catalog.int8), number_of_rows)"
        )
    };
    format!(
        "SELECT {keys} FROM (
            SELECT {keys}, pg_catalog.row_number() OVER (ORDER BY {keys}) AS number_of_row,
              pg_catalog.count(*) OVER () AS number_of_rows
            FROM {} TABLESAMPLE pg_catalog.system ({percent}::pg_catalog.float4) REPEATABLE (0) WHERE true{}
         ) AS numbered
         WHERE {} OPERATOR(pg_catalog.>) {}
           AND number_of_row OPERATOR(pg_catalog.<) number_of_rows ORDER BY {keys}",
        table.name,
        table.condition(),
        part_of("number_of_row"),
        part_of("pg_catalog.int8mi(number_of_row, 1::pg_catalog.int8)")
    )
}
