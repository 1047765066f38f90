//! Steps that are scripts: text, and the component of the host's own that runs it.
//!
//! A runner is a component like any other, in the same sandbox and under the same limits, with one import more: the text of
//! the script. It is compiled once and shared by all scripts in its language.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmigrate_runners::{JAVASCRIPT_STEP, JAVASCRIPT_TRANSFORM, Runner};
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{HasSelf, Linker, ResourceTable, ResourceType};
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::bindings::StepPre;
use super::bindings::eraser::EraserPre;
use super::bindings::runner::wasmigrate::runner::script::{self, Host, Module as GivenModule};
use super::bindings::runner::{Form, RunnerPre};
use super::bindings::transform::TransformPre;
use super::bindings::wasmigrate::migration::{report, settings, types};
use super::error::{self, StopError};
use super::inspect::Interface;
use super::limits::Limiter;
use super::modules::{Modules, Script};
use super::output::{Output, OutputWriter};
use super::state::State;
use super::transform::{self, TransformState};
use super::{Component, Error, Recorded, Sandbox, StepHost, World, inspect, wasi};
use crate::database::{self, Stop, StopReason};
use crate::output::Level;

/// How long a script may take to say what it is, where its deadline is not shorter.
const INSPECTION: Duration = Duration::from_secs(20);

impl<H> Component<H> {
    /// The SHA-256 of what runs it, where it is a script: part of the host, and another one in another version of it.
    pub fn runner(&self) -> Option<&'static str> {
        self.script.as_ref().map(|script| script.runner)
    }

    pub(super) fn modules(&self) -> Option<Modules> {
        self.script
            .as_ref()
            .map(|script| Arc::clone(&script.modules))
    }
}

/// Why this host runs no scripts, where it does not.
pub fn without_scripts() -> Option<String> {
    JAVASCRIPT_STEP.is_none().then(|| {
        format!(
            "this wasmigrate was built without what runs JavaScript: {}; build it again where that is installed",
            wasmigrate_runners::MISSING
        )
    })
}

/// The runners that this process has loaded: once for all scripts, however many begin at the same time.
pub(super) struct Runners<H: 'static> {
    step: Mutex<Option<Arc<StepRunner<H>>>>,
    transform: Mutex<Option<Arc<TransformRunner>>>,
    pub(super) eraser: Mutex<Option<EraserPre<TransformState>>>,
}

/// What runs scripts that are steps, and tells what a script is.
struct StepRunner<H: 'static> {
    linked: StepPre<State<H>>,
    asked: RunnerPre<Asked>,
    interface: Interface,
    digest: &'static str,
}

/// What runs scripts that are transformations.
struct TransformRunner {
    linked: TransformPre<TransformState>,
    interface: Interface,
    digest: &'static str,
}

impl<H> Default for Runners<H> {
    fn default() -> Self {
        Self {
            step: Mutex::new(None),
            transform: Mutex::new(None),
            eraser: Mutex::new(None),
        }
    }
}

/// The data of a store in which a script is asked what it is: the settings, and nothing else of the host's.
struct Asked {
    inner: TransformState,
    settings: Arc<BTreeMap<String, String>>,
}

impl WasiView for Asked {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.inner.ctx()
    }
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

impl Host for Asked {
    fn modules(&mut self) -> Vec<GivenModule> {
        self.inner.modules()
    }
}

impl settings::Host for Asked {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.settings.get(&name).cloned())
    }

    fn all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let settings = self.settings.iter();
        Ok(settings
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect())
    }
}

impl report::Host for Asked {
    fn output(&mut self, level: report::Level, text: String) -> wasmtime::Result<()> {
        let written = self.inner.output.write(level.into(), &text);
        written.map_err(wasmtime::Error::from)
    }

    fn progress(&mut self, _: u64, _: Option<u64>) -> wasmtime::Result<()> {
        Ok(())
    }

    async fn checkpoint(&mut self, _: Vec<u8>) -> Result<(), database::Error> {
        Err(database::Error::invalid_argument(
            "there is no checkpoint before `migrate` is called".to_owned(),
        ))
    }
}

