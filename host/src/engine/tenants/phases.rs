//! The phases of a run of tenants, as the journal shows them, and the gate between them.

use super::context::TenancyContext;
use super::work::{Wave, Work, concerned};
use crate::database::{Durability, Session};
use crate::engine::failure::Failure;
use crate::engine::gate;
use crate::journal::{self, Lease, Phase};

pub(super) async fn pass_the_gate(
    tenancy: &TenancyContext<'_>,
    waves: &[Wave],
    lease: &Lease,
) -> Result<(), Failure> {
    let Some(gate) = &tenancy.engine.options.gate else {
        return Ok(());
    };
    let places = concerned(waves);
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

pub(super) async fn set_phase(
    session: &mut dyn Session,
    work: Work,
    lease: &Lease,
) -> Result<(), Failure> {
    let phase = match work {
        Work::Reset => return Ok(()),
        Work::Apply | Work::Sync | Work::Migrate | Work::Finalize => Phase::Migrate,
    };
    let written = async {
        session.begin(Durability::Deferred).await?;
        journal::set_phase(session, lease.run, phase, None).await?;
        lease.fence(session).await?;
        session.commit().await
    };
    written.await.map_err(Failure::from_database)
}
