//! What a run is doing now and how fast it goes, for those who come to look in its midst.

use serde::{Deserialize, Serialize};

use super::event::{Event, Unit};
use crate::journal::{Outcome, Phase};

/// How many samples are kept of a run, however long it takes: enough for a curve.
const MOST_SAMPLES: usize = 240;

/// How far samples are apart at first, in milliseconds. It doubles whenever there would be too many.
const FIRST_INTERVAL: i64 = 500;

/// A run of the process that is asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Running {
    /// The step that runs; none while the run prepares, and between two steps.
    pub step: Option<RunningStep>,
    /// How many rows are done.
    #[serde(default)]
    pub rows: u64,
    /// How many rows were done when, the oldest first.
    pub samples: Vec<Sample>,
}

/// How many rows a run goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rows {
    /// What its steps announced.
    pub expected: u64,
    /// How many are done.
    pub done: u64,
}

/// The step that runs.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunningStep {
    /// The step, as `NNNN_name`.
    pub step: String,
    /// What it is doing.
    pub phase: Phase,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// Its place among the steps of the run, from 1.
    pub number: usize,
    /// How many steps the run has.
    pub of: usize,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// How far it is; none when it has not said.
    pub done: Option<u64>,
    /// How far it has to go; none when it does not know.
    pub total: Option<u64>,
    /// What both are counted in.
    pub unit: Unit,
}

/// How many rows of a run were done at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sample {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Rows of all its steps.
    pub rows: u64,
}

/// Follows a run's events.
#[derive(Debug)]
pub(super) struct Follower {
    running: Running,
    interval: i64,
    expected_rows: Option<u64>,
    /// Rows of the steps that are done, and of the one that runs.
    rows_done: u64,
    rows_of_step: u64,
    /// Rows of the steps that have run in the open transaction.
    uncommitted_rows: u64,
}

impl Default for Follower {
    fn default() -> Self {
        Self {
            running: Running::default(),
            interval: FIRST_INTERVAL,
            expected_rows: None,
            rows_done: 0,
            rows_of_step: 0,
            uncommitted_rows: 0,
        }
    }
}

impl Follower {
    /// What the run is doing.
    pub(super) fn running(&self) -> Running {
        Running {
            rows: self.rows_now(),
            ..self.running.clone()
        }
    }

    /// The rows that the run goes through, when its steps announced any.
    pub(super) fn rows(&self) -> Option<Rows> {
        let expected = self.expected_rows?;
        Some(Rows {
            expected,
            done: self.rows_now().min(expected),
        })
    }

    /// Takes note of an event that happened at this time.
    pub(super) fn note(&mut self, event: &Event, at: i64) {
        match event {
            Event::Prepared { rows, .. } => self.expected_rows = *rows,
            Event::StepStarted {
                step,
                phase,
                attempt,
                number,
                of,
                ..
            } => {
                self.rows_of_step = 0;
                self.running.step = Some(RunningStep {
                    step: step.clone(),
                    phase: *phase,
                    attempt: *attempt,
                    number: *number,
                    of: *of,
                    started_at: at,
                    done: None,
                    total: None,
                    unit: Unit::Rows,
                });
                self.sample(at);
            }
            Event::Progress {
                done, total, unit, ..
            } => {
                if let Some(step) = &mut self.running.step {
                    (step.done, step.total, step.unit) = (Some(*done), *total, *unit);
                }
                if *unit == Unit::Rows {
                    self.rows_of_step = *done;
                    self.sample(at);
                }
            }
            Event::StepRan { .. } => {
                let of_step = std::mem::take(&mut self.rows_of_step);
                self.uncommitted_rows = self.uncommitted_rows.saturating_add(of_step);
                self.running.step = None;
                self.sample(at);
            }
            Event::StepEnded { outcome, .. } => {
                let uncommitted = std::mem::take(&mut self.uncommitted_rows);
                // What failed is shown until the next try begins, and not added up. Steps may say anything.
                if *outcome == Outcome::Done {
                    let of_step = std::mem::take(&mut self.rows_of_step);
                    let of_steps = uncommitted.saturating_add(of_step);
                    self.rows_done = self.rows_done.saturating_add(of_steps);
                }
                self.running.step = None;
                self.sample(at);
            }
            _ => {}
        }
    }

    fn rows_now(&self) -> u64 {
        let running = self.uncommitted_rows.saturating_add(self.rows_of_step);
        self.rows_done.saturating_add(running)
    }

    fn sample(&mut self, at: i64) {
        let rows = self.rows_now();
        let samples = &mut self.running.samples;
        if let Some(last) = samples.last()
            && at - last.at < self.interval
        {
            return;
        }
        if samples.len() == MOST_SAMPLES {
            let mut number = 0;
            samples.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.interval *= 2;
        }
        samples.push(Sample { at, rows });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64, unit: Unit) -> Event {
        Event::Progress {
            step: "0001_step".to_owned(),
            done,
            total: Some(1_000_000),
            unit,
        }
    }

    fn ended(outcome: Outcome) -> Event {
        Event::StepEnded {
            step: "0001_step".to_owned(),
            phase: Phase::Migrate,
            outcome,
            milliseconds: 1,
            rolled_back: false,
        }
    }

    #[test]
    fn samples_of_a_long_run_are_few_and_reach_from_its_beginning_to_now() {
        let mut follower = Follower::default();
        for second in 0..86_400_u32 {
            let at = i64::from(second) * 1_000;
            follower.note(&progress(u64::from(second) * 7, Unit::Rows), at);
        }
        let samples = follower.running().samples;
        assert!(samples.len() <= MOST_SAMPLES, "{}", samples.len());
        assert!(samples.len() > MOST_SAMPLES / 3, "{}", samples.len());
        assert_eq!(samples[0], Sample { at: 0, rows: 0 });
        let last = samples.last().unwrap().at;
        assert!(last > 86_400_000 * 98 / 100, "{last}");
        assert!(samples.is_sorted_by_key(|sample| (sample.at, sample.rows)));
    }

    #[test]
    fn what_was_rolled_back_and_bytes_of_scripts_are_no_rows() {
        let mut follower = Follower::default();
        let prepared = Event::Prepared {
            steps: 2,
            rows: Some(100),
        };
        follower.note(&prepared, 0);
        follower.note(&progress(40, Unit::Rows), 1);
        follower.note(&ended(Outcome::Failed), 2);
        follower.note(&progress(30, Unit::Rows), 3);
        follower.note(&ended(Outcome::Done), 4);
        follower.note(&progress(5_000, Unit::Bytes), 5);
        let rows = Rows {
            expected: 100,
            done: 30,
        };
        assert_eq!(follower.rows(), Some(rows));
    }
}