impl types::Host for Asked {
    fn convert_error(&mut self, error: database::Error) -> wasmtime::Result<types::Error> {
        Ok(error.into())
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
    pub fn load_script(
        &self,
        script: &Modules,
        settings: &Arc<BTreeMap<String, String>>,
        stop: &Stop,
    ) -> Result<Component<H>, Error> {
        let runner = self.step_runner(stop)?;
        let script = &self.without_types(script, stop)?;
        let (world, interface, digest) = match self.form(&runner, script, settings, stop)? {
            Form::Step => (
                World::Step(runner.linked.clone()),
                runner.interface.clone(),
                runner.digest,
            ),
            Form::Transformation => {
                let runner = self.transform_runner(stop)?;
                (
                    World::Transform(runner.linked.clone()),
                    runner.interface.clone(),
                    runner.digest,
                )
            }
        };
        Ok(Component {
            world,
            interface,
            script: Some(Script {
                modules: Arc::clone(script),
                runner: digest,
            }),
        })
    }

    /// Whether what runs scripts is compiled.
    pub fn has_runner(&self) -> bool {
        let digest = JAVASCRIPT_STEP.as_ref().map(|runner| runner.digest);
        digest.is_some_and(|digest| self.is_compiled(digest))
    }

    fn step_runner(&self, stop: &Stop) -> Result<Arc<StepRunner<H>>, Error> {
        // Whoever comes while it is compiled waits here, and finds it.
        let mut kept = self
            .runners
            .step
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(runner) = &*kept {
            return Ok(Arc::clone(runner));
        }
        let (component, digest) = self.runner(JAVASCRIPT_STEP.as_ref(), stop)?;
        let linked = || {
            let mut linker = self.linker.clone();
            script::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State<H>| state)?;
            let linked = StepPre::new(linker.instantiate_pre(&component)?)?;
            let mut linker = Linker::new(&self.engine);
            wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
            script::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Asked| state)?;
            types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Asked| state)?;
            report::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Asked| state)?;
            settings::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Asked| state)?;
            without_database(&mut linker, &component)?;
            let asked = RunnerPre::new(linker.instantiate_pre(&component)?)?;
            Ok((linked, asked))
        };
        let (linked, asked) = linked().map_err(host_failed)?;
        let runner = Arc::new(StepRunner {
            linked,
            asked,
            interface: self.interface_of(&component),
            digest,
        });
        *kept = Some(Arc::clone(&runner));
        Ok(runner)
    }

    fn transform_runner(&self, stop: &Stop) -> Result<Arc<TransformRunner>, Error> {
        let mut kept = self
            .runners
            .transform
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(runner) = &*kept {
            return Ok(Arc::clone(runner));
        }
        let (component, digest) = self.runner(JAVASCRIPT_TRANSFORM.as_ref(), stop)?;
        let linked = || {
            let mut linker = self.transform_linker.clone();
            script::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut TransformState| {
                state
            })?;
            transform::link(&linker, &component)
        };
        let runner = Arc::new(TransformRunner {
            linked: linked().map_err(host_failed)?,
            interface: self.interface_of(&component),
            digest,
        });
        *kept = Some(Arc::clone(&runner));
        Ok(runner)
    }

    fn interface_of(&self, runner: &wasmtime::component::Component) -> Interface {
        let mut interface = inspect::interface(&self.engine, runner);
        interface.hide_the_runner();
        interface
    }

    pub(super) fn runner(
        &self,
        runner: Option<&Runner>,
        stop: &Stop,
    ) -> Result<(wasmtime::component::Component, &'static str), Error> {
        let Some(runner) = runner else {
            return Err(Error::Load(without_scripts().unwrap_or_default()));
        };
        let compiled = match self.compiled(runner.digest) {
            Some(compiled) => compiled,
            None => self.compile(&runner.bytes(), runner.digest, stop)?,
        };
        Ok((compiled, runner.digest))
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

    /// How long reading a script may take, and what ends it then.
    pub(super) fn inspection(&self, stop: &Stop) -> (Duration, Stop) {
        let deadline = Duration::from_secs(self.limits.deadline_seconds).min(INSPECTION);
        let stop = stop.child();
        stop.set_deadline(Some(deadline));
        (deadline, stop)
    }

    /// The data of a store before any step runs.
    pub(super) fn unread(&self, script: Option<&Modules>) -> TransformState {
        let output = Output::new(Arc::new(Unread), &self.limits);
        let recorded = Recorded {
            started_at: 0,
            seed: 0,
        };
        TransformState {
            limits: self.limits.clone(),
            limiter: Limiter::new(&self.limits),
            table: ResourceTable::new(),
            wasi: wasi::context(recorded, &output),
            output,
            script: script.cloned(),
        }
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

/// Waits for what is asked of a script. Whoever asks may be inside a runtime already, which may not wait for another on the same
/// thread.
pub(super) fn finish<T: Send>(
    asked: impl Future<Output = Result<T, Error>> + Send,
) -> Result<T, Error> {
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

/// The interface that is not there while a script is asked what it is.
const DATABASE: &str = "wasmigrate:migration/database@";

/// Lets each call of the database end what makes it.
fn without_database(
    linker: &mut Linker<Asked>,
    runner: &wasmtime::component::Component,
) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (name, import) in runner.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else {
            continue;
        };
        if !name.starts_with(DATABASE) {
            continue;
        }
        let mut linked = linker.instance(name)?;
        for (name, export) in interface.exports(&engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => linked.func_new(name, |_, _, _, _| {
                    Err(wasmtime::Error::msg(
                        "what stands outside of a script's functions has no database",
                    ))
                })?,
                ComponentItem::Resource(_) => {
                    linked.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

pub(super) fn host_failed(error: wasmtime::Error) -> Error {
    Error::Host(format!("{error:#}"))
}
