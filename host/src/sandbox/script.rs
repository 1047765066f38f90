//! Steps that are scripts: text, and the component of the host's own that runs it.
//!
//! A runner is a component like any other, in the same sandbox and under the same limits, with one import more: the text of
//! the script. It is compiled once and shared by all scripts in its language.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::Store;

use super::asked::{Asked, finish};
use super::bindings::runner::Form;
use super::error::{self, StopError};
use super::modules::{Modules, RunBy, Script};
use super::runners::StepRunner;
use super::{Component, Error, Sandbox, StepHost, World};
use crate::database::{Stop, StopReason};

/// The ending of files in Python.
const PYTHON_ENDING: &str = ".py";

impl<H> Component<H> {
    /// What runs it, where it is a script: part of the host, and another one in another version of it.
    pub fn runner(&self) -> Option<RunBy> {
        self.script.as_ref().map(|script| script.by)
    }

    pub(super) fn modules(&self) -> Option<Modules> {
        self.script
            .as_ref()
            .map(|script| Arc::clone(&script.modules))
    }
}

impl<H: StepHost> Sandbox<H> {
    /// Makes a component of a script: reads it with its runner, and says what is wrong with it.
    pub fn load_script(
        &self,
        script: &Modules,
        settings: &Arc<BTreeMap<String, String>>,
        stop: &Stop,
    ) -> Result<Component<H>, Error> {
        let (main, _) = script
            .first()
            .ok_or_else(|| Error::Host("there is no script".to_owned()))?;
        let is_python = main.to_ascii_lowercase().ends_with(PYTHON_ENDING);
        let runner = match is_python {
            true => self.python_runner(stop)?,
            false => self.step_runner(stop)?,
        };
        let script = &self.without_types(script, stop)?;
        let form = self.form(&runner, script, settings, stop)?;
        let (world, interface, by) = match (form, &runner.transforms) {
            (Form::Step, _) => (
                World::Step(runner.linked.clone()),
                runner.interface.clone(),
                runner.by,
            ),
            (Form::Transformation, Some(transforms)) => (
                World::Transform(Arc::clone(transforms)),
                runner.interface.as_transformation(),
                runner.by,
            ),
            (Form::Transformation, None) => {
                let runner = self.transform_runner(stop)?;
                (
                    World::Transform(Arc::clone(&runner.linked)),
                    runner.interface.clone(),
                    runner.by,
                )
            }
        };
        Ok(Component {
            world,
            interface,
            script: Some(Script {
                modules: Arc::clone(script),
                by,
            }),
        })
    }

    /// What a script is.
    fn form(
        &self,
        runner: &StepRunner<H>,
        script: &Modules,
        settings: &Arc<BTreeMap<String, String>>,
        stop: &Stop,
    ) -> Result<Form, Error> {
        let (deadline, stop) = self.inspection(stop);
        let asked = async {
            let mut store = self.asking(script, settings, &stop);
            let output = store.data().inner.output.clone();
            let inspected = tokio::select! {
                biased;
                inspected = async {
                    let instance = runner.asked.instantiate_async(&mut store).await?;
                    instance.call_inspect(&mut store).await
                } => inspected,
                reason = stop.stopped() => Err(StopError(reason).into()),
            };
            let inspected =
                inspected.map_err(|error| match error::classify(error, &self.limits) {
                    Error::Stopped(StopReason::Deadline(_)) => Error::Load(format!(
                        "what stands outside of its functions is not done after {} s",
                        deadline.as_secs()
                    )),
                    error => error.after(|| output.last_lines()),
                })?;
            inspected.map_err(|why| {
                let most = super::to_usize(self.limits.output_line_bytes);
                Error::Load(crate::output::cut(&why, most))
            })
        };
        finish(asked)
    }

    fn asking(
        &self,
        script: &Modules,
        settings: &Arc<BTreeMap<String, String>>,
        stop: &Stop,
    ) -> Store<Asked> {
        let asked = Asked {
            inner: self.unread(Some(script)),
            settings: Arc::clone(settings),
        };
        let mut store = Store::new(&self.engine, asked);
        store.limiter(|state| &mut state.inner.limiter);
        self.bound(&mut store, stop);
        store
    }
}
