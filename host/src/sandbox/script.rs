//! Steps that are scripts: text, and the component of the host's own that runs it.
//!
//! A runner is a component like any other, in the same sandbox and under the same limits, with one import more: the text of
//! the script. It is compiled once and shared by all scripts in its language.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use wasmigrate_runners::{JAVASCRIPT_STEP, JAVASCRIPT_TRANSFORM, Runner};
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker, ResourceTable};

use super::bindings::StepPre;
use super::bindings::runner::wasmigrate::runner::script::{Host, Module as GivenModule};
use super::bindings::runner::{Form, RunnerPre};
use super::error::{self, StopError};
use super::limits::Limiter;
use super::output::{Output, OutputWriter};
use super::state::State;
use super::transform::{self, TransformState};
use super::{Component, Error, Recorded, Sandbox, StepHost, World, inspect, wasi};
use crate::database::Stop;
use crate::output::Level;

/// How long a script may take to say what it is.
const INSPECTION: Duration = Duration::from_secs(20);

/// The files of a script, the step's own first: names and texts.
pub type Modules = Arc<[(String, String)]>;

/// The worlds that a runner is built for.
#[derive(Default)]
pub(super) struct Runners {
    step: OnceLock<wasmtime::component::Component>,
    transform: OnceLock<wasmtime::component::Component>,
}

/// Nobody reads what a script says while it is asked what it is; it says it again when it runs.
struct Unread;

impl OutputWriter for Unread {
    fn write(&self, _: Level, _: String) {}
}

impl<H: StepHost> Host for State<H> {
    fn modules(&mut self) -> Vec<GivenModule> {
        given(self.script.as_ref())
    }
}

impl Host for TransformState {
    fn modules(&mut self) -> Vec<GivenModule> {
        given(self.script.as_ref())
    }
}

fn given(script: Option<&Modules>) -> Vec<GivenModule> {
    let modules = script.iter().flat_map(|script| script.iter());
    modules
        .map(|(name, text)| GivenModule {
            name: name.clone(),
            text: text.clone(),
        })
        .collect()
}

impl<H: StepHost> Sandbox<H> {
    /// Makes a component of a script: reads it with its runner, and says what is wrong with it.
    pub fn load_script(&self, script: &Modules, stop: &Stop) -> Result<Component<H>, Error> {
        let failed = |error: wasmtime::Error| Error::Host(format!("{error:#}"));
        let runner = self.runner(&self.runners.step, JAVASCRIPT_STEP.as_ref(), stop)?;
        let mut linker = self.linker.clone();
        super::bindings::runner::wasmigrate::runner::script::add_to_linker::<_, HasSelf<_>>(
            &mut linker,
            |state: &mut State<H>| state,
        )
        .map_err(failed)?;
        let form = self.form(&runner, script, stop)?;
        let (component, world) = match form {
            Form::Step => {
                let linked = linker.instantiate_pre(&runner).and_then(StepPre::new);
                (runner, World::Step(linked.map_err(failed)?))
            }
            Form::Transformation => {
                let runner =
                    self.runner(&self.runners.transform, JAVASCRIPT_TRANSFORM.as_ref(), stop)?;
                let linked = transform::link(&self.script_linker(&runner)?, &runner);
                (runner, World::Transform(linked.map_err(failed)?))
            }
        };
        let mut interface = inspect::interface(&self.engine, &component);
        interface.hide_the_runner();
        Ok(Component {
            world,
            interface,
            script: Some(Arc::clone(script)),
        })
    }

    /// Whether what runs scripts is compiled.
    pub fn has_runner(&self) -> bool {
        self.runners.step.get().is_some()
            || JAVASCRIPT_STEP
                .as_ref()
                .is_some_and(|runner| self.is_compiled(runner.digest))
    }

    fn runner(
        &self,
        kept: &OnceLock<wasmtime::component::Component>,
        runner: Option<&Runner>,
        stop: &Stop,
    ) -> Result<wasmtime::component::Component, Error> {
        if let Some(compiled) = kept.get() {
            return Ok(compiled.clone());
        }
        let Some(runner) = runner else {
            return Err(Error::Load(format!(
                "this wasmigrate was built without what runs JavaScript: {}",
                wasmigrate_runners::MISSING
            )));
        };
        let compiled = match self.compiled(runner.digest) {
            Some(compiled) => compiled,
            None => self.compile(&runner.bytes(), runner.digest, stop)?,
        };
        Ok(kept.get_or_init(|| compiled).clone())
    }

    /// What offers a script and the language's runtime, and nothing of the host's.
    fn script_linker(
        &self,
        runner: &wasmtime::component::Component,
    ) -> Result<Linker<TransformState>, Error> {
        let mut linker = self.transform_linker.clone();
        let linked =
            super::bindings::runner::wasmigrate::runner::script::add_to_linker::<_, HasSelf<_>>(
                &mut linker,
                |state: &mut TransformState| state,
            )
            // What a step may reach is not there while it is asked what it is.
            .and_then(|()| linker.define_unknown_imports_as_traps(runner));
        linked.map_err(|error| Error::Host(format!("{error:#}")))?;
        Ok(linker)
    }

    /// What a script is.
    fn form(
        &self,
        runner: &wasmtime::component::Component,
        script: &Modules,
        stop: &Stop,
    ) -> Result<Form, Error> {
        let linker = self.script_linker(runner)?;
        let linked = linker.instantiate_pre(runner).and_then(RunnerPre::new);
        let linked = linked.map_err(|error| Error::Host(format!("{error:#}")))?;
        let asked = async {
            let stop = stop.child();
            stop.set_deadline(Some(INSPECTION));
            let mut store = self.script_store(script, &stop);
            let output = store.data().output.clone();
            let inspected = tokio::select! {
                biased;
                inspected = async {
                    let instance = linked.instantiate_async(&mut store).await?;
                    instance.call_inspect(&mut store).await
                } => inspected,
                reason = stop.stopped() => Err(StopError(reason).into()),
            };
            let inspected = inspected.map_err(|error| {
                error::classify(error, &self.limits).after(|| output.last_lines())
            })?;
            inspected.map_err(|why| {
                let most = super::to_usize(self.limits.output_line_bytes);
                Error::Load(crate::output::cut(&why, most))
            })
        };
        // Whoever asks may be inside a runtime already, which may not wait for another on the same thread.
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .map_err(|error| Error::Host(error.to_string()))?;
                runtime.block_on(asked)
            });
            let unknown = |_| Err(Error::Host("the script could not be read".to_owned()));
            asking.join().unwrap_or_else(unknown)
        })
    }

    fn script_store(&self, script: &Modules, stop: &Stop) -> Store<TransformState> {
        let output = Output::new(Arc::new(Unread), &self.limits);
        let recorded = Recorded {
            started_at: 0,
            seed: 0,
        };
        let state = TransformState {
            limits: self.limits.clone(),
            limiter: Limiter::new(&self.limits),
            table: ResourceTable::new(),
            wasi: wasi::context(recorded, &output),
            output,
            script: Some(Arc::clone(script)),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        self.bound(&mut store, stop);
        store
    }
}
