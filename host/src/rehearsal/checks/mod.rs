//! The checks, one file each. Each looks at one step in one place (a [`Case`]) and returns what it found; what it did is
//! added up over all places.

pub(super) mod applies;
pub(super) mod confined;
mod crash_chain;
pub(super) mod crashes;
mod cut_off;
pub(super) mod data_case;
pub(super) mod deterministic;
pub(super) mod everywhere;
pub(super) mod generated;
pub(super) mod memory;
mod refusals;
pub(super) mod reset;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::declarations::Declarations;
use super::fixture::Fixture;
use super::scratch::ScratchDatabase;
use super::snapshot::Difference;
use super::trial::Undisturbed;
use crate::database::{Content, Kind};

/// How many differences of one kind are told.
const MOST_TOLD: usize = 5;

/// A step in one place: what was there before, and what it does where nothing disturbs it.
pub(super) struct Case {
    pub(super) kind: Kind,
    pub(super) fixture: Fixture,
    /// The database before the step. Nobody works on it.
    pub(super) base: Arc<ScratchDatabase>,
    pub(super) before: Content,
    /// How long it took to copy the base.
    pub(super) copied: Duration,
    pub(super) undisturbed: Undisturbed,
    /// What differs from run to run although nothing disturbs it.
    pub(super) unstable: BTreeSet<String>,
}

impl Case {
    /// What to call the place.
    pub(super) fn place(&self) -> String {
        place(self.kind, &self.fixture)
    }

    /// What is not to be compared between two runs.
    fn incomparable(&self, declarations: &Declarations) -> BTreeSet<String> {
        self.unstable
            .union(declarations.volatile())
            .cloned()
            .collect()
    }
}

/// What to call a place.
pub(super) fn place(kind: Kind, fixture: &Fixture) -> String {
    format!("{}, {}", super::trial::kind_name(kind), fixture.name)
}

/// The first differences in one sentence.
pub(super) fn told(differences: &[Difference]) -> String {
    let mut texts: Vec<&str> = differences
        .iter()
        .take(MOST_TOLD)
        .map(|difference| difference.text.as_str())
        .collect();
    let more = format!("and {} more", differences.len().saturating_sub(MOST_TOLD));
    if differences.len() > MOST_TOLD {
        texts.push(&more);
    }
    texts.join("; ")
}
