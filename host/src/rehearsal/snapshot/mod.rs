//! The content of a database, to be compared: its schema as named objects, its rows in a canonical order, and where its
//! sequences stand. What belongs to the host is left out.
//!
//! How the schema is read differs from database to database (`sqlite`, `postgres`); how two contents are compared, and the
//! differences told in words, does not (`difference`).

mod difference;
mod logical;
mod postgres;
mod sqlite;

use std::collections::BTreeMap;

pub(super) use difference::{Difference, Words, counted, differences, shown};
pub(super) use logical::{canonical, logical};
pub(super) use postgres::full_name;

use crate::database::{self, Access, Database, JOURNAL_PREFIX, Kind, Session, Stop, Value};

/// The content of a database.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Snapshot {
    /// Everything of the schema but the tables themselves, with what defines it.
    pub(super) objects: BTreeMap<Object, String>,
    /// The tables, by name.
    pub(super) tables: BTreeMap<String, Table>,
    /// Where sequences and automatic keys stand.
    pub(super) sequences: BTreeMap<String, String>,
}

/// What names an object of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Object {
    /// The table that it belongs to; empty for one that stands by itself.
    pub(super) table: String,
    /// What it is, such as `index`.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
}

/// A table's rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// The names of its columns, sorted.
    pub(super) columns: Vec<String>,
    /// The positions of the columns of its primary key.
    pub(super) key: Vec<usize>,
    /// The rows, sorted by their exact text.
    pub(super) rows: Vec<Row>,
}

/// A row, and its exact text, in which values of different types differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) exact: String,
    pub(super) cells: Vec<Value>,
}

impl Row {
    pub(super) fn new(cells: Vec<Value>) -> Self {
        let mut exact = String::new();
        for cell in &cells {
            write_exactly(&mut exact, cell);
        }
        Self { exact, cells }
    }
}

impl Snapshot {
    /// Reads the content of a database.
    pub(super) async fn take(database: &dyn Database) -> database::Result<Self> {
        let mut session = database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let snapshot = Self::read(&mut *session).await;
        session.rollback().await?;
        snapshot
    }

    /// Reads the content that an open transaction sees.
    pub(super) async fn read(session: &mut dyn Session) -> database::Result<Self> {
        let mut snapshot = match session.server().kind {
            Kind::Sqlite => sqlite::schema(session).await?,
            Kind::Postgres => postgres::schema(session).await?,
        };
        let kind = session.server().kind;
        for (name, table) in &mut snapshot.tables {
            let columns: Vec<String> = table.columns.iter().map(|column| quote(column)).collect();
            let full_name = match kind {
                Kind::Sqlite => quote(name),
                Kind::Postgres => postgres::full_name(name),
            };
            if columns.is_empty() {
                continue;
            }
            let query = format!("SELECT {} FROM {full_name}", columns.join(", "));
            let rows = session.rows(&query, &[]).await?;
            table.rows = rows.into_iter().map(Row::new).collect();
            table
                .rows
                .sort_unstable_by(|one, other| one.exact.cmp(&other.exact));
        }
        Ok(snapshot)
    }

    /// How many rows there are in all.
    pub(super) fn row_count(&self) -> usize {
        self.tables.values().map(|table| table.rows.len()).sum()
    }
}

/// A name in quotes, as both databases write it.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a table is the host's.
fn is_journal(name: &str) -> bool {
    let bare = name.rsplit('.').next().unwrap_or(name);
    bare.get(..JOURNAL_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(JOURNAL_PREFIX))
}

/// The definition of an object without what has no meaning: comments, space, quotes of names, and large letters outside
/// of texts. A database that takes a change back writes the same definition in another way.
fn normalized(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut characters = sql.chars().peekable();
    let mut is_gap = false;
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                text.push(character);
                for inner in characters.by_ref() {
                    text.push(inner);
                    if inner == '\'' {
                        break;
                    }
                }
                is_gap = false;
                continue;
            }
            '-' if characters.peek() == Some(&'-') => {
                for inner in characters.by_ref() {
                    if inner == '\n' {
                        break;
                    }
                }
                is_gap = true;
                continue;
            }
            '"' | '`' => continue,
            _ if character.is_whitespace() => {
                is_gap = true;
                continue;
            }
            _ => {}
        }
        let joins = |character: char| character.is_alphanumeric() || character == '_';
        if is_gap && joins(character) && text.chars().last().is_some_and(joins) {
            text.push(' ');
        }
        is_gap = false;
        text.extend(character.to_lowercase());
    }
    text
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
fn text(row: &[Value], position: usize) -> String {
    row.get(position)
        .and_then(Value::as_text)
        .unwrap_or_default()
        .to_owned()
}
