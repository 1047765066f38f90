//! What a host that serves drains between migrate and finalize.

use std::sync::Arc;

use super::bad_rows;
use super::drain::{AT_ONCE, Drain, FEW, give_way};
use super::function::Function;
use super::holdup;
use super::plan::{Plan, Stage};
use super::record::recorded;
use crate::database::{Session, Stop};
use crate::engine::failure::{Blame, Failure};
use crate::engine::loaded::Loaded;
use crate::engine::step_output::RunContext;
use crate::engine::{Engine, OnBadRow};
use crate::journal::{self, Phase, TransformationRecord};
use crate::output::counted;

/// What was drained between two runs.
#[derive(Default)]
pub(in crate::engine) struct DrainedIdle {
    /// How many changed rows were drained.
    pub(in crate::engine) rows: usize,
    /// Whether there is more to drain.
    pub(in crate::engine) has_more: bool,
    /// Why some rows wait for a run.
    pub(in crate::engine) refused: Option<Failure>,
}

/// Drains what the application has changed since the last run, in the open transaction, during which nobody can take the
/// lease. Rows that would fail a run stay captured; the others do not wait for them.
pub(in crate::engine) async fn drain_idle(
    engine: &Engine,
    context: &Arc<RunContext>,
    loaded: &Loaded,
    begun: &TransformationRecord,
    session: &mut dyn Session,
    stop: &Stop,
) -> Result<DrainedIdle, Failure> {
    let lag = session.replication_lag().await;
    if holdup::lags(engine, lag.map_err(Failure::from_database)?).is_some() {
        return Ok(DrainedIdle::default());
    }
    let description = recorded(begun)?;
    let plan = Plan::new(session, loaded.step.index, description, Stage::SetUp).await?;
    let mut function = Function::new(engine, context, loaded, Phase::Migrate, stop);
    let room = match std::mem::replace(&mut function.on_bad_row, OnBadRow::Quarantine) {
        OnBadRow::Fail => 0,
        OnBadRow::Quarantine => bad_rows::room(engine, &plan, session).await?,
    };
    give_way(session).await?;
    let mut drain = Drain::new(function, &plan);
    let (anew, waiting) = drain.compute_without_bad_rows(session, room).await?;
    let refused = waiting.first().map(|row| {
        let message = format!(
            "{} {} for a run, which it would fail; the first one has the key {}: {}",
            counted(waiting.len() as u64, "changed row", "changed rows"),
            if waiting.len() == 1 { "waits" } else { "wait" },
            row.key,
            row.message
        );
        Failure::new("failed", Blame::Step, message).of(&loaded.step.label, Phase::Migrate)
    });
    if anew.captured.is_nothing() && waiting.len() < AT_ONCE {
        return Ok(DrainedIdle {
            refused,
            ..DrainedIdle::default()
        });
    }
    // The oldest are read first: those that wait do not stand in the way of others.
    let mut keys = Vec::new();
    for row in &waiting {
        keys.push(journal::read_key(&row.key).map_err(Failure::from_database)?);
    }
    let drained = drain.write(session, anew, None).await?;
    if !keys.is_empty() {
        let captured = plan.table.capture(session, keys).await;
        captured.map_err(Failure::from_database)?;
    }
    let done = drained.changes.saturating_sub(drained.again);
    Ok(DrainedIdle {
        rows: drained.changes,
        has_more: done.saturating_sub(waiting.len()) >= FEW.min(drain.at_once),
        refused,
    })
}
