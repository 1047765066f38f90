//! `POST /internal/migrations`: the real binary serves, and every answer is read as its clients read it.
//!
//! A [`Service`] serves a place whose steps obey the place's own tables (`steps`): they wait, fail or go on as the test
//! says. So each state is held for as long as it is looked at, and nothing depends on who is quicker.

mod authentication;
mod bodies;
mod checks;
mod client;
mod clients;
mod dialects;
mod exception;
mod output;
mod progress;
mod recovery;
pub mod service;
mod states;
mod statistics;
pub mod steps;

use serde_json::{Value, json};

use crate::place::Place;
use client::{Answer, Request};
use service::Service;

const CURRENT: &str = "current";
const FULL_OUTPUT: &str = "full-output";
const PROGRESS: &str = "progress";
const DIALECTS: [&str; 3] = [CURRENT, FULL_OUTPUT, PROGRESS];

/// Answers come at once, whatever goes on.
const AT_ONCE: u64 = 0;

/// Answers wait for the end of the work.
const AT_THE_END: u64 = 60_000;

impl Service {
    /// Sends a command in a dialect.
    pub fn command(&self, dialect: &str, command: &str) -> Answer {
        self.send(Request::command(dialect, command))
    }

    /// Sends a command in a dialect, which is answered in the affirmative.
    #[track_caller]
    pub fn ask(&self, dialect: &str, command: &str) -> Value {
        self.command(dialect, command).succeeds()
    }

    /// What `stats` shows.
    #[track_caller]
    pub fn stats(&self, dialect: &str) -> Value {
        self.ask(dialect, "stats")["stats"].take()
    }
}

/// The state as a dialect shows it, once something has run.
fn shown(dialect: &str, state: &str) -> Value {
    let is_running = [
        "migration_preparing",
        "migration_running",
        "finalization_running",
    ]
    .contains(&state);
    match (dialect, state) {
        (PROGRESS, _) => json!(if is_running { 1 } else { 2 }),
        (FULL_OUTPUT, "migration_preparing") => json!("migration_running"),
        _ => json!(state),
    }
}

/// A place whose only step does as it is told.
fn obedient() -> Place {
    steps::obeyed(Place::new()).with_component("0001_work.wasm", steps::work())
}
