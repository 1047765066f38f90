//! Scripts: the statements of steps written in SQL, sent together.

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::{Authority, Error, Script, ScriptError};
use super::lexer::Rules;
use super::pipeline::{Answer, Asked, Pipeline, Request};
use super::state::PostgresSession;
use super::statements::{self, Piece};
use super::{around, guard, judge};
use crate::output::Level;

/// How many statements are sent before their answers are read.
const STATEMENTS_AT_ONCE: usize = 1_000;

/// How many bytes of statements are.
const BYTES_AT_ONCE: usize = 128 << 10;

/// Statements that were sent, and what their answers tell.
struct Sent<'s> {
    scripts: &'s [Script<'s>],
    waiting: Vec<Waiting>,
    bytes: usize,
    changed: u64,
}

/// A statement that was sent and whose answer was not read.
struct Waiting {
    /// The script that it is of.
    place: usize,
    at: Range<usize>,
    /// The place of the first script that is not over with it: scripts without a statement end with what is before them.
    over: usize,
}

impl PostgresSession {
    /// Runs the statements of a script one after the other; `progress` is told how many bytes are done.
    pub(super) fn run_script(
        &mut self,
        script: &str,
        progress: &mut dyn FnMut(usize),
    ) -> Result<u64, ScriptError> {
        let scripts = [Script {
            text: script,
            is_fresh: false,
        }];
        let changed = self
            .run_scripts(&scripts, &mut |_, done| progress(done))
            .map_err(|(_, error)| error)?;
        progress(script.len());
        Ok(changed)
    }

    /// Runs the statements of several scripts one after the other; `progress` is told of which script how many bytes are
    /// done. The server works on what it has while the rest is written.
    pub(super) fn run_scripts(
        &mut self,
        scripts: &[Script<'_>],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<u64, (usize, ScriptError)> {
        // Each is committed by itself then, and must not be sent before the one before it is known to be.
        let is_one_by_one = self.is_autocommit();
        let mut sent = Sent {
            scripts,
            waiting: Vec::new(),
            bytes: 0,
            changed: 0,
        };
        let mut rules = self.rules();
        for (place, script) in scripts.iter().enumerate() {
            let entered = match script.is_fresh {
                true => self.enter_fresh(None),
                false => self.enter(Authority::Step),
            };
            if let Err(error) = entered {
                return Err((place, ScriptError::of_none(error)));
            }
            if script.is_fresh {
                rules = self.usual_rules();
            }
            let pieces = match statements::split(script.text, rules) {
                Ok(pieces) => pieces,
                Err(mistake) => {
                    self.settle_scripts(&mut sent, progress)?;
                    return Err((place, mistake.of(script.text)));
                }
            };
            rules = pieces.last().map_or(rules, |last| last.rules_behind);
            let pieces = match is_one_by_one {
                true => pieces,
                false => self.without_transaction(script.text, pieces),
            };
            if is_one_by_one {
                self.refuse_beforehand(script.text, &pieces)
                    .map_err(|error| (place, error))?;
            }
            if pieces.is_empty() {
                match sent.waiting.last_mut() {
                    Some(before) => before.over = place + 1,
                    None => progress(place, script.text.len()),
                }
            }
            let last = pieces.len().saturating_sub(1);
            for (position, piece) in pieces.into_iter().enumerate() {
                if piece.rows.is_some() {
                    self.settle_scripts(&mut sent, progress)?;
                }
                let asked = self.ask_of_step(script.text, &piece);
                let at = piece.at;
                let rows = match asked {
                    Ok(rows) => rows,
                    Err(error) => {
                        // What comes before it may have failed before.
                        self.settle_scripts(&mut sent, progress)?;
                        let (place, failed) = sent.failed(place, at, error);
                        let failed = match piece.rows {
                            Some(rows) => failed.in_rows(script.text, rows),
                            None => failed,
                        };
                        return Err((place, failed));
                    }
                };
                if let Some(rows) = rows {
                    sent.changed += rows;
                    let end = piece.rows.map_or(at.end, |rows| rows.end);
                    progress(
                        place,
                        if position == last {
                            script.text.len()
                        } else {
                            end
                        },
                    );
                    continue;
                }
                sent.bytes += piece.sent.len();
                sent.waiting.push(Waiting {
                    place,
                    at,
                    over: place + usize::from(position == last),
                });
                if position == last && place + 1 < scripts.len() {
                    // How long a step took is known from when its last answer comes.
                    if let Some(connection) = &mut self.connection {
                        Pipeline::flush(connection);
                    }
                }
                if is_one_by_one
                    || sent.waiting.len() >= STATEMENTS_AT_ONCE
                    || sent.bytes >= BYTES_AT_ONCE
                {
                    self.settle_scripts(&mut sent, progress)?;
                    self.enter(Authority::Step)
                        .map_err(|error| (place, ScriptError::of_none(error)))?;
                }
            }
            self.send_ahead();
        }
        // The look before the commit goes by it; after a savepoint more comes before that.
        if !is_one_by_one && !sent.waiting.is_empty() && self.savepoints.is_empty() {
            let asked = self.ask_what_was_removed();
            asked
                .map_err(|error| (scripts.len().saturating_sub(1), ScriptError::of_none(error)))?;
        }
        self.settle_scripts(&mut sent, progress)?;
        Ok(sent.changed)
    }

    /// Leaves out a BEGIN and a COMMIT around a whole script, or around large objects in it: that is what the host does.
    fn without_transaction(&self, script: &str, pieces: Vec<Piece>) -> Vec<Piece> {
        let around = around::transaction(script, &pieces);
        let inner = around::around_large_objects(script, &pieces);
        let said = [
            around.map(|_| around::PASSED_OVER),
            Some(around::LARGE_OBJECTS).filter(|_| !inner.is_empty()),
        ];
        if let Some(listener) = &self.pipeline.listener {
            for said in said.into_iter().flatten() {
                listener.hear(Level::Info, said);
            }
        }
        let left_out: BTreeSet<usize> = around.into_iter().flatten().chain(inner).collect();
        let pieces = pieces.into_iter().enumerate();
        pieces
            .filter(|(place, _)| !left_out.contains(place))
            .map(|(_, piece)| piece)
            .collect()
    }

    /// How the server will read strings where nothing has been set since the transaction began.
    fn usual_rules(&self) -> Rules {
        self.connection
            .as_ref()
            .map_or_else(Rules::default, |connection| connection.rules)
    }

    /// How the server will read the strings of what is sent next.
    pub(super) fn rules(&self) -> Rules {
        match &self.connection {
            Some(connection) if self.pipeline.is_empty() => connection.current_rules(),
            // What waits to be answered has put the settings back.
            _ => self.usual_rules(),
        }
    }

    /// Judges all statements before the first one is sent, where none of them can be rolled back.
    fn refuse_beforehand(&self, script: &str, pieces: &[Piece]) -> Result<(), ScriptError> {
        if let Some([first, _]) = around::transaction(script, pieces)
            && let Some(begin) = pieces.get(first)
        {
            return Err(judge::asks_for_both(script, begin));
        }
        pieces.iter().try_for_each(|piece| {
            let judged = guard::check_piece(script, piece, self.host());
            judged.map_err(|error| ScriptError::at(script, piece.at.clone(), error))
        })
    }

    /// Sends a statement of a script. Rows after it are sent and answered, too; the answer says how many.
    fn ask_of_step(&mut self, script: &str, piece: &Piece) -> Result<Option<u64>, Error> {
        // The others were judged before the first of them was sent.
        if !self.is_autocommit() {
            guard::check_piece(script, piece, self.host())?;
        }
        let statement = script.get(piece.sent.clone()).unwrap_or_default();
        self.set_lock_timeout_for(statement)?;
        match &piece.rows {
            Some(rows) => {
                self.enter(Authority::Step)?;
                let rows = script.get(rows.clone()).unwrap_or_default();
                self.copy_rows(statement, rows).map(Some)
            }
            None => {
                let request = Request::once(statement);
                self.ask(Asked::Awaited, &request, std::iter::empty())?;
                self.keep_search_path(statement)?;
                Ok(None)
            }
        }
    }

    /// Sends what the server takes without waiting.
    fn send_ahead(&mut self) {
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.is_sent = true;
        }
        if let Some(connection) = self.connection.as_mut() {
            // A connection that is gone shows when its answers are read.
            let _ = connection.wire.push();
        }
    }

