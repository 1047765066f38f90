//! Statements on their way: several are sent together, and their answers come back in the same order.
//!
//! After an error the server passes over everything up to the next `Sync`, a commit among it: a statement that fails on
//! purpose is how the host keeps a transaction from being committed without waiting for an answer first.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};
use postgres_protocol::message::frontend::{self, BindError};

use super::super::{Cell, Error, ErrorKind, Listener, Result};
use super::begun::{Begun, Removed, begun, cells};
use super::connection::Connection;
use super::patience::Patience;
use super::tampered::tampered;
use super::verify::{OWN_NAMES, TAMPERED};
use super::{errors, prepared, results, text};

/// SQLSTATE of a division by zero, by which a statement fails that found nothing.
const DIVISION_BY_ZERO: &str = "22012";

/// SQLSTATE of a statement that writes in a transaction that may not.
const READ_ONLY: &str = "25006";

/// SQLSTATE of a table that cannot be altered now, because triggers on it are still to run.
const PENDING_TRIGGERS: &str = "55006";

/// How many rows the answer to a question outside of a session may have.
const MOST_ROWS_OF_A_QUESTION: usize = 1_000;

/// How many bytes all of them.
const MOST_BYTES_OF_A_QUESTION: usize = 16 << 20;

/// What a statement was sent for.
pub(super) enum Asked {
    /// The first of a transaction; tells its [`Begun`].
    Begin,
    /// Nobody looks at its result.
    Quiet,
    /// It fails with a division by zero when it does not find what it must; the error is then this one.
    Required(Box<Error>),
    /// It tells what was [`Removed`].
    Removed,
    /// It fails with [`TAMPERED`] when a step went too far.
    Verify,
    /// The last of a transaction.
    Commit,
    /// It comes after that, and its failure takes nothing back: the connection is given up.
    AfterCommit,
    /// Somebody waits for its answers.
    Awaited,
}

/// What the server says about a statement that somebody waits for.
pub(super) enum Answer {
    /// How many parameters it has.
    Parameters(usize),
    /// The columns of its result.
    Columns(RowDescriptionBody),
    /// A row of its result.
    Row(DataRowBody),
    /// It is done, and changed so many rows.
    Done(u64),
    /// It has more rows.
    Suspended,
}

/// Why a pipeline broke off.
pub(super) struct Trouble {
    pub(super) error: Error,
    /// How many of the awaited statements were done before; none when another statement failed.
    pub(super) awaited: Option<usize>,
    /// Whether the connection is gone.
    pub(super) is_lost: bool,
}

/// A statement to be sent, with the names it goes by on the server.
pub(super) struct Request<'r> {
    /// The statement's text; none when it was prepared before.
    pub(super) parse: Option<&'r str>,
    pub(super) statement: &'r str,
    pub(super) portal: &'r str,
    pub(super) describe: bool,
    /// How many rows to return at most; 0 for all.
    pub(super) most_rows: i32,
}

impl<'r> Request<'r> {
    /// One statement, run once to its end.
    pub(super) fn once(text: &'r str) -> Self {
        Self {
            parse: Some(text),
            statement: "",
            portal: "",
            describe: false,
            most_rows: 0,
        }
    }
}

/// What was asked and not answered yet.
#[derive(Default)]
pub(super) struct Pipeline {
    asked: VecDeque<Asked>,
    awaited: usize,
    pub(super) begun: Option<Begun>,
    /// What the transaction had removed after its last statement.
    pub(super) removed: Option<Removed>,
    pub(super) listener: Option<Arc<dyn Listener>>,
}

impl Pipeline {
    /// Whether nothing waits to be sent or answered.
    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether a transaction is to be committed.
    pub(super) fn has_commit(&self) -> bool {
        let is_commit = |asked: &Asked| matches!(asked, Asked::Commit);
        self.asked.iter().rev().take(2).any(is_commit)
    }

    /// Whether that is of a transaction in which steps have run.
    pub(super) fn has_commit_of_step(&self) -> bool {
        matches!(self.asked.back(), Some(Asked::AfterCommit))
    }

