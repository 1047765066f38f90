//! What everything that a backfill consists of works with.

use std::sync::Arc;

use super::function::Function;
use crate::database::Stop;
use crate::engine::Engine;
use crate::engine::loaded::Loaded;
use crate::engine::transaction::RunContext;
use crate::journal::{Lease, Phase};

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
}
