//! An open SQLite file: its connection, what is prepared and read on it, and whom each statement is run for.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::super::{
    Access, Authority, CursorId, Durability, Error, ErrorKind, Listener, Result, SavepointId, Stop,
};
use super::changes::Changes;
use super::errors::translate;
use super::foreign_keys::{self, ForeignKeys};
use super::guard::{Guard, Touched};
use super::same_file::{self, FileNumber};
use super::statement::{Prepared, Running, StatementCache};
use super::turn::Turn;
use super::{PROGRESS_INSTRUCTIONS, Sqlite, disk, retry_busy};

/// An open SQLite file, and the transaction on it. It stays on the thread of its session.
pub(super) struct OpenFile {
    pub(super) database: Sqlite,
    pub(super) access: Access,
    /// The file that was opened first; none when nobody else will look for what is written.
    opened: Option<FileNumber>,
    pub(super) stop: Stop,
    pub(super) guard: Guard,
    // Statements and cursors hold the connection too; they come first so that they are dropped first.
    // Kept apart by authority: a statement that was prepared for the host has passed no authorizer.
    host_statements: StatementCache,
    step_statements: StatementCache,
    pub(super) cursors: BTreeMap<CursorId, OpenCursor>,
    next_number: u32,
    pub(super) savepoints: Vec<SavepointId>,
    pub(super) connection: Rc<Connection>,
    durability: Durability,
    /// What steps touched since the transaction began.
    pub(super) touched: Touched,
    /// Whether nothing of a step has run since that was looked at.
    pub(super) is_verified: bool,
    pub(super) foreign_keys: ForeignKeys,
    pub(super) changes: Changes,
    /// Whether each statement commits by itself.
    pub(super) is_outside: bool,
    turn: Turn,
    /// Hears what the host says of a step's statements.
    pub(super) listener: Option<Arc<dyn Listener>>,
}

/// A result that is being read.
pub(super) struct OpenCursor {
    pub(super) authority: Authority,
    pub(super) statement: String,
    pub(super) running: Running,
}

fn connect(
    database: &Sqlite,
    access: Access,
    stop: &Stop,
    guard: &Guard,
    changes: &Changes,
) -> Result<Rc<Connection>> {
    let mut connection = database.connect(access, stop)?;
    connection
        .authorizer(Some(guard.authorizer()))
        .map_err(translate)?;
    let (stop_in_handler, guard_in_handler) = (stop.clone(), guard.clone());
    connection
        .progress_handler(
            PROGRESS_INSTRUCTIONS,
            Some(move || guard_in_handler.is_interruptible() && stop_in_handler.reason().is_some()),
        )
        .map_err(translate)?;
    if access == Access::Rehearsal {
        let changes = changes.clone();
        connection
            .update_hook(Some(move |_, _: &str, table: &str, _| {
                changes.add(table, 1)
            }))
            .map_err(translate)?;
    }
    if access == Access::Write && !database.is_throwaway {
        // WAL with NORMAL: a commit waits for no disk, and a checkpoint of the WAL keeps the order.
        connection
            .pragma_update(None, "synchronous", "NORMAL")
            .map_err(translate)?;
    }
    Ok(Rc::new(connection))
}

impl OpenFile {
    pub(super) fn new(database: Sqlite, access: Access, stop: &Stop) -> Result<Self> {
        let changes = Changes::default();
        let guard = Guard::new();
        let connection = connect(&database, access, stop, &guard, &changes)?;
        let is_kept = access == Access::Write && !database.is_throwaway;
        let opened = is_kept.then(|| FileNumber::of(&database.path)).flatten();
        Ok(Self {
            database,
            access,
            opened,
            stop: stop.clone(),
            guard,
            host_statements: StatementCache::default(),
            step_statements: StatementCache::default(),
            cursors: BTreeMap::new(),
            next_number: 0,
            savepoints: Vec::new(),
            connection,
            durability: Durability::Deferred,
            touched: Touched::default(),
            is_verified: false,
            foreign_keys: ForeignKeys::default(),
            changes,
            is_outside: false,
            turn: Turn::default(),
            listener: None,
        })
    }

    /// Makes sure that what is committed is found in the file of this name.
    pub(super) fn demand_same_file(&self) -> Result<()> {
        same_file::demand(&self.database.path, self.opened)
    }