    /// Reads the answers of all that was sent.
    fn settle_scripts(
        &mut self,
        sent: &mut Sent<'_>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), (usize, ScriptError)> {
        let waiting = std::mem::take(&mut sent.waiting);
        sent.bytes = 0;
        if waiting.is_empty() {
            return Ok(());
        }
        let mut answered = 0;
        let settled = self.settle_counting(Authority::Step, &mut |done, answer| {
            if let (Answer::Done(rows), Some(done)) = (answer, waiting.get(done)) {
                answered += 1;
                sent.changed += rows;
                progress(done.place, done.at.end);
                for place in done.place..done.over {
                    progress(place, sent.length(place));
                }
            }
            Ok(())
        });
        settled.map_err(|(error, done)| {
            match waiting.get(done.unwrap_or(answered)).or(waiting.last()) {
                // Which of several statements the server was at is not known.
                Some(failed) if done.is_none() && answered + 1 < waiting.len() => {
                    (failed.place, ScriptError::of_none(error))
                }
                Some(failed) => sent.failed(failed.place, failed.at.clone(), error),
                None => (0, ScriptError::of_none(error)),
            }
        })
    }
}

impl Sent<'_> {
    fn length(&self, place: usize) -> usize {
        self.scripts
            .get(place)
            .map_or(0, |script| script.text.len())
    }

    fn failed(&self, place: usize, at: Range<usize>, error: Error) -> (usize, ScriptError) {
        let text = self.scripts.get(place).map_or("", |script| script.text);
        (place, ScriptError::at(text, at, error))
    }
}
