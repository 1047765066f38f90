//! The phases of a run of tenants, as the journal shows them, and the gate before the finalize.
//!
//! Tenants beside each other are migrated first, all of them; then the gate is asked, and then they are finalized. A run that
//! is one transaction has one phase, because nothing of it has happened before its commit: it finalizes when all was
//! migrated before, and else migrates. So a failure leaves a failed finalize only where something migrated was kept.

use super::context::TenancyContext;
use super::work::{Schedule, Work, concerned};
use crate::database::{Durability, Session};
use crate::engine::failure::Failure;
use crate::engine::gate;
use crate::journal::{self, Fenced, Lease, Phase};

/// The phase with which a run begins.
pub(super) fn first(work: Work, schedule: &Schedule) -> Phase {
    match work {
        Work::Reset => Phase::Reset,
        _ if schedule.only_finalizes() => Phase::Finalize,
        _ => Phase::Prepare,
    }
}

/// The phase of the first waves, when all is loaded; none when the run has it already.
pub(super) fn second(work: Work, schedule: &Schedule) -> Option<Phase> {
    (first(work, schedule) == Phase::Prepare).then_some(Phase::Migrate)
}

/// Asks whether the finalize may begin, where the operator wants that.
pub(super) async fn pass_the_gate(
    tenancy: &TenancyContext<'_>,
    schedule: &Schedule,
    lease: &Lease,
) -> Result<(), Failure> {
    let Some(gate) = &tenancy.engine.options.gate else {
        return Ok(());
    };
    let places = match schedule.finalize.is_empty() {
        true => concerned(schedule.tasks()),
        false => concerned(schedule.finalize.iter().flatten()),
    };
    let loaded = places.iter().filter_map(|place| tenancy.loaded.get(place));
    let labels = loaded.map(|loaded| loaded.step.label.clone()).collect();
    gate::pass(
        gate,
        tenancy.engine.database.name(),
        lease.run,
        labels,
        tenancy.stop,
    )
    .await
}

/// Writes down what the run does now.
pub(super) async fn set_phase(
    session: &mut dyn Session,
    phase: Phase,
    lease: &Lease,
) -> Result<(), Failure> {
    let written = async {
        let mut fenced = Fenced::begin(session, lease, Durability::Deferred).await?;
        journal::set_phase(fenced.session(), lease.run, phase, None).await?;
        fenced.commit().await
    };
    written.await.map_err(Failure::from_database)
}
