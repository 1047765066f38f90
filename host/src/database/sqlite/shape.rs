//! The shape of a file's tables.

use std::collections::BTreeMap;

use super::super::content::text;
use super::super::shape::integer;
use super::super::{ColumnShape, ForeignKey, Result, Session, Shape};
use super::pragmas;

/// The shapes of all tables but the host's, by name.
pub(super) async fn shapes(session: &mut dyn Session) -> Result<BTreeMap<String, Shape>> {
    let tables = "SELECT name, sql FROM main.sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'
                  AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'wasmigrate\\_%' ESCAPE '\\'";
    let mut shapes = BTreeMap::new();
    for table in session.rows(tables, &[]).await? {
        let name = text(&table, 0);
        let mut shape = Shape {
            checks: text(&table, 1),
            ..Shape::default()
        };
        let mut key = Vec::new();
        // Its place, name, type, whether it is not null, its default, its place in the key, whether it is hidden.
        for row in pragmas::ask(session, "table_xinfo", &name).await? {
            if integer(&row, 6) == 1 {
                continue;
            }
            let (column, place) = (text(&row, 1), integer(&row, 5));
            if place > 0 {
                key.push((place, column.clone()));
            }
            shape.columns.push(ColumnShape {
                name: column,
                type_name: text(&row, 2).to_lowercase(),
                is_nullable: integer(&row, 3) == 0 && place == 0,
                is_automatic: false,
                is_computed: integer(&row, 6) > 1,
            });
        }
        key.sort();
        let key: Vec<String> = key.into_iter().map(|(_, column)| column).collect();
        if let [only] = &*key
            && let Some(column) = shape.columns.iter_mut().find(|column| column.name == *only)
        {
            column.is_automatic = column.type_name == "integer";
        }
        if !key.is_empty() {
            shape.unique.push(key.clone());
        }
        let mut indexes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for index in pragmas::ask(session, "index_list", &name).await? {
            if integer(&index, 2) == 1 {
                let index = text(&index, 1);
                let columns = pragmas::ask(session, "index_info", &index).await?;
                let columns = columns.iter().map(|column| text(column, 2));
                indexes.insert(index, columns.collect());
            }
        }
        shape
            .unique
            .extend(indexes.into_values().filter(|columns| *columns != key));
        let mut keys: BTreeMap<i64, ForeignKey> = BTreeMap::new();
        // The key, the place in it, the other table, the column, the column there.
        let mut foreign = pragmas::ask(session, "foreign_key_list", &name).await?;
        foreign.sort_by_key(|row| (integer(row, 0), integer(row, 1)));
        for row in foreign {
            let key = keys.entry(integer(&row, 0)).or_insert_with(|| ForeignKey {
                columns: Vec::new(),
                target: text(&row, 2),
                target_columns: Vec::new(),
            });
            key.columns.push(text(&row, 3));
            key.target_columns.push(text(&row, 4));
        }
        shape.foreign_keys = keys.into_values().collect();
        shapes.insert(name, shape);
    }
    // A reference without columns means the key of the other table.
    let first_keys: BTreeMap<String, Vec<String>> = shapes
        .iter()
        .filter_map(|(name, shape)| Some((name.clone(), shape.unique.first()?.clone())))
        .collect();
    for shape in shapes.values_mut() {
        for key in &mut shape.foreign_keys {
            if key.target_columns.iter().any(String::is_empty) {
                key.target_columns = first_keys.get(&key.target).cloned().unwrap_or_default();
            }
        }
    }
    Ok(shapes)
}
