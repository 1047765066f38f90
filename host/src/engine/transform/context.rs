//! What everything that a backfill consists of works with.

use std::sync::Arc;

use super::function::Function;
use crate::database::{Session, Stop};
use crate::engine::Engine;
use crate::engine::loaded::Loaded;
use crate::engine::step_output::RunContext;
use crate::journal::{Fenced, Lease, Phase};

/// The backfill of one step.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Backfill<'b> {
    pub(in crate::engine) engine: &'b Engine,
    pub(in crate::engine) context: &'b Arc<RunContext>,
    pub(in crate::engine) loaded: &'b Loaded,
    pub(in crate::engine) lease: &'b Lease,
    pub(in crate::engine) stop: &'b Stop,
}

impl Backfill<'_> {
    /// The step's function, which `stop` stops.
    pub(super) fn function<'f>(&'f self, stop: &'f Stop) -> Function<'f> {
        Function::new(self.engine, self.context, self.loaded, Phase::Migrate, stop)
    }

    /// Commits the open transaction, in which something of the step's may have run, with what the function has said.
    pub(super) async fn commit(&self, session: &mut dyn Session) -> crate::database::Result<()> {
        let fenced = Fenced::of_steps(session, self.lease).verify().await?;
        fenced.with_output(&*self.context.output).commit().await
    }
}
