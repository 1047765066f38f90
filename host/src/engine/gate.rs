//! What must be asked before a run continues.

use std::sync::Arc;

use super::failure::{Blame, Failure};
use crate::database::Stop;
use crate::journal::Phase;

/// Says whether a run may continue. May block for as long as it takes: the run waits, and can be cancelled meanwhile.
pub trait Gate: std::fmt::Debug + Send + Sync {
    /// Whether the steps of a run may be finalized; else why not.
    fn before_finalize(&self, target: &str, run: i64, steps: &[String]) -> Result<(), String>;
}

/// Asks a gate on a thread of its own.
pub(super) async fn pass(
    gate: &Arc<dyn Gate>,
    target: &str,
    run: i64,
    steps: Vec<String>,
    stop: &Stop,
) -> Result<(), Failure> {
    let (sender, answer) = tokio::sync::oneshot::channel();
    let (gate, target) = (Arc::clone(gate), target.to_owned());
    let asking = std::thread::Builder::new()
        .name("gate".to_owned())
        .spawn(move || {
            // The run may have been cancelled meanwhile.
            let _ = sender.send(gate.before_finalize(&target, run, &steps));
        });
    let refused = |why: &str| Failure {
        phase: Some(Phase::Finalize),
        ..Failure::new(
            "refused",
            Blame::Operator,
            format!(
                "the gate before the finalize did not open, so that nothing was finalized: {why}"
            ),
        )
    };
    asking.map_err(|error| refused(&error.to_string()))?;
    tokio::select! {
        answer = answer => match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(refused(&why)),
            Err(_) => Err(refused("it broke down")),
        },
        _ = stop.stopped() => Err(Failure::cancelled()),
    }
}
