//! The checks, one file each. Each looks at one step in one place (a [`Case`]) and returns what it found; what it did is
//! added up over all places.

pub(super) mod applies;
pub(super) mod collateral;
pub(super) mod confined;
mod crashes;
mod cut_off;
pub(super) mod data_case;
pub(super) mod deterministic;
pub(super) mod disturbed;
mod environment;
pub(super) mod everywhere;
pub(super) mod generated;
mod in_turn;
mod inserts;
pub(super) mod memory;
mod otherwise;
mod pieces;
mod quick;
mod refusals;
mod reset;
mod said;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Error;
use super::declarations::{Declarations, except};
use super::fixture::Fixture;
use super::scratch::ScratchDatabase;
use super::snapshot::Difference;
use super::trial::{Trial, Undisturbed};
use crate::database::{Content, Kind, Trait};

/// How many differences of one kind are told.
const MOST_TOLD: usize = 5;

/// A step in one place: what was there before, and what it does where nothing disturbs it.
pub(super) struct Case {
    pub(super) kind: Kind,
    pub(super) fixture: Fixture,
    /// The database before the step. Nobody works on it.
    pub(super) base: Arc<ScratchDatabase>,
    pub(super) before: Content,
    /// What the tables are before the step.
    pub(super) traits: Vec<Trait>,
    /// How long it took to copy the base.
    pub(super) copied: Duration,
    pub(super) undisturbed: Undisturbed,
    /// What differs from run to run although nothing disturbs it, once that is known.
    unstable: OnceLock<BTreeSet<String>>,
}

impl Case {
    /// What to call the place.
    pub(super) fn place(&self) -> String {
        place(self.kind, &self.fixture)
    }

    /// Whether finalize does anything beside what the host does.
    pub(super) fn finalize_has_calls(&self) -> bool {
        let points = self.undisturbed.seen.points.iter();
        points
            .skip(self.undisturbed.migrate_points)
            .any(|point| !point.is_commit || point.script.is_some())
    }

    /// What differs from run to run although nothing disturbs it. That takes a run of its own, which is made when it is asked
    /// for: where all runs come to the same anyway, nothing does.
    pub(super) fn unstable(&self, trial: &Trial<'_>) -> Result<&BTreeSet<String>, Error> {
        if let Some(unstable) = self.unstable.get() {
            return Ok(unstable);
        }
        let unstable = deterministic::unstable(trial, self)?;
        Ok(self.unstable.get_or_init(|| unstable))
    }

    /// Takes out what is not to be compared between two runs.
    pub(super) fn except_incomparable(
        &self,
        trial: &Trial<'_>,
        declarations: &Declarations,
        differences: &mut Vec<Difference>,
    ) -> Result<(), Error> {
        except(differences, declarations.volatile());
        if !differences.is_empty() {
            except(differences, self.unstable(trial)?);
        }
        Ok(())
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
