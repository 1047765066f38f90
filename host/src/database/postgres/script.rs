//! Scripts: the statements of a step written in SQL, sent together.

use super::super::{Authority, Error, ScriptError};
use super::pipeline::{Answer, Asked, Request};
use super::session::PostgresSession;
use super::{guard, lexer};

/// How many statements are sent before their answers are read.
const STATEMENTS_AT_ONCE: usize = 100;

impl PostgresSession {
    /// Runs the statements of a script one after the other; `progress` is told how many bytes are done.
    pub(super) fn run_script(
        &mut self,
        script: &str,
        progress: &mut dyn FnMut(usize),
    ) -> Result<u64, ScriptError> {
        let statements = lexer::statements(script);
        let failed = |position: usize, error: Error| {
            let at = statements.get(position).cloned().unwrap_or_default();
            ScriptError {
                line: 1 + script
                    .get(..at.start)
                    .unwrap_or_default()
                    .matches('\n')
                    .count(),
                statement: script.get(at).unwrap_or_default().to_owned(),
                error,
            }
        };
        let is_autocommit = self.is_autocommit();
        let at_once = if is_autocommit { 1 } else { STATEMENTS_AT_ONCE };
        let mut changed = 0;
        let mut first = 0;
        for portion in statements.chunks(at_once) {
            self.enter(Authority::Step)
                .map_err(|error| failed(first, error))?;
            for (position, at) in (first..).zip(portion) {
                let statement = script.get(at.clone()).unwrap_or_default();
                guard::check(statement)
                    .and_then(|()| {
                        self.ask(
                            Asked::Awaited,
                            &Request::once(statement),
                            std::iter::empty(),
                        )
                    })
                    .map_err(|error| failed(position, error))?;
            }
            let settled = self.settle_counting(Authority::Step, &mut |done, answer| {
                if let Answer::Done(rows) = answer {
                    changed += rows;
                    progress(portion.get(done).map_or(0, |at| at.end));
                }
                Ok(())
            });
            settled.map_err(|(error, done)| failed(first + done.unwrap_or(0), error))?;
            first += portion.len();
        }
        progress(script.len());
        Ok(changed)
    }
}
