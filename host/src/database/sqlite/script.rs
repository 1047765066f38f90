//! Scripts: the statements of a step written in SQL.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::limits::Limit;

use super::super::{Access, Authority, Error, ScriptError};
use super::open_file::OpenFile;
use super::reading::{self, Piece};
use super::{effect, enforcement, pragma, retry_busy};
use crate::output::{Level, counted};

/// What SQLite says of a statement that does not end where it was taken to.
const INCOMPLETE: &str = "incomplete input";

/// Why a piece of a script did not run.
enum Trouble {
    /// It is only the beginning of a statement.
    Incomplete(Error),
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl OpenFile {
    /// Runs the statements of a script one after the other; `progress` is told how many bytes are done.
    pub(super) fn execute_script(
        &mut self,
        script: &str,
        progress: &mut dyn FnMut(usize),
    ) -> Result<u64, ScriptError> {
        let pieces = reading::split(script)?;
        if !self.is_outside && enforcement::may_orphan(&pieces) {
            self.foreign_keys.tolerate();
        }
        let pieces = self.without_what_is(pieces);
        let result = match self.is_outside {
            true => self.run_outside(script, &pieces, progress),
            false => self.run_pieces(script, &pieces, progress),
        };
        if pieces
            .iter()
            .any(|piece| enforcement::switch(&piece.words()).is_some())
        {
            self.put_enforcement_back();
        }
        self.put_back();
        result
    }

    fn run_pieces(
        &mut self,
        script: &str,
        pieces: &[Piece],
        progress: &mut dyn FnMut(usize),
    ) -> Result<u64, ScriptError> {
        let mut changed = 0;
        let mut rest = pieces.iter();
        while let Some(piece) = rest.next() {
            // What is left of these is to be done.
            if let Some(switch) = enforcement::switch(&piece.words()) {
                self.switch(switch)
                    .map_err(|error| ScriptError::at(script, piece.at.clone(), error))?;
                progress(piece.text.end);
                continue;
            }
            let mut text = piece.text.clone();
            loop {
                let ran = self.run_piece(script.get(text.clone()).unwrap_or_default());
                match (ran, rest.as_slice().first()) {
                    (Ok(rows), _) => {
                        changed += rows;
                        break;
                    }
                    (Err(Trouble::Incomplete(_)), Some(next)) => {
                        text.end = next.text.end;
                        rest.next();
                    }
                    (Err(Trouble::Incomplete(error) | Trouble::Failed(error)), _) => {
                        return Err(ScriptError::at(script, piece.at.clone(), error));
                    }
                }
            }
            progress(text.end);
        }
        Ok(changed)
    }

    /// Runs all statements that SQLite finds in a text, which is one, and returns how many rows it changed.
    fn run_piece(&mut self, text: &str) -> Result<u64, Trouble> {
        let connection = Rc::clone(&self.connection);
        let mut statements = rusqlite::Batch::new(&connection, text);
        let mut changed = 0;
        loop {
            self.require_transaction(Authority::Step)?;
            self.is_verified = false;
            self.guard.act_for(Authority::Step);
            self.note_touched();
            let mut statement = match statements.next() {
                Ok(Some(statement)) => statement,
                Ok(None) => return Ok(changed),
                Err(error) => {
                    let is_incomplete = error.to_string().starts_with(INCOMPLETE);
                    let error = self.explain(error);
                    return Err(match is_incomplete {
                        true => Trouble::Incomplete(error),
                        false => Trouble::Failed(error),
                    });
                }
            };
            let touched = self.note_touched();
            if statement.parameter_count() > 0 {
                let why = "a statement of a script takes no parameters";
                return Err(Error::invalid_argument(why).into());
            }
            let before = self.connection.total_changes();
            let seen = self.changes.total();
            let run = if statement.column_count() == 0 {
                statement.raw_execute().map(|_| ())
            } else {
                run_to_the_end(&mut statement)
            };
            let rows = self.connection.total_changes() - before;
            changed += rows;
            if self.access == Access::Rehearsal {
                self.changes.add_unseen(&touched, rows, seen);
            }
            run.map_err(|error| self.explain(error))?;
        }
    }

    /// Runs statements that refuse a transaction. SQLite runs statements of its own for them, in the name of the host.
    fn run_outside(
        &mut self,
        script: &str,
        pieces: &[Piece],
        progress: &mut dyn FnMut(usize),
    ) -> Result<u64, ScriptError> {
        let failed = |at: &Range<usize>, error| ScriptError::at(script, at.clone(), error);
        for piece in pieces {
            pragma::admit_outside(&piece.words()).map_err(|error| failed(&piece.at, error))?;
        }
        for piece in pieces {
            effect::demand_before(piece, &self.connection)
                .map_err(|error| failed(&piece.at, error))?;
            self.guard.act_for(Authority::Host);
            self.guard.allow_interruption();
            let text = script.get(piece.at.clone()).unwrap_or_default();
            // VACUUM attaches the file that it writes.
            let limited = self.limit_attached(1).and_then(|()| {
                retry_busy(
                    &self.database.path,
                    &self.stop,
                    self.database.limits.lock_wait,
                    || run_to_the_end(&mut self.connection.prepare(text)?),
                )
            });
            let run = limited.and(self.limit_attached(0));
            run.map_err(|error| failed(&piece.at, self.explain(error)))?;
            effect::demand_mode(piece, &self.connection)
                .map_err(|error| failed(&piece.at, error))?;
            progress(piece.text.end);
        }
        if let Some(last) = pieces.last() {
            self.enter_wal_mode()
                .and_then(|()| effect::demand_after(pieces, &self.connection))
                .map_err(|error| failed(&last.at, error))?;
        }
        Ok(0)
    }

    /// Puts the file back into the mode in which the host works, where a step has switched it.
    fn enter_wal_mode(&self) -> Result<(), Error> {
        let (stop, limits) = (&self.stop, &self.database.limits);
        super::enter_wal_mode(&self.database.path, &self.connection, stop, limits)
            .map_err(|error| self.explain(error))
    }

    fn limit_attached(&self, most: i32) -> rusqlite::Result<()> {
        self.connection
            .set_limit(Limit::SQLITE_LIMIT_ATTACHED, most)
            .map(|_| ())
    }

    /// Leaves out what asks for what the host does anyway, and says so.
    fn without_what_is(&self, pieces: Vec<Piece>) -> Vec<Piece> {
        let around = match self.is_outside {
            true => None,
            false => pragma::transaction(&pieces),
        };
        let switches = match self.is_outside {
            true => Vec::new(),
            false => {
                let is_enforced = self.database.enforces_foreign_keys;
                enforcement::switches(&pieces, around, is_enforced)
            }
        };
        let mut passed_over = BTreeSet::new();
        let mut left = Vec::with_capacity(pieces.len());
        for (place, piece) in pieces.into_iter().enumerate() {
            if around.is_some_and(|around| around.contains(&place)) {
                continue;
            }
            if switches.binary_search(&place).is_ok() {
                left.push(piece);
                continue;
            }
            match pragma::asks_for_what_is(&piece.words()) {
                // After another mode it does something.
                Some("journal_mode") if self.is_outside && !left.is_empty() => left.push(piece),
                Some(name) => {
                    passed_over.insert(format!("PRAGMA {name}"));
                }
                None => left.push(piece),
            }
        }
        // One that asks for something else, too, is not passed over but refused.
        let asks = |piece: &Piece, name: &str| match piece.words().as_slice() {
            ["pragma", rest @ ..] => rest
                .iter()
                .take(3)
                .any(|word| format!("PRAGMA {word}") == name),
            _ => false,
        };
        passed_over.retain(|name| !left.iter().any(|piece| asks(piece, name)));
        if let Some(listener) = &self.listener {
            if around.is_some() {
                let said = "BEGIN and COMMIT around the file are passed over: the host begins and ends the transaction";
                listener.hear(Level::Info, said);
            }
            if !passed_over.is_empty() {
                let names: Vec<String> = passed_over.into_iter().collect();
                let said = format!(
                    "passed over, because the host sees to it: {}",
                    names.join(", ")
                );
                listener.hear(Level::Info, &said);
            }
        }
        left
    }
}

impl OpenFile {
    /// Says how many rows a script has left without their parents.
    pub(super) fn tell_orphans(&self, count: usize) {
        if let Some(listener) = self.listener.as_ref().filter(|_| count > 0) {
            let said = format!(
                "{} left without the parent that a foreign key demands, as in the database of which the file is a \
                 dump: `PRAGMA foreign_key_check` lists them",
                counted(count, "row is", "rows are")
            );
            listener.hear(Level::Warning, &said);
        }
    }
}

fn run_to_the_end(statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<()> {
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}
