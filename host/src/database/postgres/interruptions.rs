//! Ending a statement that has to end: first the server is asked to cancel it, and in the end to end its process.
//!
//! A block can catch that it is cancelled and go on; nothing in a session can catch that its process is ended.

use std::time::{Duration, Instant};

use super::super::Cell;
use super::connection::Canceller;
use super::pipeline;
use super::pool::Postgres;

/// How long a statement may take to end after it was interrupted.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often a statement is interrupted before its process is ended.
const MOST: u32 = 3;

/// How one statement was interrupted so far.
pub(super) struct Interruptions {
    canceller: Canceller,
    count: u32,
    last: Option<Instant>,
}

impl Interruptions {
    pub(super) fn new(canceller: Canceller) -> Self {
        Self {
            canceller,
            count: 0,
            last: None,
        }
    }

    /// Interrupts the statement, when it was not or has had the time to end. `process` is the server's process, once that
    /// is known; behind a pooler nothing else tells it.
    pub(super) fn interrupt(&mut self, database: &Postgres, process: Option<i64>) {
        if self.last.is_some_and(|last| last.elapsed() < PATIENCE) {
            return;
        }
        self.last = Some(Instant::now());
        self.count += 1;
        match process {
            Some(process) if self.count > MOST => end(database, process),
            _ => {
                // Where the server cannot be told now, it may be the next time.
                let _ = self.canceller.interrupt();
            }
        }
    }
}

/// Ends a process of the server, asked for on another connection: a role may end those of its own sessions. When that
/// fails, it is tried again later.
fn end(database: &Postgres, process: i64) {
    let patience = database.brief_patience();
    let Ok(mut connection) = database.connect(&patience) else {
        return;
    };
    let asked = pipeline::ask(
        &mut connection,
        "SELECT pg_catalog.pg_terminate_backend($1)",
        &[Cell::Integer(process)],
        &patience,
    );
    if asked.is_ok() {
        database.give_back(connection);
    }
}
