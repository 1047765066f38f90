//! A table as SQLite knows it.

use crate::database::sqlite::pragmas;
use crate::database::transform::{
    ColumnDefinition, Form, TableDefinition, integer_of, text_of, unique_columns,
};
use crate::database::{Result, Session, Value};

/// The table of this name; none when there is none that holds rows of its own.
pub(super) async fn read(session: &mut dyn Session, name: &str) -> Result<Option<TableDefinition>> {
    // The schema, its name, what it is, how many columns, whether it is without a rowid.
    let mut found = pragmas::ask(session, "table_list", name).await?;
    found.retain(|row| text_of(row.first()) == "main" && text_of(row.get(2)) == "table");
    let Some(row) = found.into_iter().next() else {
        return Ok(None);
    };
    let name = text_of(row.get(1));
    let is_without_rowid = row.get(4).and_then(Value::as_integer) == Some(1);
    // The place, the name, the type, whether it is not null, the default, the place in the key, whether it is hidden.
    let rows = pragmas::ask(session, "table_xinfo", &name).await?;
    let mut columns: Vec<ColumnDefinition> = rows
        .into_iter()
        .filter(|row| integer_of(row.get(6)) != 1)
        .map(|row| ColumnDefinition {
            name: text_of(row.get(1)),
            type_name: text_of(row.get(2)),
            base_type: String::new(),
            place: integer_of(row.get(5)),
            is_nullable: integer_of(row.get(3)) == 0,
            is_generated: integer_of(row.get(6)) != 0,
            is_collatable: false,
            operators: None,
            form: Form::Plain,
        })
        .collect();
    // The rowid by another name is never null, nor is a key by which the rows are stored:
    // https://www.sqlite.org/lang_createtable.html#the_primary_key
    let places = columns.iter().filter(|column| column.place > 0).count();
    for column in columns.iter_mut().filter(|column| column.place > 0) {
        let is_rowid = places == 1 && column.type_name.eq_ignore_ascii_case("INTEGER");
        column.is_nullable &= !is_rowid && !is_without_rowid;
    }
    // Of each index: its place, its name, whether it is unique, where it is from, whether it is partial.
    let mut indexes = Vec::new();
    for index in pragmas::ask(session, "index_list", &name).await? {
        if integer_of(index.get(2)) == 1 && integer_of(index.get(4)) == 0 {
            let index = text_of(index.get(1));
            for part in pragmas::ask(session, "index_info", &index).await? {
                let column = part.get(2).cloned().unwrap_or(Value::Null);
                indexes.push(vec![index.as_str().into(), column]);
            }
        }
    }
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
        deferrable: Vec::new(),
    }))
}
