//! What runs tell, as structured log lines with the numbers of run and step.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;

use crate::engine::{Event, Supervisor};
use crate::output::Level;

/// Logs every event for as long as the supervisor lives. May be dropped at any time.
pub async fn log_runs(supervisor: Arc<Supervisor>) {
    let (_, mut events) = supervisor.subscribe(supervisor.newest_event());
    // Told by the events themselves: the run may have ended by the time that they are read.
    let mut run = 0;
    loop {
        match events.recv().await {
            Ok(numbered) => {
                if let Event::RunStarted { run: started, .. } = *numbered.event {
                    run = started;
                }
                log(run, &numbered.event);
            }
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events went by unlogged"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn log(run: i64, event: &Event) {
    match event {
        Event::RunStarted {
            command,
            steps,
            release,
            ..
        } => {
            let release = release.as_ref().map(|release| &*release.reference);
            tracing::info!(run, command, steps, release, "run started")
        }
        Event::Loading {
            step,
            compiling: true,
            ..
        } => tracing::info!(run, step, "compiling"),
        Event::Prepared { steps, rows } => tracing::info!(run, steps, rows, "prepared"),
        Event::StepStarted {
            step,
            phase,
            attempt,
            ..
        } => tracing::info!(run, step, phase = phase.as_str(), attempt, "step started"),
        Event::Output { step, line } => match line.level {
            Level::Debug => tracing::debug!(run, step, "{}", line.line),
            Level::Info => tracing::info!(run, step, "{}", line.line),
            Level::Warning => tracing::warn!(run, step, "{}", line.line),
            Level::Error => tracing::error!(run, step, "{}", line.line),
        },
        Event::Checkpoint { step } => tracing::debug!(run, step, "checkpoint"),
        Event::StepEnded {
            step,
            phase,
            outcome,
            milliseconds,
            rolled_back,
        } => tracing::info!(
            run,
            step,
            phase = phase.as_str(),
            outcome = outcome.as_str(),
            milliseconds,
            rolled_back,
            "step ended"
        ),
        Event::StepRan {
            step,
            phase,
            milliseconds,
        } => tracing::info!(
            run,
            step,
            phase = phase.as_str(),
            milliseconds,
            "step ran, and is not committed yet"
        ),
        Event::Retrying {
            step,
            attempt,
            message,
            ..
        } => tracing::warn!(run, step, attempt, message, "trying again"),
        Event::RunEnded {
            outcome,
            state,
            failure,
            ..
        } => {
            let state = state.map(crate::engine::State::as_str);
            match failure {
                None => tracing::info!(run, outcome = outcome.as_str(), state, "run ended"),
                Some(failure) => tracing::error!(
                    run,
                    outcome = outcome.as_str(),
                    state,
                    failure = %failure,
                    "run ended"
                ),
            }
        }
        Event::Pace { step, pace } => {
            tracing::debug!(
                run,
                step,
                pace.rows_per_second,
                pace.chunk_rows,
                pace.captured_rows,
                "pace"
            );
        }
        Event::Paused { waits_for } => tracing::info!(run, waits_for, "run is paused"),
        Event::Resumed => tracing::info!(run, "run continues"),
        Event::Warning { message } => tracing::warn!("{message}"),
        Event::Waiting {
            holder,
            run: None,
            message: Some(message),
        } => tracing::warn!(run, "waiting for {holder}: {message}"),
        Event::Waiting { .. } | Event::Loading { .. } | Event::Progress { .. } => {}
    }
}
