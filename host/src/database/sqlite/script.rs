//! Scripts: the statements of a step written in SQL.

use std::rc::Rc;

use rusqlite::fallible_iterator::FallibleIterator;

use super::super::{Access, Authority, Error, ScriptError};
use super::open_file::OpenFile;

/// The line, from 1, on which the statement begins that follows this offset of a script.
pub(super) fn line_behind(script: &str, offset: usize) -> usize {
    let rest = script.get(offset..).unwrap_or_default();
    let start = script.len() - rest.trim_start().len();
    1 + script
        .get(..start)
        .unwrap_or_default()
        .matches('\n')
        .count()
}

impl OpenFile {
    /// Runs the statements of a script one after the other; `progress` is told how many bytes are done.
    pub(super) fn execute_script(
        &mut self,
        script: &str,
        progress: &mut dyn FnMut(usize),
    ) -> std::result::Result<u64, ScriptError> {
        let connection = Rc::clone(&self.connection);
        let mut statements = rusqlite::Batch::new(&connection, script);
        let mut offset = 0;
        let mut changed = 0;
        loop {
            let failed = |text: &str, error| ScriptError {
                line: line_behind(script, offset),
                statement: text.trim().to_owned(),
                error,
            };
            self.require_transaction(Authority::Step)
                .map_err(|error| failed("", error))?;
            self.is_verified = false;
            self.guard.act_for(Authority::Step);
            self.guard.take_touched();
            let mut statement = match statements.next() {
                Ok(Some(statement)) => statement,
                Ok(None) => return Ok(changed),
                Err(error) => {
                    let error = self.explain(error);
                    return Err(failed(
                        first_statement(script.get(offset..).unwrap_or_default()),
                        error,
                    ));
                }
            };
            let touched = self.guard.take_touched();
            self.touched.add(&touched);
            // Without parameters, SQLite gives back exactly the text that it read, from the end of the statement before.
            let text = statement.expanded_sql().unwrap_or_default();
            if statement.parameter_count() > 0 {
                return Err(failed(
                    &text,
                    Error::invalid_argument("a statement of a script takes no parameters"),
                ));
            }
            let before = self.connection.total_changes();
            let seen = self.changes.total();
            let run = if statement.column_count() == 0 {
                statement.raw_execute().map(|_| ())
            } else {
                let mut rows = statement.raw_query();
                loop {
                    match rows.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                }
            };
            let rows = self.connection.total_changes() - before;
            changed += rows;
            if self.access == Access::Rehearsal {
                self.changes.add_unseen(&touched, rows, seen);
            }
            run.map_err(|error| failed(&text, self.explain(error)))?;
            offset += text.len();
            progress(offset);
        }
    }
}

/// The text up to the first semicolon, to show where a statement stands that SQLite could not read.
fn first_statement(script: &str) -> &str {
    script.split_inclusive(';').next().unwrap_or(script)
}
