//! Looks after whoever a backfill might hold up, and drains what changes, while the workers work.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use super::context::Backfill;
use super::drain::Drain;
use super::holdup::{self, Holdup};
use super::pace::Rates;
use super::plan::Plan;
use super::worker::Shared;
use crate::database::{Access, Session};
use crate::engine::failure::Failure;
use crate::engine::pause::tell;
use crate::engine::{Event, Pace};

/// How often to look.
const INTERVAL: Duration = Duration::from_millis(250);

/// Every how many looks the pace is reported.
const LOOKS_OF_PACE: u32 = 4;

/// Watches until the last worker has `ended`.
pub(super) async fn watch(
    backfill: &Backfill<'_>,
    shared: &Shared<'_>,
    mut ended: mpsc::Receiver<()>,
) -> Result<(), Failure> {
    let Backfill { engine, lease, .. } = backfill;
    let observer = &*backfill.context.observer;
    let stop = backfill.stop.child();
    let opened = engine.database.open(Access::Write, &stop).await;
    let mut session = opened.map_err(Failure::from_database)?;
    session.label(lease.run);
    let mut drain = Drain::new(backfill.function(&stop), &shared.plan);
    let mut rates = Rates::new(shared.done.load(Ordering::Relaxed));
    for number in 1.. {
        tokio::select! {
            _ = ended.recv() => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let looked = look(backfill, &shared.plan, &mut *session).await;
        let Look {
            holdup,
            captured_rows,
            replica_lag,
        } = looked.map_err(Failure::from_database)?;
        if shared.hold(holdup.clone()) {
            let told = tell(&mut *session, observer, lease, holdup.as_deref()).await;
            told.map_err(Failure::from_database)?;
        }
        if holdup.is_none() && captured_rows > 0 && shared.throttle.wait().is_zero() {
            shared.drain(&mut drain, &mut *session, lease).await?;
        }
        if number % LOOKS_OF_PACE == 0 {
            let pace = Pace {
                chunk_rows: shared.chunk_rows.load(Ordering::Relaxed),
                captured_rows,
                replica_lag_seconds: replica_lag.map(|lag| lag.as_secs_f64()),
                ..rates.measure(shared.done.load(Ordering::Relaxed), shared.total)
            };
            let step = backfill.loaded.step.label.clone();
            observer.notify(&Event::Pace { step, pace });
        }
    }
    if shared.hold(None) {
        let told = tell(&mut *session, observer, lease, None).await;
        told.map_err(Failure::from_database)?;
    }
    Ok(())
}

/// As far as it is worth counting captured changes at each look.
const MOST_COUNTED: u64 = 100_000;

/// What is seen at one look.
struct Look {
    /// Why the work should pause, in words.
    holdup: Option<String>,
    captured_rows: u64,
    replica_lag: Option<Duration>,
}

async fn look(
    backfill: &Backfill<'_>,
    plan: &Plan,
    session: &mut dyn Session,
) -> crate::database::Result<Look> {
    session.begin_read().await?;
    let Holdup { why, replica_lag } =
        holdup::look(backfill.engine, backfill.lease.run, session).await?;
    let captured_rows = plan.table.count_captured(session, MOST_COUNTED).await?;
    session.rollback().await?;
    Ok(Look {
        holdup: why,
        captured_rows,
        replica_lag,
    })
}
