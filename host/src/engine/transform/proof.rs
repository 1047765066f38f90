//! Proves before the cut-over that no required value is missing: the server need not read the table through for that while
//! nobody else can use it.
//!
//! A server takes a check that it has found to hold for a proof, and finds that out beside the application. But the application continues inserting rows without derived values, until the drain has
//! computed them. So the columns get a default until the cut-over: a value that another row has.

use super::drain::Drain;
use super::lock::lock_table;
use crate::database::{Durability, Session};
use crate::engine::failure::Failure;
use crate::journal::{Fenced, Lease};

/// Proves it where it can, in transactions of its own. Every row has its values, or waits in the capture.
pub(super) async fn prove(
    drain: &mut Drain<'_>,
    session: &mut dyn Session,
    lease: &Lease,
) -> Result<(), Failure> {
    let plan = drain.plan;
    // Rows that are not concerned have no values.
    let rewrites = session.server().capabilities.schema_change_rewrites_table;
    if rewrites || plan.table.has_parts || plan.table.filter.is_some() {
        return Ok(());
    }
    session.begin_read().await.map_err(Failure::from_database)?;
    let defaults = plan.table.defaults(session).await;
    session.rollback().await.map_err(Failure::from_database)?;
    let Some(defaults) = defaults.map_err(Failure::from_database)? else {
        return Ok(());
    };
    let locked = async {
        session.begin(Durability::Deferred).await?;
        lock_table(session, plan, drain.function.stop).await
    };
    locked.await.map_err(Failure::from_database)?;
    drain.all(session).await?;
    let output = &*drain.function.context.output;
    let proven = async {
        plan.table.add_checks(session, &defaults).await?;
        let fenced = Fenced::of_steps(session, lease).verify().await?;
        fenced.with_output(output).commit().await?;
        session.begin(Durability::Deferred).await?;
        plan.table.keep_vacuum_away(session).await?;
        plan.table.validate_checks(session).await?;
        let fenced = Fenced::of_steps(session, lease).verify().await?;
        fenced.with_output(output).commit().await
    };
    proven.await.map_err(Failure::from_database)
}
