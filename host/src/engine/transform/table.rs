//! A table as the database knows it.

use std::collections::BTreeMap;

use crate::database::{Kind, Result, Session, Value, quote};

/// A table and its columns.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// On a server, its number.
    pub(super) number: Option<String>,
    /// On a server, whoever owns it, unless that is the host.
    pub(super) owner: Option<String>,
    /// On a server, its schema.
    pub(super) schema: Option<String>,
    pub(super) name: String,
    /// Whether its rows lie in several tables, because it is partitioned.
    pub(super) has_parts: bool,
    /// Whether others inherit from it.
    pub(super) has_heirs: bool,
    pub(super) columns: Vec<Column>,
    /// The columns of each unique index.
    unique: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its type, as the database spells it.
    pub(super) type_name: String,
    /// The same without a length or the like.
    pub(super) base_type: String,
    /// Its place in the primary key, from 1; 0 when it is not in it.
    place: i64,
    /// Whether the database lets it be null.
    pub(super) nullable: bool,
    /// On SQLite, whether it is computed from others, whose change a trigger on this one does not notice.
    pub(super) is_generated: bool,
    /// On a server, whether its values are compared by a collation.
    pub(super) is_collatable: bool,
}

impl Table {
    /// The table of this name; none when there is none that holds rows of its own.
    pub(super) async fn read(session: &mut dyn Session, name: &str) -> Result<Option<Self>> {
        match session.server().kind {
            Kind::Sqlite => read_sqlite(session, name).await,
            Kind::Postgres => read_postgres(session, name).await,
        }
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of the primary key, in its order.
    pub(super) fn primary_key(&self) -> impl Iterator<Item = &Column> {
        let mut key: Vec<&Column> = self
            .columns
            .iter()
            .filter(|column| column.place > 0)
            .collect();
        key.sort_unstable_by_key(|column| column.place);
        key.into_iter()
    }

    /// Whether no two rows have the same values in these columns.
    pub(super) fn is_unique(&self, columns: &[&str]) -> bool {
        let primary: Vec<&str> = self
            .primary_key()
            .map(|column| column.name.as_str())
            .collect();
        let is_within =
            |names: &[&str]| !names.is_empty() && names.iter().all(|name| columns.contains(name));
        is_within(&primary)
            || self.unique.iter().any(|index| {
                let names: Vec<&str> = index.iter().map(String::as_str).collect();
                is_within(&names)
            })
    }
}

async fn read_sqlite(session: &mut dyn Session, name: &str) -> Result<Option<Table>> {
    let found = session
        .rows(
            "SELECT name, wr FROM pragma_table_list($1) WHERE type = 'table' AND schema = 'main'",
            &[name.into()],
        )
        .await?;
    let Some(row) = found.into_iter().next() else {
        return Ok(None);
    };
    let name = text(row.first());
    let is_without_rowid = row.get(1).and_then(Value::as_integer) == Some(1);
    let rows = session
        .rows(
            "SELECT name, type, pk, \"notnull\", hidden FROM pragma_table_xinfo($1) WHERE hidden <> 1",
            &[name.as_str().into()],
        )
        .await?;
    let mut columns: Vec<Column> = rows
        .into_iter()
        .map(|row| Column {
            name: text(row.first()),
            type_name: text(row.get(1)),
            base_type: String::new(),
            place: integer(row.get(2)),
            nullable: integer(row.get(3)) == 0,
            is_generated: integer(row.get(4)) != 0,
            is_collatable: false,
        })
        .collect();
    // The rowid by another name is never null, nor is a key by which the rows are stored:
    // https://www.sqlite.org/lang_createtable.html#the_primary_key
    let places = columns.iter().filter(|column| column.place > 0).count();
    for column in columns.iter_mut().filter(|column| column.place > 0) {
        let is_rowid = places == 1 && column.type_name.eq_ignore_ascii_case("INTEGER");
        column.nullable &= !is_rowid && !is_without_rowid;
    }
    let indexes = session
        .rows(
            "SELECT list.name, info.name FROM pragma_index_list($1) AS list, pragma_index_info(list.name) AS info
             WHERE list.\"unique\" = 1 AND list.partial = 0",
            &[name.as_str().into()],
        )
        .await?;
    Ok(Some(Table {
        number: None,
        owner: None,
        schema: None,
        name,
        has_parts: false,
        has_heirs: false,
        columns,
        unique: unique(indexes),
    }))
}

async fn read_postgres(session: &mut dyn Session, name: &str) -> Result<Option<Table>> {
    let quoted: Vec<String> = name.splitn(2, '.').map(quote).collect();
    let found = session
        .rows(
            "SELECT nspname, relname, relkind = 'p', relkind = 'r' AND EXISTS (
                 SELECT 1 FROM pg_catalog.pg_inherits WHERE inhparent = pg_class.oid
             ), pg_class.oid::pg_catalog.text,
             nullif(pg_catalog.pg_get_userbyid(relowner), current_user)::pg_catalog.text
             FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
             WHERE pg_class.oid = pg_catalog.to_regclass($1) AND relkind IN ('r', 'p')",
            &[quoted.join(".").into()],
        )
        .await?;
    let Some(row) = found.into_iter().next() else {
        return Ok(None);
    };
    let (schema, name) = (text(row.first()), text(row.get(1)));
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
        .map(|row| Column {
            name: text(row.first()),
            type_name: text(row.get(1)),
            base_type: text(row.get(2)),
            place: integer(row.get(3)),
            nullable: integer(row.get(4)) == 0,
            is_generated: false,
            is_collatable: integer(row.get(5)) == 1,
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
    Ok(Some(Table {
        number: row.get(4).and_then(Value::as_text).map(str::to_owned),
        owner: row.get(5).and_then(Value::as_text).map(str::to_owned),
        schema: Some(schema),
        name,
        has_parts: integer(row.get(2)) == 1,
        has_heirs: integer(row.get(3)) == 1,
        columns,
        unique: unique(indexes),
    }))
}

/// The columns of each index, of rows with the index's name and a column's. An index on an expression is none.
fn unique(rows: Vec<Vec<Value>>) -> Vec<Vec<String>> {
    let mut indexes: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    for row in rows {
        let columns = indexes
            .entry(text(row.first()))
            .or_insert_with(|| Some(Vec::new()));
        match (row.get(1).and_then(Value::as_text), columns.as_mut()) {
            (Some(column), Some(columns)) => columns.push(column.to_owned()),
            _ => *columns = None,
        }
    }
    indexes.into_values().flatten().collect()
}

fn text(value: Option<&Value>) -> String {
    value
        .and_then(Value::as_text)
        .unwrap_or_default()
        .to_owned()
}

fn integer(value: Option<&Value>) -> i64 {
    value.and_then(Value::as_integer).unwrap_or_default()
}
