//! A table as PostgreSQL knows it.

use crate::database::transform::{
    ColumnDefinition, TableDefinition, integer_of, text_of, unique_columns,
};
use crate::database::{Authority, Result, Session, Value, quote};

/// The table of this name; none when there is none that holds rows of its own.
pub(super) async fn read(session: &mut dyn Session, name: &str) -> Result<Option<TableDefinition>> {
    let quoted: Vec<String> = name.splitn(2, '.').map(quote).collect();
    let number = session
        .rows_as(
            Authority::Application,
            "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.text",
            &[quoted.join(".").into()],
        )
        .await?;
    let Some(number @ Value::Text(_)) = number.into_iter().flatten().next() else {
        return Ok(None);
    };
    let found = session
        .rows(
            "SELECT nspname, relname, relkind = 'p', relkind = 'r' AND EXISTS (
                 SELECT 1 FROM pg_catalog.pg_inherits WHERE inhparent = pg_class.oid
             ), pg_class.oid::pg_catalog.text,
             nullif(pg_catalog.pg_get_userbyid(relowner), current_user)::pg_catalog.text
             FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
             WHERE pg_class.oid = $1::pg_catalog.oid AND relkind IN ('r', 'p')",
            &[number],
        )
        .await?;
    let Some(row) = found.into_iter().next() else {
        return Ok(None);
    };
    let (schema, name) = (text_of(row.first()), text_of(row.get(1)));
    let full: Value = format!("{}.{}", quote(&schema), quote(&name)).into();
    let rows = session
        .rows(
            "SELECT attname, pg_catalog.format_type(atttypid, atttypmod), pg_catalog.format_type(atttypid, -1),
             coalesce((
                 SELECT pg_catalog.array_position(indkey::int2[], attnum) + 1 FROM pg_catalog.pg_index
                 WHERE indrelid = attrelid AND indisprimary
             ), 0), attnotnull, attcollation <> 0
             FROM pg_catalog.pg_attribute
             WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            std::slice::from_ref(&full),
        )
        .await?;
    let columns = rows
        .into_iter()
        .map(|row| ColumnDefinition {
            name: text_of(row.first()),
            type_name: text_of(row.get(1)),
            base_type: text_of(row.get(2)),
            place: integer_of(row.get(3)),
            is_nullable: integer_of(row.get(4)) == 0,
            is_generated: false,
            is_collatable: integer_of(row.get(5)) == 1,
        })
        .collect();
    let indexes = session
        .rows(
            // An index that takes for different what the column takes for equal does not make the column's values unique.
            "SELECT indexrelid::pg_catalog.text, CASE WHEN (
                 indcollation[part.place::int4 - 1] = attcollation
                 OR (SELECT collisdeterministic FROM pg_catalog.pg_collation WHERE oid = attcollation)
             ) AND (
                 SELECT opcdefault OR opcintype = atttypid FROM pg_catalog.pg_opclass WHERE oid = indclass[part.place::int4 - 1]
             ) THEN attname END
             FROM pg_catalog.pg_index
             CROSS JOIN LATERAL pg_catalog.unnest(indkey::int2[]) WITH ORDINALITY AS part (number, place)
             LEFT JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = part.number
             WHERE indrelid = pg_catalog.to_regclass($1) AND indisunique AND indisvalid AND indimmediate
             AND indpred IS NULL AND part.place <= indnkeyatts",
            &[full],
        )
        .await?;
    let has_parts = integer_of(row.get(2)) == 1;
    Ok(Some(TableDefinition {
        number: row.get(4).and_then(Value::as_text).map(str::to_owned),
        owner: row.get(5).and_then(Value::as_text).map(str::to_owned),
        schema: Some(schema),
        name,
        has_parts,
        version: match has_parts {
            false => &[("ctid", "tid"), ("xmin", "xid")],
            true => &[("ctid", "tid"), ("xmin", "xid"), ("tableoid", "oid")],
        },
        has_heirs: integer_of(row.get(3)) == 1,
        columns,
        unique: unique_columns(indexes),
    }))
}
