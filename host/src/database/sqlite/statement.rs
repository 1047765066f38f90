//! Prepared statements and open results that own their connection.
//!
//! rusqlite ties a statement to a borrowed connection and its rows to a borrowed statement; a cursor that a component
//! holds across calls needs all three in one value.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Rows, Statement, ffi};
use self_cell::{MutBorrow, self_cell};

use super::super::{Batch, Cell, Column, ColumnBuilder, ColumnForm};
use super::errors::misuse;
use super::guard::Touched;
use super::parameters::Parameters;

self_cell!(
    /// A statement together with its connection.
    struct OwnedStatement {
        owner: Rc<Connection>,

        #[not_covariant]
        dependent: Statement,
    }
);

self_cell!(
    /// The rows of a statement together with it.
    struct OwnedRows {
        owner: MutBorrow<OwnedStatement>,

        #[not_covariant]
        dependent: Rows,
    }
);

/// A statement, ready to run, and what it touches.
pub(super) struct Prepared {
    statement: OwnedStatement,
    pub(super) touched: Touched,
    pub(super) columns: Arc<[Column]>,
    pub(super) parameters: Parameters,
    pub(super) read_only: bool,
    /// The most bytes that a row may have.
    most_row: usize,
}

/// The open result of a statement.
pub(super) struct Running {
    rows: OwnedRows,
    touched: Touched,
    pub(super) columns: Arc<[Column]>,
    /// The form of each column, once a cell or its declaration has told it. It stays the same in all batches.
    forms: Vec<Option<ColumnForm>>,
    parameters: Parameters,
    read_only: bool,
    most_row: usize,
}

impl Prepared {
    /// Prepares one statement. What it touches is for the caller to fill in.
    pub(super) fn new(connection: &Rc<Connection>, sql: &str) -> rusqlite::Result<Self> {
        let statement =
            OwnedStatement::try_new(Rc::clone(connection), |connection| only(connection, sql))?;
        let (columns, parameters, read_only) = statement.with_dependent(|_, statement| {
            let columns: Arc<[Column]> = statement
                .columns()
                .map(|column| Column {
                    name: column.name().to_owned(),
                    type_name: column.decl_type().unwrap_or_default().to_owned(),
                })
                .collect();
            (columns, Parameters::of(statement), statement.readonly())
        });
        Ok(Self {
            statement,
            touched: Touched::default(),
            columns,
            parameters: parameters?,
            read_only,
            most_row: usize::try_from(connection.limit(Limit::SQLITE_LIMIT_LENGTH)?)
                .unwrap_or(usize::MAX),
        })
    }

    /// Binds parameters, by position from 1.
    pub(super) fn bind<'a>(
        &mut self,
        cells: impl Iterator<Item = Cell<'a>>,
    ) -> rusqlite::Result<()> {
        let parameters = &self.parameters;
        self.statement
            .with_dependent_mut(|_, statement| parameters.bind(statement, cells))
    }

    /// Runs it to its end; rows that it returns are passed over.
    pub(super) fn run(&mut self) -> rusqlite::Result<()> {
        let returns_rows = !self.columns.is_empty();
        self.statement.with_dependent_mut(|_, statement| {
            if returns_rows {
                let mut rows = statement.raw_query();
                while rows.next()?.is_some() {}
            } else {
                statement.raw_execute()?;
            }
            Ok(())
        })
    }

    /// Opens its result.
    pub(super) fn open<'a>(
        self,
        cells: impl Iterator<Item = Cell<'a>>,
    ) -> rusqlite::Result<Running> {
        let parameters = self.parameters;
        let rows = OwnedRows::try_new(MutBorrow::new(self.statement), |owner| {
            owner.borrow_mut().with_dependent_mut(|_, statement| {
                parameters.bind(statement, cells)?;
                Ok::<_, rusqlite::Error>(statement.raw_query())
            })
        })?;
        Ok(Running {
            rows,
            touched: self.touched,
            forms: self.columns.iter().map(declared_form).collect(),
            columns: self.columns,
            parameters,
            read_only: self.read_only,
            most_row: self.most_row,
        })
    }
}

impl Running {
    /// The next rows: at most `max_rows`, and no more once `max_bytes` are reached.
    pub(super) fn fetch(&mut self, max_rows: usize, max_bytes: usize) -> rusqlite::Result<Batch> {
        let (forms, most_row) = (&self.forms, self.most_row);
        let batch = self
            .rows
            .with_dependent_mut(|_, rows| fetch(rows, forms, max_rows, max_bytes, most_row))?;
        for (form, column) in self.forms.iter_mut().zip(&batch.columns) {
            if form.is_none() && column.has_value() {
                *form = Some(column.form());
            }
        }
        Ok(batch)
    }

