//! What a host says of a run when it is asked.

use super::{Client, Result};
use crate::engine::{Blame, Failure, HistoryEntry, State};
use crate::journal::{AttemptRecord, Outcome, OutputLine, RunRecord};

/// What the host says of the run when it is asked.
pub(super) struct Told {
    /// None while it is running.
    pub(super) outcome: Option<Outcome>,
    pub(super) failure: Option<Failure>,
    pub(super) state: Option<State>,
    pub(super) lines: Vec<OutputLine>,
    /// Its tries at steps that have ended.
    pub(super) attempts: Vec<AttemptRecord>,
}

impl Client {
    /// What the host says of a run, with its lines after the one numbered `after`.
    pub(super) fn told(&self, run: i64, after: Option<i64>) -> Result<Told> {
        let entry: HistoryEntry = self.get(&format!("runs/{run}"))?;
        let mut lines = Vec::new();
        if let Some(mut after) = after {
            loop {
                let (page, next) = self.output(run, after)?;
                if page.is_empty() {
                    break;
                }
                lines.extend(page);
                after = next;
            }
        }
        let state = match entry.run.outcome {
            Some(_) => Some(self.overview()?.state),
            None => None,
        };
        Ok(Told {
            outcome: entry.run.outcome,
            failure: match &entry.run.error {
                Some(error) => Failure::from_json(error),
                None => interruption(&entry.run),
            },
            state,
            lines,
            attempts: entry.attempts,
        })
    }
}

/// Why a run was interrupted of which the journal knows no more than that.
fn interruption(run: &RunRecord) -> Option<Failure> {
    (run.outcome == Some(Outcome::Interrupted)).then(|| {
        let message = format!(
            "run {} was interrupted: {}, which ran it, has died or lost its lease; run the command again",
            run.id, run.host
        );
        Failure::new("lease", Blame::Operator, message)
    })
}
