//! A table as SQLite knows it.

use crate::database::transform::{
    ColumnDefinition, TableDefinition, integer_of, text_of, unique_columns,
};
use crate::database::{Result, Session, Value};

/// The table of this name; none when there is none that holds rows of its own.
pub(super) async fn read(session: &mut dyn Session, name: &str) -> Result<Option<TableDefinition>> {
    let found = session
        .rows(
            "SELECT name, wr FROM pragma_table_list($1) WHERE type = 'table' AND schema = 'main'",
            &[name.into()],
        )
        .await?;
    let Some(row) = found.into_iter().next() else {
        return Ok(None);
    };
    let name = text_of(row.first());
    let is_without_rowid = row.get(1).and_then(Value::as_integer) == Some(1);
    let rows = session
        .rows(
            "SELECT name, type, pk, \"notnull\", hidden FROM pragma_table_xinfo($1) WHERE hidden <> 1",
            &[name.as_str().into()],
        )
        .await?;
    let mut columns: Vec<ColumnDefinition> = rows
        .into_iter()
        .map(|row| ColumnDefinition {
            name: text_of(row.first()),
            type_name: text_of(row.get(1)),
            base_type: String::new(),
            place: integer_of(row.get(2)),
            is_nullable: integer_of(row.get(3)) == 0,
            is_generated: integer_of(row.get(4)) != 0,
            is_collatable: false,
            operators: None,
        })
        .collect();
    // The rowid by another name is never null, nor is a key by which the rows are stored:
    // https://www.sqlite.org/lang_createtable.html#the_primary_key
    let places = columns.iter().filter(|column| column.place > 0).count();
    for column in columns.iter_mut().filter(|column| column.place > 0) {
        let is_rowid = places == 1 && column.type_name.eq_ignore_ascii_case("INTEGER");
        column.is_nullable &= !is_rowid && !is_without_rowid;
    }
    let indexes = session
        .rows(
            "SELECT list.name, info.name FROM pragma_index_list($1) AS list, pragma_index_info(list.name) AS info
             WHERE list.\"unique\" = 1 AND list.partial = 0",
            &[name.as_str().into()],
        )
        .await?;
    Ok(Some(TableDefinition {
        number: None,
        owner: None,
        schema: None,
        name,
        has_parts: false,
        has_heirs: false,
        version: &[],
        columns,
        unique: unique_columns(indexes),
    }))
}
