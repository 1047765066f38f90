//! A run that has no end in the journal, as people see it.

use crate::journal::{LeaseRecord, Outcome, RunRecord};

/// The run as it is shown. `lease` is that of whoever is at work. A run without an end that nobody is at was interrupted: the
/// journal says so only once the next run begins, which may be never.
pub(super) fn seen(run: RunRecord, lease: Option<&LeaseRecord>) -> RunRecord {
    let is_at_work = lease.is_some_and(|lease| lease.run == run.id);
    match run.outcome {
        None if !is_at_work => RunRecord {
            outcome: Some(Outcome::Interrupted),
            ..run
        },
        _ => run,
    }
}
