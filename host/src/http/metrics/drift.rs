//! Whether the schema is as the last run left it, looked at now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;

use super::gauges::gauge;
use crate::engine::{RunError, Supervisor, Verified};

/// How long what was found holds: a look reads the catalog of the database, and all files.
const HOLDS: Duration = Duration::from_secs(5 * 60);

/// What the last look found.
#[derive(Default)]
pub(super) struct Drift(Arc<Mutex<Looked>>);

#[derive(Default)]
struct Looked {
    /// When the last look began.
    at: Option<Instant>,
    /// The run that was the newest then.
    run: Option<i64>,
    /// Whether anything has changed; none where nobody can say.
    found: Option<bool>,
}

impl Drift {
    /// Registers what is known, and has it looked at anew when that is old. `run` is the newest run; while it `is_running` the schema
    /// changes as it should.
    pub(super) fn register(
        &self,
        registry: &mut Registry,
        supervisor: &Arc<Supervisor>,
        run: Option<i64>,
        is_running: bool,
    ) {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = looked.found.filter(|_| looked.run == run) {
            registry.register(
                "drifted",
                "Whether the schema has been changed since the last run, by somebody else",
                gauge(i64::from(found)),
            );
        }
        let is_old = looked.at.is_none_or(|at| at.elapsed() > HOLDS) || looked.run != run;
        if run.is_none() || is_running || !is_old {
            return;
        }
        looked.at = Some(Instant::now());
        if looked.run != run {
            (looked.run, looked.found) = (run, None);
        }
        let (known, supervisor) = (Arc::clone(&self.0), Arc::clone(supervisor));
        tokio::spawn(async move {
            let verified = supervisor.ask_about_files(async |engine| engine.verify().await);
            let found = match verified.await {
                Ok(Verified { schema_of_run, .. }) => schema_of_run.map(|_| false),
                Err(RunError::Drifted { .. }) => Some(true),
                // What cannot be compared has not drifted for all that is known.
                Err(_) => None,
            };
            known.lock().unwrap_or_else(PoisonError::into_inner).found = found;
        });
    }
}
