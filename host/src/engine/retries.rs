//! Whether something that failed is tried again, and after which pause.

use std::time::Duration;

use super::event::{Event, Observer};
use super::failure::Failure;
use crate::database::Stop;

/// How often, and when, something that failed is tried again within its run.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How often something is tried at most, the first try included.
    attempts: u32,
    /// The pause before the second try; it doubles with each further one.
    first_delay: Duration,
    /// The longest pause.
    longest_delay: Duration,
    /// Whether everything is tried again that is not known to be final; else only what says that another try may help.
    is_patient: bool,
}

impl Retries {
    /// Tries again soon, and only what says that another try may help: somebody waits for the command to end.
    pub fn brief(attempts: u32) -> Self {
        Self {
            attempts,
            first_delay: Duration::from_millis(200),
            longest_delay: Duration::from_secs(10),
            is_patient: false,
        }
    }

    /// Tries everything again that may pass, also when the target was lost: for a service that is left to itself.
    pub fn patient(attempts: u32, first_delay: Duration) -> Self {
        Self {
            attempts,
            first_delay,
            longest_delay: Duration::from_secs(300),
            is_patient: true,
        }
    }

    /// The pause before the try after the one that failed as the `attempt`th; none when that was the last.
    pub(super) fn pause(&self, failure: &Failure, attempt: u32) -> Option<Duration> {
        let is_worth_it = failure.retryable || (self.is_patient && may_pass(failure));
        (is_worth_it && attempt < self.attempts).then(|| {
            self.first_delay
                .saturating_mul(1 << attempt.saturating_sub(1).min(16))
                .min(self.longest_delay)
        })
    }
}

/// Says that a step, or what else the run was doing, is tried again, as the `attempt`th time, and waits for the moment to do so; false when the run is
/// stopped before.
pub(super) async fn await_next_try(
    observer: &dyn Observer,
    step: &str,
    failure: &Failure,
    attempt: u32,
    pause: Duration,
    stop: &Stop,
) -> bool {
    observer.notify(&Event::Retrying {
        step: step.to_owned(),
        attempt,
        delay_milliseconds: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        message: failure.message.clone(),
    });
    tokio::select! {
        () = tokio::time::sleep(pause) => true,
        _ = stop.stopped() => false,
    }
}

/// Whether a failure may pass by itself, or when somebody mends its cause meanwhile. What a step gives up in its own
/// words is for it to say, and what is wrong before a step runs stays so while the run has it loaded.
fn may_pass(failure: &Failure) -> bool {
    !matches!(
        failure.code.as_str(),
        "failed" | "cancelled" | "lease" | "refused" | "files" | "load" | "incompatible" | "host"
    )
}
