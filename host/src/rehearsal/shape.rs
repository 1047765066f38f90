//! The shape of tables: what their rows must be like, and in which order tables can be filled.

use std::collections::{BTreeMap, BTreeSet};

use crate::database::{Kind, Result, Session, Value};

/// A column.
#[derive(Clone, Debug)]
pub(super) struct ColumnShape {
    pub(super) name: String,
    /// The declared type, in small letters.
    pub(super) type_name: String,
    pub(super) is_nullable: bool,
    /// Whether the database computes it or numbers it, so that rows may leave it out.
    pub(super) is_automatic: bool,
    /// Whether it is computed from others, so that rows must leave it out.
    pub(super) is_computed: bool,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub(super) struct ForeignKey {
    pub(super) columns: Vec<String>,
    pub(super) target: String,
    pub(super) target_columns: Vec<String>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) columns: Vec<ColumnShape>,
    /// The primary key and other sets of columns whose values are unique.
    pub(super) unique: Vec<Vec<String>>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    /// What is checked, in the database's words.
    pub(super) checks: String,
}

/// The shapes of all tables but the host's, by name.
pub(super) async fn read(session: &mut dyn Session) -> Result<BTreeMap<String, Shape>> {
    match session.server().kind {
        Kind::Sqlite => sqlite(session).await,
        Kind::Postgres => postgres(session).await,
    }
}

/// The tables, those that others refer to first. Of tables that refer to each other the order is that of their names.
pub(super) fn in_order(shapes: &BTreeMap<String, Shape>) -> Vec<String> {
    let mut ordered: Vec<String> = Vec::new();
    let mut left: BTreeSet<&String> = shapes.keys().collect();
    while !left.is_empty() {
        let is_ready = |name: &String| {
            shapes.get(name).is_none_or(|shape| {
                shape
                    .foreign_keys
                    .iter()
                    .all(|key| key.target == *name || !left.contains(&key.target))
            })
        };
        let next = left
            .iter()
            .find(|name| is_ready(name))
            .or_else(|| left.iter().next());
        let Some(next) = next.copied() else {
            break;
        };
        left.remove(next);
        ordered.push(next.clone());
    }
    ordered
}

fn text(row: &[Value], position: usize) -> String {
    row.get(position)
        .and_then(Value::as_text)
        .unwrap_or_default()
        .to_owned()
}

fn integer(row: &[Value], position: usize) -> i64 {
    row.get(position)
        .and_then(Value::as_integer)
        .unwrap_or_default()
}

async fn sqlite(session: &mut dyn Session) -> Result<BTreeMap<String, Shape>> {
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

const POSTGRES_COLUMNS: &str = "
SELECT CASE nspname WHEN 'public' THEN '' ELSE nspname || '.' END || relname, attname, format_type(atttypid, atttypmod),
    attnotnull, attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE 'nextval(%', attgenerated <> ''
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND NOT attisdropped AND nspname NOT LIKE 'pg\\_%'
AND nspname <> 'information_schema' AND relname NOT LIKE 'wasmigrate\\_%'
ORDER BY 1, attnum";

const POSTGRES_CONSTRAINTS: &str = "
SELECT CASE own_space.nspname WHEN 'public' THEN '' ELSE own_space.nspname || '.' END || own.relname, contype::text,
    (SELECT json_agg(attname ORDER BY place) FROM unnest(conkey) WITH ORDINALITY AS part(number, place)
        JOIN pg_attribute ON attrelid = conrelid AND attnum = part.number)::text,
    CASE other_space.nspname WHEN 'public' THEN '' ELSE other_space.nspname || '.' END || other.relname,
    (SELECT json_agg(attname ORDER BY place) FROM unnest(confkey) WITH ORDINALITY AS part(number, place)
        JOIN pg_attribute ON attrelid = confrelid AND attnum = part.number)::text,
    pg_get_constraintdef(pg_constraint.oid)
FROM pg_constraint JOIN pg_class AS own ON own.oid = conrelid JOIN pg_namespace AS own_space ON own_space.oid = own.relnamespace
LEFT JOIN pg_class AS other ON other.oid = confrelid LEFT JOIN pg_namespace AS other_space ON other_space.oid = other.relnamespace
WHERE own.relname NOT LIKE 'wasmigrate\\_%' ORDER BY contype = 'p' DESC, conname";

async fn postgres(session: &mut dyn Session) -> Result<BTreeMap<String, Shape>> {
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    for row in session.rows(POSTGRES_COLUMNS, &[]).await? {
        shapes
            .entry(text(&row, 0))
            .or_default()
            .columns
            .push(ColumnShape {
                name: text(&row, 1),
                type_name: text(&row, 2).to_lowercase(),
                is_nullable: integer(&row, 3) == 0,
                is_automatic: integer(&row, 4) != 0,
                is_computed: integer(&row, 5) != 0,
            });
    }
    let names = |list: String| serde_json::from_str::<Vec<String>>(&list).unwrap_or_default();
    for row in session.rows(POSTGRES_CONSTRAINTS, &[]).await? {
        let Some(shape) = shapes.get_mut(&text(&row, 0)) else {
            continue;
        };
        let columns = names(text(&row, 2));
        match text(&row, 1).as_str() {
            "p" | "u" => shape.unique.push(columns),
            "f" => shape.foreign_keys.push(ForeignKey {
                columns,
                target: text(&row, 3),
                target_columns: names(text(&row, 4)),
            }),
            "c" => {
                shape.checks.push_str(&text(&row, 5));
                shape.checks.push('\n');
            }
            _ => {}
        }
    }
    Ok(shapes)
}
