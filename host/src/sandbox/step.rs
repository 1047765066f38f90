//! Components of the world `step`, of all versions of the contract. A later version has all that 0.1 has, and more exports.

use wasmtime::Store;
use wasmtime::component::{Component, InstancePre, Linker};

use super::StepHost;
use super::bindings::phases::{Phases as PhaseExports, PhasesIndices};
use super::bindings::{Step, StepIndices};
use super::state::State;

/// What a component says of itself.
#[derive(Clone, Debug)]
pub struct Description {
    /// What it does, in one sentence.
    pub summary: String,
    /// Whether it runs inside a transaction.
    pub transactional: bool,
    /// Which phases it has; none where it was built against 0.1, which does not tell.
    pub phases: Option<Phases>,
}

/// Which phases a step has beside its `migrate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Phases {
    /// Whether its `finalize` does anything.
    pub finalize: bool,
    /// Whether it can be undone.
    pub reset: bool,
}

/// The exports of [`Phases`]. Whoever has one of them must have both.
const PHASES: [&str; 2] = ["has-finalize", "has-reset"];

/// A step, linked.
pub(super) struct LinkedStep<H: 'static> {
    component: InstancePre<State<H>>,
    exports: StepIndices,
    /// Where it was built against 0.2.
    phases: Option<PhasesIndices>,
}

impl<H> Clone for LinkedStep<H> {
    fn clone(&self) -> Self {
        Self {
            component: self.component.clone(),
            exports: self.exports.clone(),
            phases: self.phases.clone(),
        }
    }
}

impl<H: StepHost> LinkedStep<H> {
    /// Links a component with what it imports. Fails when it does not fit.
    pub(super) fn new(linker: &Linker<State<H>>, component: &Component) -> wasmtime::Result<Self> {
        let tells = |export: &&str| component.get_export_index(None, export).is_some();
        let has_phases = PHASES.iter().any(tells);
        let component = linker.instantiate_pre(component)?;
        let phases = has_phases.then(|| PhasesIndices::new(&component));
        Ok(Self {
            exports: StepIndices::new(&component)?,
            phases: phases.transpose()?,
            component,
        })
    }

    /// Whether it says which phases it has.
    pub(super) fn tells_phases(&self) -> bool {
        self.phases.is_some()
    }

    pub(super) async fn instantiate(
        &self,
        store: &mut Store<State<H>>,
    ) -> wasmtime::Result<StepInstance> {
        let instance = self.component.instantiate_async(&mut *store).await?;
        let exports = self.exports.load(&mut *store, &instance)?;
        let phases = self.phases.as_ref();
        let phases = phases.map(|phases| phases.load(store, &instance));
        Ok(StepInstance {
            exports,
            phases: phases.transpose()?,
        })
    }
}

/// The same, instantiated.
pub(super) struct StepInstance {
    pub(super) exports: Step,
    phases: Option<PhaseExports>,
}

impl StepInstance {
    /// Asks the component what it is.
    pub(super) async fn describe<H: StepHost>(
        &self,
        store: &mut Store<State<H>>,
    ) -> wasmtime::Result<Description> {
        let description = self.exports.call_describe(&mut *store).await?;
        let phases = match &self.phases {
            Some(exports) => Some(Phases {
                finalize: exports.call_has_finalize(&mut *store).await?,
                reset: exports.call_has_reset(store).await?,
            }),
            None => None,
        };
        Ok(Description {
            summary: description.summary,
            transactional: description.transactional,
            phases,
        })
    }
}
