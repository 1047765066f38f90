//! The state machine of a target, as pure functions. `docs/states.md` shows it whole.
//!
//! A state is never stored: it is what the journal and the files add up to ([`observe`]), so that every host sees the
//! same one after every crash, and no target is stuck in a state that nobody is in any more.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::journal::{Outcome, Phase, RunRecord};

/// Where a target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There are steps that were not migrated.
    MigrationRequired,
    /// Steps are being loaded, compiled and checked.
    MigrationPreparing,
    /// Steps are being migrated or reset.
    MigrationRunning,
    /// A step failed while it was migrated.
    MigrationFailed,
    /// All steps are migrated, and some wait for their finalize.
    FinalizationRequired,
    /// Steps are being finalized.
    FinalizationRunning,
    /// A step failed while it was finalized.
    FinalizationFailed,
    /// Nothing is left to do.
    Finalized,
}

/// What an operator can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Run `migrate` of all pending steps.
    Migrate,
    /// Run `migrate` of all pending steps, then `finalize` of all that are not finalized.
    Finalize,
    /// Undo what was migrated since the last finalize.
    Reset,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It starts, and leads to this state first.
    Start(State),
    /// There is nothing to do, which is no error.
    Nothing,
    /// It is refused.
    Refuse(Refusal),
}

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A run is in progress.
    Running,
    /// The last finalize failed.
    FinalizationFailed,
}

impl State {
    /// Whether a run is in progress.
    pub fn is_running(self) -> bool {
        matches!(
            self,
            Self::MigrationPreparing | Self::MigrationRunning | Self::FinalizationRunning
        )
    }

    /// Whether the last run failed.
    pub fn is_failed(self) -> bool {
        matches!(self, Self::MigrationFailed | Self::FinalizationFailed)
    }

    /// Its name, as it is shown and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MigrationRequired => "migration_required",
            Self::MigrationPreparing => "migration_preparing",
            Self::MigrationRunning => "migration_running",
            Self::MigrationFailed => "migration_failed",
            Self::FinalizationRequired => "finalization_required",
            Self::FinalizationRunning => "finalization_running",
            Self::FinalizationFailed => "finalization_failed",
            Self::Finalized => "finalized",
        }
    }
}

impl Command {
    /// Its name, as the user writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Finalize => "finalize",
            Self::Reset => "reset",
        }
    }
}

/// What becomes of a command in a state, where steps are `pending` or not.
pub(super) fn command(state: State, command: Command, pending: bool) -> Verdict {
    use State::*;
    match (state, command) {
        (MigrationPreparing | MigrationRunning | FinalizationRunning, _) => {
            Verdict::Refuse(Refusal::Running)
        }
        (MigrationRequired | MigrationFailed, Command::Migrate | Command::Finalize) => {
            Verdict::Start(MigrationPreparing)
        }
        // What is pending may be what repairs: it runs first.
        (FinalizationFailed, Command::Migrate | Command::Finalize) if pending => {
            Verdict::Start(MigrationPreparing)
        }
        (FinalizationRequired | FinalizationFailed, Command::Finalize) => {
            Verdict::Start(FinalizationRunning)
        }
        (FinalizationFailed, Command::Migrate) => Verdict::Refuse(Refusal::FinalizationFailed),
        (FinalizationRequired, Command::Migrate) | (Finalized, _) => Verdict::Nothing,
        (
            MigrationRequired | MigrationFailed | FinalizationRequired | FinalizationFailed,
            Command::Reset,
        ) => Verdict::Start(MigrationRunning),
    }
}

/// What is known of a target, from its journal and its catalog.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// What a living run is doing.
    pub running: Option<Activity>,
    /// What the last run was doing, when it failed.
    pub failed: Option<Activity>,
    /// Whether there are steps on disk that are not wholly migrated.
    pub pending: bool,
    /// Whether there are migrated steps that are not finalized.
    pub unfinalized: bool,
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// It loads and checks steps.
    Preparing,
    /// It migrates or resets steps.
    Migrating,
    /// It finalizes steps.
    Finalizing,
}

/// The state of a target, by its last run, whether that run's holder is at work, and what is left to do.
pub(super) fn of_run(
    last: Option<&RunRecord>,
    is_live: bool,
    pending: bool,
    unfinalized: bool,
) -> State {
    let activity = |run: &RunRecord| match run.phase {
        Phase::Prepare => Activity::Preparing,
        Phase::Migrate | Phase::Reset => Activity::Migrating,
        Phase::Finalize => Activity::Finalizing,
    };
    observe(Facts {
        running: last
            .filter(|run| is_live && run.outcome.is_none())
            .map(activity),
        // A failure that left nothing to be done again is history; a reset that failed has changed nothing.
        failed: last
            .filter(|run| run.outcome == Some(Outcome::Failed) && run.phase != Phase::Reset)
            .filter(|run| match run.phase {
                Phase::Finalize => pending || unfinalized,
                _ if is_in_the_way(run) => pending || unfinalized,
                _ => pending && !met_a_closed_gate(run),
            })
            .map(activity),
        pending,
        unfinalized,
    })
}