    /// A fresh connection, free of the temporary objects that a step left on the old one.
    fn reconnect(&mut self) -> Result<()> {
        self.host_statements.clear();
        self.step_statements.clear();
        self.cursors.clear();
        self.connection = connect(
            &self.database,
            self.access,
            &self.stop,
            &self.guard,
            &self.changes,
        )?;
        self.durability = Durability::Deferred;
        self.foreign_keys.forget();
        Ok(())
    }

    pub(super) fn begin(&mut self, durability: Durability) -> Result<()> {
        if self.touched.temporary {
            self.reconnect()?;
        }
        self.touched = Touched::default();
        self.foreign_keys.begin();
        self.is_verified = false;
        self.is_outside = false;
        self.guard.act_for(Authority::Host);
        let waits = self.access == Access::Write && !self.database.is_throwaway;
        if waits && self.durability != durability {
            let synchronous = match durability {
                Durability::Deferred => "NORMAL",
                Durability::Flushed => "FULL",
            };
            self.connection
                .pragma_update(None, "synchronous", synchronous)
                .map_err(|error| self.explain(error))?;
            self.durability = durability;
        }
        self.demand_same_file()?;
        let wait = self.database.limits.lock_wait;
        let mut waiter = None;
        retry_busy(&self.database.path, &self.stop, wait, || {
            let begun = self
                .connection
                .prepare_cached("BEGIN IMMEDIATE")
                .and_then(|mut begin| begin.raw_execute());
            if begun.is_err() {
                waiter.get_or_insert_with(|| self.database.waiting.enter());
            }
            begun
        })
        .map_err(|error| self.explain(error))?;
        drop(waiter);
        self.turn.begins();
        let version = foreign_keys::schema_version(&self.connection);
        let version = version.map_err(|error| self.explain(error))?;
        if self.foreign_keys.schema_version() != Some(version) {
            self.foreign_keys.forget();
        }
        Ok(())
    }

    /// How long to let others write before the next transaction begins.
    pub(super) fn room(&mut self) -> Option<Duration> {
        let is_shared = self.access == Access::Write && !self.database.is_throwaway;
        let (path, waiting) = (&self.database.path, &self.database.waiting);
        is_shared.then(|| self.turn.room(path, waiting)).flatten()
    }

    /// The transaction is over.
    pub(super) fn has_ended(&mut self) {
        self.turn.ends();
    }

    /// Ends cursors and savepoints, as a commit or a rollback does.
    pub(super) fn end_open_work(&mut self) {
        self.close_cursors();
        self.savepoints.clear();
        self.guard.act_for(Authority::Host);
        self.put_back();
    }

    /// Puts back what a step has switched for its own statements.
    pub(super) fn put_back(&mut self) {
        if !self.guard.take_legacy() {
            return;
        }
        self.guard.act_for(Authority::Host);
        // A switch of the connection alone, which nothing can keep from it.
        let _ = self
            .connection
            .pragma_update(None, "legacy_alter_table", false);
    }

    pub(super) fn close_cursors(&mut self) {
        while let Some((_, cursor)) = self.cursors.pop_first() {
            self.close_cursor(cursor);
        }
    }

    pub(super) fn close_cursor(&mut self, cursor: OpenCursor) {
        let mut prepared = cursor.running.close();
        prepared.touched.add(&self.note_touched());
        self.statements(cursor.authority)
            .put(cursor.statement, prepared);
    }

    fn statements(&mut self, authority: Authority) -> &mut StatementCache {
        match authority {
            Authority::Host | Authority::Application => &mut self.host_statements,
            Authority::Step => &mut self.step_statements,
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// A step may only run inside its transaction, even when SQLite has ended that by itself.
    pub(super) fn require_transaction(&self, authority: Authority) -> Result<()> {
        if authority != Authority::Step || self.in_transaction() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TransactionLost,
            "the database rolled the transaction back by itself (a conflict clause `ROLLBACK`, or an error that it could not \
             bear); nothing more can be done in it",
        ))
    }

