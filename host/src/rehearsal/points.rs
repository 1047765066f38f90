//! The points after which a host can die, and what else is seen of a run.

use std::collections::BTreeSet;

use crate::database::{Deed, SequenceState};

/// How much of a statement is kept to name a call.
const NAME_BYTES: usize = 100;

/// What it is called that a step takes rows from an open result.
pub(super) const FETCH: &str = "fetching rows";

/// Something after which a host can die.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// What was called, in words.
    pub(super) what: String,
    /// Whether it was a commit.
    pub(super) is_commit: bool,
    /// For a statement of a script: how many points came before the script, and how far it reaches into it, in bytes.
    pub(super) script: Option<(usize, usize)>,
}

impl Point {
    /// A commit of the host's.
    pub(super) fn commit() -> Self {
        Self {
            what: "a commit".to_owned(),
            is_commit: true,
            script: None,
        }
    }

    /// A call of the step.
    pub(super) fn call(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            is_commit: false,
            script: None,
        }
    }

    /// The same in a run that begins after so many points.
    pub(super) fn after(&self, first: usize) -> Self {
        let script = self
            .script
            .map(|(start, end)| (start.saturating_sub(first), end));
        Self {
            script,
            ..self.clone()
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Every point, in order.
    pub(super) points: Vec<Point>,
    /// Rows that went to the step, and that came from it.
    pub(super) rows: u64,
    /// Their bytes, about.
    pub(super) bytes: u64,
    /// Its statements, one after the other.
    pub(super) said: String,
    /// What it did to tables.
    pub(super) deeds: BTreeSet<Deed>,
    /// Where sequences stood at the last commit, where numbers that were given are not taken back.
    pub(super) sequences: Option<Vec<SequenceState>>,
}

/// A statement as a name.
pub(super) fn named(statement: &str) -> String {
    let mut name = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.len() > NAME_BYTES {
        name.truncate(name.floor_char_boundary(NAME_BYTES));
        name.push('…');
    }
    format!("`{name}`")
}
