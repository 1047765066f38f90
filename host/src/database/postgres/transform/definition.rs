//! A table as PostgreSQL knows it.

use crate::database::transform::{
    ColumnDefinition, Form, TableDefinition, integer_of, text_of, unique_columns,
};
use crate::database::{Authority, Result, Session, Value, quote};

/// The columns of a table `$1`: how their types are spelled, with the schema that they are in unless the spelling names it,
/// the schema of the operators in whose order their values are, and what the values are made of.
const COLUMNS: &str = "
    SELECT attname, pg_catalog.format_type(atttypid, atttypmod), pg_catalog.format_type(atttypid, -1),
      coalesce((
        SELECT pg_catalog.array_position(indkey::int2[], attnum) + 1 FROM pg_catalog.pg_index
        WHERE indrelid = attrelid AND indisprimary
      ), 0), attnotnull, attcollation <> 0,
      (
        SELECT nspname FROM pg_catalog.pg_type AS spelled JOIN pg_catalog.pg_namespace ON pg_namespace.oid = typnamespace
        WHERE spelled.oid = coalesce((SELECT oid FROM pg_catalog.pg_type WHERE typarray = atttypid), atttypid)
          AND pg_catalog.pg_type_is_visible(spelled.oid)
      ),
      coalesce((
        WITH RECURSIVE bare (type) AS (
          SELECT atttypid UNION ALL
          SELECT typbasetype FROM bare JOIN pg_catalog.pg_type ON pg_type.oid = type WHERE typtype = 'd'
        )
        SELECT nspname FROM bare JOIN pg_catalog.pg_opclass ON opcintype = type AND opcdefault
          JOIN pg_catalog.pg_am ON pg_am.oid = opcmethod AND amname = 'btree'
          JOIN pg_catalog.pg_amop ON amopfamily = opcfamily AND amoplefttype = type AND amoprighttype = type
            AND amopstrategy = 3
          JOIN pg_catalog.pg_operator ON pg_operator.oid = amopopr
          JOIN pg_catalog.pg_namespace ON pg_namespace.oid = oprnamespace
        LIMIT 1
      ), 'pg_catalog'),
      (
        WITH RECURSIVE bare (type) AS (
          SELECT atttypid UNION ALL
          SELECT typbasetype FROM bare JOIN pg_catalog.pg_type ON pg_type.oid = type WHERE typtype = 'd'
        )
        SELECT CASE WHEN pg_catalog.bool_or(typtype = 'c') THEN 'fields'
          WHEN pg_catalog.bool_or(typcategory = 'A' OR typdelim <> ',') THEN 'elements' END
        FROM bare JOIN pg_catalog.pg_type ON pg_type.oid = type
      )
    FROM pg_catalog.pg_attribute
    WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

/// Types whose names are words of the grammar, and mean those of `pg_catalog` wherever they stand.
const WORDS_OF_GRAMMAR: [&str; 12] = [
    "bigint",
    "bit",
    "boolean",
    "character",
    "double",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "time",
    "timestamp",
];

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
    let rows = session.rows(COLUMNS, std::slice::from_ref(&full)).await?;
    let columns = rows.into_iter().map(column).collect();
    let indexes = session
        .rows(
            // An index that takes for different what the column takes for equal does not make the column's values unique.
            "SELECT indexrelid::pg_catalog.text, CASE WHEN (
                 indcollation[part.place::int4 - 1] = attcollation
                 OR (SELECT collisdeterministic FROM pg_catalog.pg_collation WHERE oid = attcollation)
             ) AND (
                 SELECT opcdefault OR opcintype = atttypid FROM pg_catalog.pg_opclass WHERE oid = indclass[part.place::int4 - 1]
             ) THEN attname END, indimmediate
             FROM pg_catalog.pg_index
             CROSS JOIN LATERAL pg_catalog.unnest(indkey::int2[]) WITH ORDINALITY AS part (number, place)
             LEFT JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = part.number
             WHERE indrelid = pg_catalog.to_regclass($1) AND indisunique AND indisvalid
             AND indpred IS NULL AND part.place <= indnkeyatts",
            &[full],
        )
        .await?;
    let is_immediate = |row: &Vec<Value>| integer_of(row.get(2)) == 1;
    let (immediate, deferrable) = indexes.into_iter().partition(is_immediate);
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
        unique: unique_columns(immediate),
        deferrable: unique_columns(deferrable),
    }))
}

fn column(row: Vec<Value>) -> ColumnDefinition {
    let schema = row.get(6).and_then(Value::as_text);
    ColumnDefinition {
        name: text_of(row.first()),
        type_name: in_full(schema, text_of(row.get(1))),
        base_type: in_full(schema, text_of(row.get(2))),
        place: integer_of(row.get(3)),
        is_nullable: integer_of(row.get(4)) == 0,
        is_generated: false,
        is_collatable: integer_of(row.get(5)) == 1,
        operators: Some(quote(&text_of(row.get(7)))),
        form: match row.get(8).and_then(Value::as_text) {
            Some("fields") => Form::Fields,
            Some("elements") => Form::Elements,
            _ => Form::Plain,
        },
    }
}

/// A type as the server spells it, and means it where the search path is another one: `schema` is that of a type whose name
/// it has spelled without.
fn in_full(schema: Option<&str>, spelled: String) -> String {
    let word = spelled.split([' ', '(', '[']).next().unwrap_or_default();
    match schema {
        Some(schema) if !WORDS_OF_GRAMMAR.contains(&word) => format!("{}.{spelled}", quote(schema)),
        _ => spelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_keep_their_meaning_under_another_search_path() {
        let cases = [
            (Some("pg_catalog"), "text[]", "\"pg_catalog\".text[]"),
            (Some("pg_catalog"), "\"bit\"", "\"pg_catalog\".\"bit\""),
            (
                Some("pg_catalog"),
                "character varying(3)",
                "character varying(3)",
            ),
            (Some("app"), "\"time\"", "\"app\".\"time\""),
            (None, "app.mood", "app.mood"),
        ];
        for (schema, spelled, expected) in cases {
            assert_eq!(in_full(schema, spelled.to_owned()), expected);
        }
    }
}