    /// Translates an error, with the reason of a refusal or of an interruption.
    pub(super) fn explain(&self, error: rusqlite::Error) -> Error {
        let mut error = translate(error);
        // SQLite calls a function that is refused an ordinary error.
        if let Some(reason) = self.guard.take_denied() {
            error.kind = ErrorKind::NotPermitted;
            error.message = format!("not permitted: {reason}");
        }
        match error.kind {
            ErrorKind::Limit if error.code == "SQLITE_NOMEM" => {
                let limits = &self.database.limits;
                error = Error {
                    code: error.code,
                    ..Error::limit(
                        "limits.value_bytes",
                        limits.value_bytes,
                        format_args!(
                            "SQLite asks for more than {} MiB of memory, which is what some values of full length take",
                            super::most_memory(limits) >> 20
                        ),
                    )
                };
            }
            ErrorKind::Limit => {
                error = Error {
                    code: error.code,
                    ..Error::limit(
                        "limits.value_bytes",
                        self.database.limits.value_bytes,
                        "a value or row is too long",
                    )
                };
            }
            ErrorKind::Busy if !self.in_transaction() => {
                error.message = self.database.is_locked();
            }
            _ => {}
        }
        disk::explain(&self.database.path, error)
    }

    /// Takes note of what was touched since the last call. SQLite prepares a statement anew by itself when the schema has changed, and
    /// it may then touch more than before.
    pub(super) fn note_touched(&mut self) -> Touched {
        let touched = self.guard.take_touched();
        self.touched.add(&touched);
        touched
    }

    /// Takes the statement out of the cache, or prepares it.
    pub(super) fn prepare(
        &mut self,
        authority: Authority,
        sql: &str,
    ) -> Result<(String, Prepared)> {
        self.require_transaction(authority)?;
        self.is_verified &= authority != Authority::Step;
        self.guard.act_for(authority);
        if let Some((sql, prepared)) = self.statements(authority).take(sql) {
            self.touched.add(&prepared.touched);
            return Ok((sql, prepared));
        }
        self.note_touched();
        let mut prepared =
            Prepared::new(&self.connection, sql).map_err(|error| self.explain(error))?;
        prepared.touched = self.note_touched();
        Ok((sql.to_owned(), prepared))
    }

    /// Runs `work` with the statement and counts the rows that it changed.
    pub(super) fn change(
        &mut self,
        authority: Authority,
        sql: &str,
        work: impl FnOnce(&mut Prepared) -> std::result::Result<(), Failed>,
    ) -> Result<u64> {
        let (sql, mut prepared) = self.prepare(authority, sql)?;
        let before = self.connection.total_changes();
        let seen = self.changes.total();
        let result = work(&mut prepared);
        let changed = self.connection.total_changes() - before;
        if self.access == Access::Rehearsal {
            self.changes.add_unseen(&prepared.touched, changed, seen);
        }
        let changes_rows = !prepared.read_only;
        let anew = self.note_touched();
        prepared.touched.add(&anew);
        self.statements(authority).put(sql, prepared);
        match result {
            Ok(()) if changes_rows && changed > 0 => Ok(changed),
            Ok(()) => Ok(0),
            Err(Failed::Sqlite(error)) => Err(self.explain(error)),
            Err(Failed::Refused(error)) => Err(error),
        }
    }

    pub(super) fn number(&mut self) -> u32 {
        self.next_number = self.next_number.wrapping_add(1);
        self.next_number
    }

    /// An open cursor, to read on in the name of whoever opened it.
    pub(super) fn cursor(&mut self, cursor: CursorId) -> Result<&mut Running> {
        if let Some(open) = self.cursors.get(&cursor) {
            // A statement that changes rows does so when its first row is read.
            self.require_transaction(open.authority)?;
            self.is_verified &= open.authority != Authority::Step;
        }
        let cursor = self.cursors.get_mut(&cursor).ok_or_else(|| {
            Error::invalid_argument(
                "the cursor is closed: a checkpoint, or a rollback to an earlier savepoint, ended it",
            )
        })?;
        self.guard.act_for(cursor.authority);
        Ok(&mut cursor.running)
    }

    /// Runs a statement of the host that takes no parameters and returns nothing.
    pub(super) fn control(&mut self, sql: &str) -> Result<()> {
        self.guard.act_for(Authority::Host);
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.raw_execute())
            .map(|_| ())
            .map_err(|error| self.explain(error))
    }
}

/// Why work with a statement ended early.
pub(super) enum Failed {
    Sqlite(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
