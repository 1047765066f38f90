//! The content of a database, to be compared: its schema as named objects, its rows in a canonical order, and where its
//! sequences stand. What belongs to the host is left out. How it is read is in `content_reader`, and of the schema in each database's own room.

use std::collections::BTreeMap;

use super::{JOURNAL_PREFIX, Value};

/// The content of a database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Everything of the schema but the tables themselves, with what defines it.
    pub objects: BTreeMap<Object, String>,
    /// The tables, by name.
    pub tables: BTreeMap<String, Table>,
    /// Where sequences and automatic keys stand.
    pub sequences: BTreeMap<String, String>,
}

/// What names an object of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// The table that it belongs to; empty for one that stands by itself.
    pub table: String,
    /// What it is, such as `index`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A table's rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The names of its columns, sorted.
    pub columns: Vec<String>,
    /// The positions of the columns of its primary key.
    pub key: Vec<usize>,
    /// The rows, sorted by their exact text.
    pub rows: Vec<Row>,
}

/// A row, and its exact text, in which values of different types differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The exact text of all cells.
    pub exact: String,
    /// Its cells.
    pub cells: Vec<Value>,
}

impl Row {
    /// Of these cells.
    pub fn new(cells: Vec<Value>) -> Self {
        let mut exact = String::new();
        for cell in &cells {
            write_exactly(&mut exact, cell);
        }
        Self { exact, cells }
    }
}

impl Content {
    /// How many rows there are in all.
    pub fn row_count(&self) -> usize {
        self.tables.values().map(|table| table.rows.len()).sum()
    }
}

/// Whether a table is the host's, whatever its schema.
pub(crate) fn is_journal(name: &str) -> bool {
    let bare = name.rsplit('.').next().unwrap_or(name);
    bare.get(..JOURNAL_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(JOURNAL_PREFIX))
}

fn write_exactly(text: &mut String, value: &Value) {
    use std::fmt::Write as _;
    // Writing to a text cannot fail. Between cells stands a character that no text of a database can begin with.
    let _ = match value {
        Value::Null => write!(text, "\u{1}-"),
        Value::Boolean(value) => write!(text, "\u{1}b{value}"),
        Value::Integer(value) => write!(text, "\u{1}i{value}"),
        Value::Float(value) => write!(text, "\u{1}f{value:?}"),
        Value::Text(value) => write!(text, "\u{1}t{value}"),
        Value::Bytes(value) => write!(text, "\u{1}x{value:02x?}"),
        Value::Other {
            type_name,
            text: value,
        } => write!(text, "\u{1}o{type_name} {value}"),
    };
}

/// A cell of a row of texts that the host read.
pub(super) fn text(row: &[Value], position: usize) -> String {
    row.get(position)
        .and_then(Value::as_text)
        .unwrap_or_default()
        .to_owned()
}