    /// Writes a statement behind those that wait. What cannot be written is not sent.
    pub(super) fn ask<'c>(
        &mut self,
        connection: &mut Connection,
        asked: Asked,
        request: &Request<'_>,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Result<()> {
        let buffer = &mut connection.wire.outgoing;
        let before = buffer.len();
        let written = (|| -> std::result::Result<(), BindError> {
            if let Some(text) = request.parse {
                if !request.statement.is_empty() {
                    // A step may have prepared something under this name, which outlives its transaction.
                    frontend::close(b'S', request.statement, buffer)
                        .map_err(BindError::Serialization)?;
                }
                frontend::parse(request.statement, text, [], buffer)
                    .map_err(BindError::Serialization)?;
            }
            let write = |cell, buffer: &mut _| {
                Ok(if text::write(cell, buffer) {
                    IsNull::No
                } else {
                    IsNull::Yes
                })
            };
            frontend::bind(
                request.portal,
                request.statement,
                [],
                cells,
                write,
                [],
                buffer,
            )?;
            let done = (|| {
                if request.describe {
                    frontend::describe(b'P', request.portal, buffer)?;
                }
                frontend::execute(request.portal, request.most_rows, buffer)
            })();
            done.map_err(BindError::Serialization)
        })();
        if let Err(error) = written {
            buffer.truncate(before);
            return Err(Error::invalid_argument(match error {
                BindError::Conversion(error) => format!("the statement cannot be sent: {error}"),
                BindError::Serialization(error) => format!("the statement cannot be sent: {error}"),
            }));
        }
        if matches!(asked, Asked::Begin) {
            // What it tells must be known while a later statement takes long.
            frontend::flush(buffer);
        }
        self.asked.push_back(asked);
        Ok(())
    }

    /// Lets the server send its answers to what was written so far as soon as it has them.
    pub(super) fn flush(connection: &mut Connection) {
        frontend::flush(&mut connection.wire.outgoing);
    }

    /// Asks what a statement is, without running it.
    pub(super) fn ask_what_it_is(
        &mut self,
        connection: &mut Connection,
        statement: &str,
    ) -> Result<()> {
        let buffer = &mut connection.wire.outgoing;
        let before = buffer.len();
        let written = frontend::parse("", statement, [], buffer)
            .and_then(|()| frontend::describe(b'S', "", buffer));
        if let Err(error) = written {
            buffer.truncate(before);
            return Err(Error::invalid_argument(format!(
                "the statement cannot be sent: {error}"
            )));
        }
        self.asked.push_back(Asked::Awaited);
        Ok(())
    }

    /// Takes note of a statement that was written by somebody else.
    pub(super) fn asked(&mut self, asked: Asked) {
        self.asked.push_back(asked);
    }

    /// Forgets everything, none of which was sent.
    pub(super) fn give_up(&mut self, connection: &mut Connection) {
        self.asked.clear();
        connection.wire.outgoing.clear();
        connection.prepared.are_not_sent();
    }

    /// Sends everything and reads all answers; `on` takes those that somebody waits for, with their number among these.
    /// `look` is asked every few milliseconds whether to go on, and told which process of the server
    /// is at work as soon as that is known.
    pub(super) fn settle(
        &mut self,
        connection: &mut Connection,
        look: &mut dyn FnMut(Option<i64>) -> io::Result<()>,
        on: &mut dyn FnMut(usize, Answer) -> Result<()>,
    ) -> std::result::Result<(), Trouble> {
        frontend::sync(&mut connection.wire.outgoing);
        connection.wire.ask();
        connection.prepared.are_sent();
        self.awaited = 0;
        let mut trouble = None;
        let settled = self.read_answers(connection, look, on, &mut trouble);
        self.asked.clear();
        match (settled, trouble) {
            // The reason that the server gave before it hung up says more.
            (Err(_), Some(error)) => Err(Trouble {
                error,
                awaited: None,
                is_lost: true,
            }),
            (Err(error), None) => {
                let kind = match error.kind() {
                    io::ErrorKind::FileTooLarge => ErrorKind::Limit,
                    _ => ErrorKind::Unavailable,
                };
                Err(Trouble {
                    error: Error::new(kind, error.to_string()),
                    awaited: None,
                    is_lost: true,
                })
            }
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(error)) => Err(Trouble {
                error,
                awaited: Some(self.awaited),
                is_lost: false,
            }),
        }
    }

    fn read_answers(
        &mut self,
        connection: &mut Connection,
        look: &mut dyn FnMut(Option<i64>) -> io::Result<()>,
        on: &mut dyn FnMut(usize, Answer) -> Result<()>,
        trouble: &mut Option<Error>,
    ) -> io::Result<()> {
        loop {
            let process = self.begun.as_ref().map(|begun| begun.process);
            match connection.wire.receive(&mut || look(process))? {
                Message::ParameterDescription(body) if self.is_awaited() => {
                    let count = body.parameters().count()?;
                    note(trouble, on(self.awaited, Answer::Parameters(count)))?;
                }
                Message::RowDescription(body) if self.is_awaited() => {
                    note(trouble, on(self.awaited, Answer::Columns(body)))?;
                }
                Message::DataRow(body) => match self.asked.front() {
                    Some(Asked::Awaited) => note(trouble, on(self.awaited, Answer::Row(body)))?,
                    Some(Asked::Begin) => self.begun = begun(&body)?,
                    Some(Asked::Removed) => {
                        let [gone, temporary, may_wait] =
                            cells(&body)?.map(Option::unwrap_or_default);
                        let may_wait = may_wait != "f";
                        self.removed = Some(Removed {
                            gone,
                            temporary,
                            may_wait,
                        });
                    }
                    _ => {}
                },
                Message::CommandComplete(body) => {
                    let tag = body.tag()?;
                    if matches!(self.asked.front(), Some(Asked::Commit)) && tag != "COMMIT" {
                        trouble.get_or_insert_with(failed_before);
                    }
                    let changed = rows_changed(tag);
                    self.is_done(trouble, on, Answer::Done(changed))?;
                }
                Message::EmptyQueryResponse => self.is_done(trouble, on, Answer::Done(0))?,
                Message::PortalSuspended => self.is_done(trouble, on, Answer::Suspended)?,
                Message::ErrorResponse(body) => {
                    let error = errors::translate(&mut body.fields())?;
                    match self.asked.front() {
                        Some(Asked::AfterCommit) => {
                            return Err(io::Error::other(prepared::left(&error.message)));
                        }
                        Some(Asked::Begin) if error.code == prepared::UNKNOWN => {
                            return Err(io::Error::other(
                                "another process of the server answers than before",
                            ));
                        }
                        _ => {}
                    }
                    *trouble = Some(self.explain(error));
                }
                Message::ParameterStatus(body) => {
                    connection.note_parameter(body.name()?, body.value()?)
                }
                Message::NoticeResponse(body) if self.is_awaited() => {
                    if let Some(listener) = &self.listener {
                        let (level, message) = errors::notice(&mut body.fields())?;
                        listener.hear(level, &message);
                    }
                }
                Message::ReadyForQuery(body) => {
                    connection.status = body.status();
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    fn is_awaited(&self) -> bool {
        matches!(self.asked.front(), Some(Asked::Awaited))
    }

    fn is_done(
        &mut self,
        trouble: &mut Option<Error>,
        on: &mut dyn FnMut(usize, Answer) -> Result<()>,
        answer: Answer,
    ) -> io::Result<()> {
        if let Some(Asked::Awaited) = self.asked.pop_front() {
            note(trouble, on(self.awaited, answer))?;
            if trouble.is_none() {
                self.awaited += 1;
            }
        }
        Ok(())
    }

    /// What an error means, by what its statement was sent for.
    fn explain(&self, error: Error) -> Error {
        match self.asked.front() {
            Some(Asked::Required(otherwise)) if error.code == DIVISION_BY_ZERO => {
                *otherwise.clone()
            }
            Some(Asked::Verify) if error.message.contains(TAMPERED) => tampered(&error.message),
            Some(Asked::Verify) if error.message.contains(prepared::PREFIX) => tampered("prepared"),
            Some(Asked::Verify) if error.code == PENDING_TRIGGERS => tampered("commit"),
            Some(Asked::Commit) if error.code == READ_ONLY => tampered("commit"),
            _ if error.code == errors::IN_FAILED_TRANSACTION => failed_before(),
            Some(Asked::Awaited) => errors::explain_parameters(error),
            _ if error.code == prepared::UNKNOWN => tampered("prepared"),
            _ => error,
        }
    }
}

/// Takes note of what whoever waits says to an answer. A server that sends what nobody has asked for is left.
fn note(trouble: &mut Option<Error>, result: Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind == ErrorKind::Unavailable => Err(io::Error::other(error.message)),
        Err(error) if trouble.is_none() => {
            *trouble = Some(error);
            Ok(())
        }
        Err(_) | Ok(()) => Ok(()),
    }
}

/// The server sends more rows than it was asked for.
pub(super) fn too_much() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the server sends more rows than it was asked for",
    )
}

