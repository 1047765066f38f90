//! How the sessions of a run are told from others, so that they can be ended when their host is gone.

use super::home::Home;

/// How the sessions of a run, or of one of its parts, can be told from others.
#[derive(Clone, Debug)]
pub(super) struct Label {
    /// What they are called in the server's list of activities, for people: a step can call itself something else.
    pub(super) name: String,
    /// The names of the locks that their transactions share: the run's, and the part's.
    pub(super) locks: Vec<String>,
}

impl Label {
    pub(super) fn of_run(run: i64, home: &Home) -> Self {
        let mut name = format!("wasmigrate run {run} in {}", home.schema);
        // A name has at most 63 bytes, of which a part's number has at most 7.
        while name.len() > 56 {
            name.pop();
        }
        let lock = format!("wasmigrate run {run} of {}", home.journal);
        Self {
            name,
            locks: vec![lock],
        }
    }

    pub(super) fn of_part(run: i64, part: u32, home: &Home) -> Self {
        let mut label = Self::of_run(run, home);
        label.name = format!("{} #{part}", label.name);
        let lock = format!("part {part} of wasmigrate run {run} of {}", home.journal);
        label.locks.push(lock);
        label
    }

    /// Calls that take the locks, until the transaction ends or until the session does. The numbers of the parameters, which
    /// are the names, begin with `first`.
    pub(super) fn calls(&self, first: usize, is_of_transaction: bool) -> Vec<String> {
        let function = match is_of_transaction {
            true => "pg_advisory_xact_lock_shared",
            false => "pg_advisory_lock_shared",
        };
        let numbers = (first..).take(self.locks.len());
        numbers
            .map(|number| {
                format!("pg_catalog.{function}(pg_catalog.hashtextextended(${number}, 0))")
            })
            .collect()
    }
}