    /// Closes the result and gives the statement back.
    pub(super) fn close(self) -> Prepared {
        Prepared {
            statement: self.rows.into_owner().into_inner(),
            touched: self.touched,
            columns: self.columns,
            parameters: self.parameters,
            read_only: self.read_only,
            most_row: self.most_row,
        }
    }
}

/// The form that a column's declaration promises: <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>.
/// None where the declaration leaves it to each cell: it is then the form of the first cell that is not null.
fn declared_form(column: &Column) -> Option<ColumnForm> {
    let declared = column.type_name.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
    if has(&["INT"]) {
        Some(ColumnForm::Integers)
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Some(ColumnForm::Texts)
    } else if has(&["BLOB"]) {
        Some(ColumnForm::Bytes)
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Some(ColumnForm::Floats)
    } else {
        None
    }
}

/// The one statement of a text. rusqlite's own `prepare` calls itself for each further statement, until the stack is gone.
fn only<'c>(connection: &'c Connection, sql: &str) -> rusqlite::Result<Statement<'c>> {
    if sql.contains('\0') {
        return Err(misuse(
            "the statement holds a NUL byte, at which SQLite would stop reading it",
        ));
    }
    let mut statements = rusqlite::Batch::new(connection, sql);
    let Some(statement) = statements.next()? else {
        return Err(misuse("the text holds no statement"));
    };
    match statements.next()? {
        None => Ok(statement),
        Some(_) => Err(rusqlite::Error::MultipleStatement),
    }
}

fn fetch(
    rows: &mut rusqlite::Rows<'_>,
    forms: &[Option<ColumnForm>],
    max_rows: usize,
    max_bytes: usize,
    most_row: usize,
) -> rusqlite::Result<Batch> {
    let mut builders: Vec<ColumnBuilder> =
        forms.iter().map(|form| ColumnBuilder::of(*form)).collect();
    let mut row_count = 0;
    let mut bytes = 0;
    while row_count < max_rows && bytes < max_bytes {
        let Some(row) = rows.next()? else {
            break;
        };
        // Counted before anything of it is copied: each of many values may be as long as a value may be.
        let mut of_row = 0;
        for position in 0..forms.len() {
            of_row += match row.get_ref(position)? {
                ValueRef::Text(text) => text.len() + size_of::<u32>(),
                ValueRef::Blob(blob) => blob.len() + size_of::<u32>(),
                _ => size_of::<i64>(),
            };
        }
        if of_row > most_row {
            return Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_TOOBIG),
                None,
            ));
        }
        bytes += of_row;
        for (position, builder) in builders.iter_mut().enumerate() {
            match row.get_ref(position)? {
                ValueRef::Null => builder.push(Cell::Null),
                ValueRef::Integer(value) => builder.push(Cell::Integer(value)),
                ValueRef::Real(value) => builder.push(Cell::Float(value)),
                // SQLite stores any bytes as text; what is not UTF-8 stays what it is, bytes.
                ValueRef::Text(text) => match std::str::from_utf8(text) {
                    Ok(text) => builder.push(Cell::Text(text)),
                    Err(_) => builder.push(Cell::Bytes(text)),
                },
                ValueRef::Blob(blob) => builder.push(Cell::Bytes(blob)),
            }
        }
        row_count += 1;
    }
    Ok(Batch {
        row_count,
        columns: builders.into_iter().map(ColumnBuilder::finish).collect(),
    })
}

/// How many prepared statements a session keeps. A step rarely has more in its loop; a thousand one-statement steps must
/// not pile up.
const CAPACITY: usize = 32;

/// Prepared statements that are not running, by their text.
#[derive(Default)]
pub(super) struct StatementCache {
    statements: HashMap<String, (u64, Prepared)>,
    uses: u64,
}

impl StatementCache {
    /// Takes a statement out.
    pub(super) fn take(&mut self, sql: &str) -> Option<(String, Prepared)> {
        self.statements
            .remove_entry(sql)
            .map(|(sql, (_, prepared))| (sql, prepared))
    }

    /// Puts a statement back, at the cost of the one not used for longest.
    pub(super) fn put(&mut self, sql: String, prepared: Prepared) {
        self.uses += 1;
        if self.statements.len() >= CAPACITY
            && let Some(oldest) = self
                .statements
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(sql, _)| sql.clone())
        {
            self.statements.remove(&oldest);
        }
        self.statements.insert(sql, (self.uses, prepared));
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.statements.clear();
    }
}