/// The transaction holds nothing any more, and somebody wants to go on with it.
pub(super) fn failed_before() -> Error {
    Error {
        code: errors::IN_FAILED_TRANSACTION.to_owned(),
        ..Error::new(
            ErrorKind::TransactionLost,
            "a statement failed before, and PostgreSQL then does nothing more in the transaction; to continue after an error, \
             open a savepoint before the statement and drop it after the error",
        )
    }
}

/// The rows that a statement changed, by its tag: `INSERT 0 5`, `UPDATE 3`.
fn rows_changed(tag: &str) -> u64 {
    let changes = ["INSERT", "UPDATE", "DELETE", "MERGE", "COPY"]
        .iter()
        .any(|command| tag.starts_with(command));
    match tag.rsplit_once(' ') {
        Some((_, rows)) if changes => rows.parse().unwrap_or(0),
        _ => 0,
    }
}

/// Asks one question of the host outside of a session; returns the rows of its answer, which are few, as text. Its names mean
/// what PostgreSQL has, whatever others have made in the schemas of the connection.
pub(super) fn ask(
    connection: &mut Connection,
    statement: &str,
    parameters: &[Cell<'_>],
    patience: &Patience,
) -> Result<Vec<Vec<Option<String>>>> {
    let mut pipeline = Pipeline::default();
    pipeline.ask(
        connection,
        Asked::Quiet,
        &Request::once(OWN_NAMES),
        std::iter::empty(),
    )?;
    ask_alone(pipeline, connection, statement, parameters, patience)
}

/// The same for a statement that bears no other before it, or asks for the connection's own names, and is written so that
/// nobody else's can be meant.
pub(super) fn ask_in_full_names(
    connection: &mut Connection,
    statement: &str,
    parameters: &[Cell<'_>],
    patience: &Patience,
) -> Result<Vec<Vec<Option<String>>>> {
    ask_alone(
        Pipeline::default(),
        connection,
        statement,
        parameters,
        patience,
    )
}

fn ask_alone(
    mut pipeline: Pipeline,
    connection: &mut Connection,
    statement: &str,
    parameters: &[Cell<'_>],
    patience: &Patience,
) -> Result<Vec<Vec<Option<String>>>> {
    pipeline.ask(
        connection,
        Asked::Awaited,
        &Request::once(statement),
        parameters.iter().copied(),
    )?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    let mut look = |_| patience.check();
    let settled = pipeline.settle(connection, &mut look, &mut |_, answer| {
        match answer {
            Answer::Row(_) if rows.len() >= MOST_ROWS_OF_A_QUESTION => return Err(too_much()),
            Answer::Row(row) => {
                bytes += row.buffer().len();
                if bytes > MOST_BYTES_OF_A_QUESTION {
                    return Err(too_much());
                }
                rows.push(results::texts(&row)?);
            }
            _ => {}
        }
        Ok(())
    });
    settled.map(|()| rows).map_err(|trouble| trouble.error)
}
