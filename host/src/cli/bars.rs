//! The bars on a terminal below the lines: how far the run is, and how far the step that runs.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{
    HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle,
};

use crate::engine::{Event, Unit};
use crate::journal::Outcome;

/// A step is so long on the bar of the run, which moves with the rows of the step that runs.
const PARTS: u64 = 1_000;

/// One bar for the steps, one for the rows of the step that runs.
pub(super) struct Bars {
    all: MultiProgress,
    steps: ProgressBar,
    rows: ProgressBar,
    run: Mutex<RunProgress>,
}

/// How far a run is.
#[derive(Default)]
struct RunProgress {
    done: u64,
    of: u64,
    /// What is done of the step that runs, in [`PARTS`].
    parts: u64,
    /// The steps that are done and not committed yet.
    ran: BTreeSet<String>,
    /// What the run itself says of how long it will take.
    left: Option<String>,
}

impl RunProgress {
    fn position(&self) -> u64 {
        self.done.saturating_mul(PARTS).saturating_add(self.parts)
    }

    fn step_is_done(&mut self) {
        self.done = self.of.min(self.done + 1);
        self.parts = 0;
    }
}

impl Bars {
    pub(super) fn new(all: MultiProgress) -> Self {
        Self {
            all,
            steps: ProgressBar::hidden(),
            rows: ProgressBar::hidden(),
            run: Mutex::default(),
        }
    }

    /// Takes the bars away while something is written.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.all.suspend(write)
    }

    pub(super) fn notify(&self, event: &Event) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Loading {
                step, number, of, ..
            } => {
                run.of = *of as u64;
                run.done = *number as u64;
                self.show_run(&run, "preparing", step);
            }
            Event::StepStarted {
                step,
                phase,
                number,
                of,
                ..
            } => {
                run.of = *of as u64;
                run.done = number.saturating_sub(1) as u64;
                run.parts = 0;
                run.left = None;
                self.show_run(&run, phase.as_str(), step);
            }
            Event::Progress {
                step,
                done,
                total,
                unit,
            } => {
                if self.rows.is_hidden() || self.rows.prefix() != *step {
                    self.rows.reset();
                    self.rows.set_prefix(step.clone());
                }
                self.show(
                    &self.rows,
                    &template(*unit, total.is_some(), run.left.is_some()),
                );
                self.rows.set_position(*done);
                if let Some(total) = total {
                    self.rows.set_length(*total);
                    let parts = u128::from(*done) * u128::from(PARTS) / u128::from(*total).max(1);
                    run.parts = u64::try_from(parts).map_or(PARTS, |parts| parts.min(PARTS));
                    self.steps.set_position(run.position());
                }
            }
            Event::Pace { pace, .. } => {
                run.left = pace.seconds_left.map(|(best, worst)| left(best, worst));
                let left = run.left.as_ref();
                let left = left.map_or_else(String::new, |left| format!("{left}, "));
                let chunk = HumanCount(pace.chunk_rows);
                if !self.rows.is_hidden() {
                    let template = template(Unit::Rows, true, run.left.is_some());
                    self.show(&self.rows, &template);
                }
                self.rows.set_message(format!("{left}{chunk} rows a chunk"));
            }
            Event::StepRan { step, .. } => {
                run.ran.insert(step.clone());
                run.step_is_done();
                self.end_step(&run);
            }
            Event::StepEnded { step, outcome, .. } => {
                if !run.ran.remove(step) && *outcome == Outcome::Done {
                    run.step_is_done();
                }
                self.end_step(&run);
            }
            Event::RunEnded { .. } => {
                self.rows.finish_and_clear();
                self.steps.finish_and_clear();
            }
            _ => {}
        }
    }

    fn show_run(&self, run: &RunProgress, phase: &str, step: &str) {
        self.show(
            &self.steps,
            "{prefix:12} {bar:30} {step}/{steps} {wide_msg}",
        );
        self.steps.set_prefix(phase.to_owned());
        self.steps.set_length(run.of.saturating_mul(PARTS));
        self.steps.set_position(run.position());
        self.steps.set_message(step.to_owned());
    }

    fn end_step(&self, run: &RunProgress) {
        self.steps.set_position(run.position());
        self.rows.set_message("");
        self.rows.finish_and_clear();
        self.rows.set_prefix("");
    }

    fn show(&self, bar: &ProgressBar, template: &str) {
        if bar.is_hidden() {
            self.all.add(bar.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            let style = style
                .with_key("step", |state: &ProgressState, out: &mut dyn Write| {
                    let _ = write!(out, "{}", HumanCount(state.pos() / PARTS));
                })
                .with_key("steps", |state: &ProgressState, out: &mut dyn Write| {
                    let _ = write!(out, "{}", HumanCount(state.len().unwrap_or(0) / PARTS));
                })
                .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                    #[allow(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a rate is not negative, and shown in whole rows"
                    )]
                    let rate = state.per_sec() as u64;
                    let _ = write!(out, "{}", HumanCount(rate));
                });
            bar.set_style(style);
        }
    }
}

/// What the bar of a step shows. Where the run says how long it will take, the bar does not guess.
fn template(unit: Unit, has_total: bool, has_estimate: bool) -> String {
    let (done, total, rate) = match unit {
        Unit::Rows => ("{human_pos}", "{human_len}", "{rate}/s"),
        Unit::Bytes => ("{bytes}", "{total_bytes}", "{bytes_per_sec}"),
    };
    match (has_total, has_estimate) {
        (false, _) => format!("{{spinner}} {done}, {rate} {{msg}}"),
        (true, true) => format!("{{spinner}} {{bar:30}} {done}/{total}, {rate}, {{msg}}"),
        (true, false) => {
            format!("{{spinner}} {{bar:30}} {done}/{total}, {rate}, {{eta}} left {{msg}}")
        }
    }
}

/// How long it will take, at best and at worst.
fn left(best: u64, worst: u64) -> String {
    let short = |seconds| format!("{:#}", HumanDuration(Duration::from_secs(seconds)));
    match (short(best), short(worst)) {
        (best, worst) if best == worst => format!("{best} left"),
        (best, worst) => format!("{best}–{worst} left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_estimate_in_words() {
        assert_eq!(left(3, 5), "3s–5s left");
        assert_eq!(left(7_200, 7_201), "2h left");
    }
}