/// Whether a run has migrated all that it was to, and was then not allowed to finalize.
fn met_a_closed_gate(run: &RunRecord) -> bool {
    let failure = run.error.as_ref().and_then(Failure::from_json);
    failure.is_some_and(|failure| failure.is_closed_gate())
}

/// Whether a run has migrated all that it was to, and found that the finalize of a step could not succeed.
fn is_in_the_way(run: &RunRecord) -> bool {
    let failure = run.error.as_ref().and_then(Failure::from_json);
    failure.is_some_and(|failure| failure.phase == Some(Phase::Finalize) && failure.step.is_some())
}

/// The state that the facts add up to.
pub(super) fn observe(facts: Facts) -> State {
    match facts {
        Facts {
            running: Some(activity),
            ..
        } => match activity {
            Activity::Preparing => State::MigrationPreparing,
            Activity::Migrating => State::MigrationRunning,
            Activity::Finalizing => State::FinalizationRunning,
        },
        Facts {
            failed: Some(Activity::Finalizing),
            ..
        } => State::FinalizationFailed,
        Facts {
            failed: Some(_), ..
        } => State::MigrationFailed,
        Facts { pending: true, .. } => State::MigrationRequired,
        Facts {
            unfinalized: true, ..
        } => State::FinalizationRequired,
        Facts { .. } => State::Finalized,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const STATES: [State; 8] = [
        State::MigrationRequired,
        State::MigrationPreparing,
        State::MigrationRunning,
        State::MigrationFailed,
        State::FinalizationRequired,
        State::FinalizationRunning,
        State::FinalizationFailed,
        State::Finalized,
    ];

    const COMMANDS: [Command; 3] = [Command::Migrate, Command::Finalize, Command::Reset];

    const FACTS: [(&str, Facts); 8] = [
        (
            "a living run prepares",
            Facts {
                running: Some(Activity::Preparing),
                ..ALL
            },
        ),
        (
            "a living run migrates or resets",
            Facts {
                running: Some(Activity::Migrating),
                ..ALL
            },
        ),
        (
            "a living run finalizes",
            Facts {
                running: Some(Activity::Finalizing),
                ..ALL
            },
        ),
        (
            "otherwise: the last run failed while it finalized",
            Facts {
                failed: Some(Activity::Finalizing),
                ..ALL
            },
        ),
        (
            "otherwise: the last run failed while it prepared or migrated",
            Facts {
                failed: Some(Activity::Migrating),
                ..ALL
            },
        ),
        ("otherwise: a step on disk is not wholly migrated", ALL),
        (
            "otherwise: a step is migrated and not finalized",
            Facts {
                pending: false,
                ..ALL
            },
        ),
        (
            "otherwise",
            Facts {
                pending: false,
                unfinalized: false,
                ..ALL
            },
        ),
    ];

    /// All that can be true beside a run, so that the first matching row is the one that decides.
    const ALL: Facts = Facts {
        running: None,
        failed: None,
        pending: true,
        unfinalized: true,
    };

    fn tables() -> String {
        let mut text = String::from("| what is so | state |\n|---|---|\n");
        for (what, facts) in FACTS {
            let _ = writeln!(text, "| {what} | {} |", observe(facts).as_str());
        }
        text.push_str("\nWhat each command does in each state:\n\n| state | migrate | finalize | reset |\n|---|---|---|---|\n");
        let rows = STATES.iter().flat_map(|state| {
            let rows: &[(bool, &str)] = match state {
                State::FinalizationFailed => &[(true, ", a step is pending"), (false, ", none is")],
                _ => &[(true, "")],
            };
            rows.iter().map(move |row| (*state, *row))
        });
        for (state, (pending, when)) in rows {
            let _ = write!(text, "| {}{when} ", state.as_str());
            for asked in COMMANDS {
                let _ = match command(state, asked, pending) {
                    Verdict::Start(next) => write!(text, "| → {} ", next.as_str()),
                    Verdict::Nothing => write!(text, "| nothing to do "),
                    Verdict::Refuse(Refusal::Running) => write!(text, "| refused: running "),
                    Verdict::Refuse(Refusal::FinalizationFailed) => {
                        write!(text, "| refused: finalize or reset first ")
                    }
                };
            }
            text.push_str("|\n");
        }
        text
    }

    #[test]
    fn the_documentation_shows_the_machine_as_it_is() {
        let page = include_str!("../../../docs/states.md");
        assert!(
            page.contains(&tables()),
            "docs/states.md must contain:\n{}",
            tables()
        );
    }

    #[test]
    fn a_target_without_a_living_run_is_never_stuck() {
        for (what, facts) in FACTS.iter().filter(|(_, facts)| facts.running.is_none()) {
            let state = observe(*facts);
            let has_a_way = COMMANDS
                .iter()
                .any(|asked| matches!(command(state, *asked, facts.pending), Verdict::Start(_)));
            assert!(has_a_way || state == State::Finalized, "no way out: {what}");
        }
    }
}
