//! The shape of tables: what their rows must be like. How it is read is each database's own.

use super::Value;

/// A column.
#[derive(Clone, Debug)]
pub struct ColumnShape {
    /// Its name.
    pub name: String,
    /// The declared type, in small letters.
    pub type_name: String,
    /// Whether it takes NULL.
    pub is_nullable: bool,
    /// Whether the database computes it or numbers it, so that rows may leave it out.
    pub is_automatic: bool,
    /// Whether it is computed from others, so that rows must leave it out.
    pub is_computed: bool,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    /// The columns that refer to another table.
    pub columns: Vec<String>,
    /// That table.
    pub target: String,
    /// The columns of it, in the same order.
    pub target_columns: Vec<String>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Its columns, in order.
    pub columns: Vec<ColumnShape>,
    /// The primary key and other sets of columns whose values are unique.
    pub unique: Vec<Vec<String>>,
    /// Its references to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// What is checked, in the database's words.
    pub checks: String,
}

/// A cell of a row of whole numbers that the host read.
pub(super) fn integer(row: &[Value], position: usize) -> i64 {
    row.get(position)
        .and_then(Value::as_integer)
        .unwrap_or_default()
}
