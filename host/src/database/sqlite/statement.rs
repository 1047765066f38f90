//! Prepared statements and open results that own their connection.
//!
//! rusqlite ties a statement to a borrowed connection and its rows to a borrowed statement; a cursor that a component
//! holds across calls needs all three in one value.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rusqlite::{Connection, Rows, Statement};
use self_cell::{MutBorrow, self_cell};

use super::super::{Cell, Column};
use super::guard::Touched;

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
    pub(super) parameter_count: usize,
    pub(super) read_only: bool,
}

/// The open result of a statement.
pub(super) struct Running {
    rows: OwnedRows,
    touched: Touched,
    pub(super) columns: Arc<[Column]>,
    parameter_count: usize,
    read_only: bool,
}

impl Prepared {
    /// Prepares one statement. What it touches is for the caller to fill in.
    pub(super) fn new(connection: &Rc<Connection>, sql: &str) -> rusqlite::Result<Self> {
        let statement =
            OwnedStatement::try_new(Rc::clone(connection), |connection| connection.prepare(sql))?;
        let (columns, parameter_count, read_only) = statement.with_dependent(|_, statement| {
            let columns: Arc<[Column]> = statement
                .columns()
                .map(|column| Column {
                    name: column.name().to_owned(),
                    type_name: column.decl_type().unwrap_or_default().to_owned(),
                })
                .collect();
            (columns, statement.parameter_count(), statement.readonly())
        });
        Ok(Self {
            statement,
            touched: Touched::default(),
            columns,
            parameter_count,
            read_only,
        })
    }

    /// Binds parameters, by position from 1.
    pub(super) fn bind<'a>(
        &mut self,
        cells: impl Iterator<Item = Cell<'a>>,
    ) -> rusqlite::Result<()> {
        self.statement
            .with_dependent_mut(|_, statement| bind(statement, cells))
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
        let rows = OwnedRows::try_new(MutBorrow::new(self.statement), |owner| {
            owner.borrow_mut().with_dependent_mut(|_, statement| {
                bind(statement, cells)?;
                Ok::<_, rusqlite::Error>(statement.raw_query())
            })
        })?;
        Ok(Running {
            rows,
            touched: self.touched,
            columns: self.columns,
            parameter_count: self.parameter_count,
            read_only: self.read_only,
        })
    }
}

impl Running {
    /// Works on the rows.
    pub(super) fn with_rows<R>(&mut self, work: impl FnOnce(&mut Rows<'_>) -> R) -> R {
        self.rows.with_dependent_mut(|_, rows| work(rows))
    }

    /// Closes the result and gives the statement back.
    pub(super) fn close(self) -> Prepared {
        Prepared {
            statement: self.rows.into_owner().into_inner(),
            touched: self.touched,
            columns: self.columns,
            parameter_count: self.parameter_count,
            read_only: self.read_only,
        }
    }
}

fn bind<'a>(
    statement: &mut Statement<'_>,
    cells: impl Iterator<Item = Cell<'a>>,
) -> rusqlite::Result<()> {
    for (position, cell) in (1..).zip(cells) {
        match cell {
            Cell::Null => statement.raw_bind_parameter(position, rusqlite::types::Null),
            Cell::Boolean(value) => statement.raw_bind_parameter(position, value),
            Cell::Integer(value) => statement.raw_bind_parameter(position, value),
            Cell::Float(value) => statement.raw_bind_parameter(position, value),
            Cell::Text(text) => statement.raw_bind_parameter(position, text),
            Cell::Bytes(bytes) => statement.raw_bind_parameter(position, bytes),
        }?;
    }
    Ok(())
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
