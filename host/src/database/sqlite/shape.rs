//! The shape of a file's tables.

use std::collections::BTreeMap;

use super::super::content::text;
use super::super::shape::integer;
use super::super::{ColumnShape, ForeignKey, Result, Session, Shape};

/// The shapes of all tables but the host's, by name.
pub(super) async fn shapes(session: &mut dyn Session) -> Result<BTreeMap<String, Shape>> {
    let tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'
                  AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'wasmigrate\\_%' ESCAPE '\\'";
    let mut shapes = BTreeMap::new();
    for table in session.rows(tables, &[]).await? {
        let name = text(&table, 0);
        let mut shape = Shape {
            checks: text(&table, 1),
            ..Shape::default()
        };
        let mut key = Vec::new();
        let columns = "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo($1) WHERE hidden <> 1 ORDER BY cid";
        for row in session.rows(columns, &[name.as_str().into()]).await? {
            let column = text(&row, 0);
            if integer(&row, 3) > 0 {
                key.push((integer(&row, 3), column.clone()));
            }
            shape.columns.push(ColumnShape {
                name: column,
                type_name: text(&row, 1).to_lowercase(),
                is_nullable: integer(&row, 2) == 0 && integer(&row, 3) == 0,
                is_automatic: false,
                is_computed: integer(&row, 4) > 1,
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
        let unique = "SELECT index_list.name, index_info.name FROM pragma_index_list($1) AS index_list,
                      pragma_index_info(index_list.name) AS index_info WHERE \"unique\" = 1 ORDER BY 1, seqno";
        let mut indexes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in session.rows(unique, &[name.as_str().into()]).await? {
            indexes
                .entry(text(&row, 0))
                .or_default()
                .push(text(&row, 1));
        }
        shape
            .unique
            .extend(indexes.into_values().filter(|columns| *columns != key));
        let foreign = "SELECT id, \"table\", \"from\", coalesce(\"to\", '') FROM pragma_foreign_key_list($1) ORDER BY id, seq";
        let mut keys: BTreeMap<i64, ForeignKey> = BTreeMap::new();
        for row in session.rows(foreign, &[name.as_str().into()]).await? {
            let key = keys.entry(integer(&row, 0)).or_insert_with(|| ForeignKey {
                columns: Vec::new(),
                target: text(&row, 1),
                target_columns: Vec::new(),
            });
            key.columns.push(text(&row, 2));
            key.target_columns.push(text(&row, 3));
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
