//! What holds up work beside the application: the operator's word, others who wait for its locks, and replicas that lag.

use std::time::Duration;

use crate::database::{Result, Session};
use crate::engine::{Engine, pause};
use crate::journal;

/// What is seen at one look.
pub(super) struct Holdup {
    /// Why the work should pause, in words; none when it should not.
    pub(super) why: Option<String>,
    pub(super) replica_lag: Option<Duration>,
}

/// Looks whether a run should pause, in the open transaction.
pub(super) async fn look(engine: &Engine, run: i64, session: &mut dyn Session) -> Result<Holdup> {
    let pause = journal::read_pause(session, run).await?;
    let waiting = session.waiting_for_run(run).await?;
    let replica_lag = session.replication_lag().await?;
    let why = pause::reason(pause).or_else(|| match waiting {
        0 => lags(engine, replica_lag),
        waiting => Some(format!("{waiting} others wait for locks of this run")),
    });
    Ok(Holdup { why, replica_lag })
}

/// Whether replicas lag too far behind, in words.
pub(super) fn lags(engine: &Engine, lag: Option<Duration>) -> Option<String> {
    let (lag, most) = (lag?, engine.options.transform.max_replica_lag?);
    (lag > most).then(|| {
        format!(
            "a replica is {} s behind: the limit `transform.max_replica_lag_seconds` is {}",
            lag.as_secs(),
            most.as_secs()
        )
    })
}
