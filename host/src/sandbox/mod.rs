//! Components, and what they may do.
//!
//! wasmtime stays behind this door. A [`Sandbox`] turns the bytes of a `.wasm` file into a [`Component`], through a cache
//! of compiled code; an [`Instance`] of it is called for one phase of a step, in a store of its own that is dropped
//! afterwards. All that a component can reach is a [`StepHost`], which the engine provides: the session with the open
//! transaction, the report, the settings. This room knows no journal and no order of steps.

mod asked;
mod bindings;
mod cache;
mod compiler;
mod convert;
mod cost;
mod database;
mod error;
mod fuzzing;
mod inspect;
mod limits;
mod modules;
mod output;
mod python;
mod report;
mod runners;
mod script;
mod state;
mod step;
mod ticker;
mod transform;
mod typescript;
mod wasi;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use async_trait::async_trait;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{
    Config, Engine, ModuleVersionStrategy, Store, UpdateDeadline, WasmBacktraceDetails,
};

use crate::database::{Error as DatabaseError, Limit, Result as DatabaseResult, Session, Stop};
use bindings::wasmigrate::migration::types::Failure;
use cache::{Cache, Unusable};
use error::StopError;
use limits::Limiter;
use modules::Script;
use output::Output;
use python::Installed;
use runners::Runners;
use state::State;
use step::{LinkedStep, StepInstance};
use transform::TransformState;

pub use compiler::{Bounds as CompilerBounds, COMMAND as COMPILE_COMMAND, run as run_compiler};
pub use error::Error;
pub use fuzzing::read_foreign;
pub use inspect::{Interface, abilities, is_wasi, world};
pub use limits::Limits;
pub use output::OutputWriter;
pub use python::{install as install_runner, without_python};
pub use runners::{RunnerOverview, without_scripts};
pub use step::{Description, Phases};
pub use transform::{Rejected, TransformInstance, Transformation, Transformed};
pub use wasi::Recorded;

/// The fiber's stack: the component's own part, and this much for host functions on top of it.
const HOST_STACK: usize = 1536 << 10;

/// What a component reaches through its imports.
#[async_trait]
pub trait StepHost: Send + 'static {
    /// The session, with the step's transaction open.
    fn session(&mut self) -> &mut dyn Session;

    /// The values that the operator passes.
    fn settings(&self) -> &BTreeMap<String, String>;

    /// Takes note of how far the step is.
    fn progress(&mut self, done: u64, total: Option<u64>);

    /// The time, when somebody wants to know how long statements take.
    fn clock(&self) -> Option<SystemTime>;

    /// Takes note of a statement that has just ended.
    fn ran(&self, text: &str, began: SystemTime, is_failed: bool);

    /// Commits what was done so far, together with `cursor`.
    async fn checkpoint(&mut self, cursor: Vec<u8>) -> DatabaseResult<()>;
}

/// The engine, the linker and the cache: one for the whole process.
pub struct Sandbox<H: 'static> {
    engine: Engine,
    linker: Linker<State<H>>,
    transform_linker: Linker<TransformState>,
    runners: Runners<H>,
    /// None where none can be used.
    cache: Option<Cache>,
    /// Why compiled components are not kept.
    cache_problem: OnceLock<String>,
    /// Runners that are no part of the binary.
    installed: Installed,
    limits: Limits,
}

/// A component that fits the contract, ready to be instantiated.
pub struct Component<H: 'static> {
    world: World<H>,
    interface: Interface,
    /// The script, where the component is a runner of one.
    script: Option<Script>,
}

/// Which world of the contract a component fits.
enum World<H: 'static> {
    Step(LinkedStep<H>),
    Transform(Arc<transform::Linked>),
}

impl<H: StepHost> Sandbox<H> {
    /// Starts the engine, with compiled code kept under the directory `cache`.
    pub fn new(limits: Limits, cache: &Path) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Host(error.to_string());
        let engine = engine(limits.stack_kib).map_err(|error| failed(&error))?;
        ticker::start(&engine).map_err(|error| failed(&error))?;
        let mut linker = Linker::new(&engine);
        bindings::Step::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)
            .map_err(|error| failed(&error))?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(|error| failed(&error))?;
        let transform_linker = transform::linker(&engine).map_err(|error| failed(&error))?;
        let cache_problem = OnceLock::new();
        let installed = Installed::under(cache);
        let cache = match Cache::open(cache, &engine) {
            Ok(cache) => Some(cache),
            Err(Unusable::Missing(why)) => {
                cache_problem.get_or_init(|| why);
                None
            }
            Err(Unusable::Open(why)) => {
                return Err(Error::Host(format!(
                    "cannot use the cache of compiled components: {why}"
                )));
            }
        };
        Ok(Self {
            engine,
            linker,
            transform_linker,
            runners: Runners::default(),
            cache,
            cache_problem,
            installed,
            limits,
        })
    }

    /// Why compiled components are not kept, so that they are compiled again and again.
    pub fn cache_problem(&self) -> Option<&str> {
        self.cache_problem.get().map(String::as_str)
    }

    /// Whether the component with this digest was compiled before.
    pub fn is_compiled(&self, digest: &str) -> bool {
        self.cache
            .as_ref()
            .is_some_and(|cache| cache.contains(digest))
    }

    fn compiled(&self, digest: &str) -> Option<wasmtime::component::Component> {
        self.cache.as_ref()?.load(&self.engine, digest)
    }

    /// The component with this SHA-256, if it was compiled before.
    pub fn recall(&self, digest: &str) -> Result<Option<Component<H>>, Error> {
        match self.compiled(digest) {
            Some(component) => self.link(&component).map(Some),
            None => Ok(None),
        }
    }

    /// Makes a component of the bytes of a file, whose SHA-256 is `digest`: compiles it, or takes it from the cache.
    /// Takes long, and uses all cores; ends when there is a reason to stop.
    pub fn load(&self, bytes: &[u8], digest: &str, stop: &Stop) -> Result<Component<H>, Error> {
        match self.compiled(digest) {
            Some(component) => self.link(&component),
            None => self.link(&self.compile(bytes, digest, stop)?),
        }
    }

    fn link(&self, component: &wasmtime::component::Component) -> Result<Component<H>, Error> {
        let interface = inspect::interface(&self.engine, component);
        let unknown = inspect::unknown_imports(&interface.imports);
        if !unknown.is_empty() {
            return Err(Error::Incompatible(format!(
                "it imports what this host does not offer: {}",
                inspect::some(&unknown)
            )));
        }
        let linked = match transform::is_transformation(&interface.exports) {
            true => transform::link(&self.transform_linker, component)
                .map(|linked| World::Transform(Arc::new(linked))),
            false => LinkedStep::new(&self.linker, component).map(World::Step),
        };
        let world = linked.map_err(|error| {
            Error::Incompatible(format!(
                "it does not fit the contract wasmigrate:migration: {error:#}"
            ))
        })?;
        Ok(Component {
            world,
            interface,
            script: None,
        })
    }

    /// Compiles a component, and keeps its code when it can.
    fn compile(
        &self,
        bytes: &[u8],
        digest: &str,
        stop: &Stop,
    ) -> Result<wasmtime::component::Component, Error> {
        let code = compiler::compile(bytes, &self.limits, stop)?;
        if let (Some(cache), None) = (&self.cache, self.cache_problem()) {
            let kept = cache
                .store(digest, &code)
                .map_err(|error| error.to_string());
            match (kept, self.compiled(digest)) {
                (Ok(()), Some(component)) => return Ok(component),
                (kept, _) => {
                    let why = kept.err();
                    let why = why.unwrap_or("what was just written cannot be read back".to_owned());
                    self.cache_problem.get_or_init(|| why);
                }
            }
        }
        cache::unkept(&self.engine, &code)
            .ok_or_else(|| Error::Host("the compiler's code cannot be loaded".to_owned()))
    }

    /// An instance for one phase of a step. Nothing runs before the first call.
    pub fn instance<'c>(
        &self,
        component: &'c Component<H>,
        host: H,
        writer: Arc<dyn OutputWriter>,
        recorded: Recorded,
        stop: &Stop,
    ) -> Instance<'c, H> {
        let output = Output::new(writer, &self.limits);
        let mut table = ResourceTable::new();
        table.set_max_capacity(to_usize(self.limits.handles));
        let state = State {
            host,
            limits: self.limits.clone(),
            limiter: Limiter::new(&self.limits),
            wasi: wasi::context(recorded, &output),
            output,
            table,
            script: component.modules(),
            failed_statement: None,
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        self.bound(&mut store, stop);
        Instance {
            store,
            step: None,
            component,
            stop: stop.clone(),
        }
    }

    /// Sets the limits of a store, and lets it end when there is a reason to.
    fn bound<T: 'static>(&self, store: &mut Store<T>, stop: &Stop) {
        store.set_hostcall_fuel(to_usize(self.limits.call_mib << 20));
        store.set_max_component_handles(to_usize(self.limits.handles));
        store.set_epoch_deadline(1);
        let stop_in_callback = stop.clone();
        store.epoch_deadline_callback(move |_| match stop_in_callback.reason() {
            Some(reason) => Err(StopError(reason).into()),
            None => Ok(UpdateDeadline::Continue(1)),
        });
    }
}

impl<H> Component<H> {
    /// What it imports and exports.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Whether it is a transformation rather than a step.
    pub fn is_transformation(&self) -> bool {
        matches!(self.world, World::Transform(_))
    }
}

impl<H: StepHost> Component<H> {
    /// Whether it is a step that says which phases it has.
    pub fn tells_phases(&self) -> bool {
        matches!(&self.world, World::Step(step) if step.tells_phases())
    }
}

/// A component at work, in a store of its own.
pub struct Instance<'c, H: 'static> {
    store: Store<State<H>>,
    step: Option<StepInstance>,
    component: &'c Component<H>,
    stop: Stop,
}

/// Calls an export until it is done or there is a reason to stop. After an error the store cannot be entered again.
macro_rules! call {
    ($instance:expr, |$step:ident, $store:ident| $call:expr) => {{
        $instance.enter().await?;
        let limits = $instance.store.data().limits.clone();
        let Some($step) = $instance.step.take() else {
            return Err(Error::Host("the component was not instantiated".to_owned()));
        };
        let stop = $instance.stop.clone();
        let output = $instance.store.data().output.clone();
        output.forget();
        let $store = &mut $instance.store;
        let result = tokio::select! {
            biased;
            result = $call => result
                .map_err(|error| error::classify(error, &limits).after(|| output.last_lines())),
            reason = stop.stopped() => Err(Error::Stopped(reason)),
        };
        let result = match (result, stop.reason()) {
            (Ok(_), Some(reason)) => Err(Error::Stopped(reason)),
            (result, _) => result,
        };
        if result.is_ok() {
            $instance.step = Some($step);
        }
        result
    }};
}

impl<H: StepHost> Instance<'_, H> {
    /// Asks the component what it is.
    pub async fn describe(&mut self) -> Result<Description, Error> {
        let description = call!(self, |step, store| step.describe(store))?;
        Ok(Description {
            summary: self.bounded(&description.summary),
            ..description
        })
    }

    /// Asks whether it could run.
    pub async fn check(&mut self) -> Result<(), Error> {
        let result = call!(self, |step, store| step.exports.call_check(store))?;
        result.map_err(|failure| self.failed(failure))
    }

    /// Asks how many rows it will go through.
    pub async fn count(&mut self) -> Result<Option<u64>, Error> {
        let result = call!(self, |step, store| step.exports.call_count(store))?;
        result.map_err(|failure| self.failed(failure))
    }

    /// Runs `migrate`, from the cursor of the last checkpoint.
    pub async fn migrate(&mut self, resume: Option<&[u8]>) -> Result<(), Error> {
        let result = call!(self, |step, store| step.exports.call_migrate(store, resume))?;
        result.map_err(|failure| self.failed(failure))
    }

    /// Runs `finalize`.
    pub async fn finalize(&mut self) -> Result<(), Error> {
        let result = call!(self, |step, store| step.exports.call_finalize(store))?;
        result.map_err(|failure| self.failed(failure))
    }

    /// Runs `reset`.
    pub async fn reset(&mut self) -> Result<(), Error> {
        let result = call!(self, |step, store| step.exports.call_reset(store))?;
        result.map_err(|failure| self.failed(failure))
    }

    /// How much memory the component has, in bytes. It never gives any back.
    pub fn memory(&self) -> u64 {
        self.store.data().limiter.used as u64
    }

    /// Drops the component and gives the host back.
    pub fn into_host(self) -> H {
        self.store.into_data().host
    }

    async fn enter(&mut self) -> Result<(), Error> {
        if self.step.is_some() {
            return Ok(());
        }
        let World::Step(step) = &self.component.world else {
            return Err(Error::Host("the component is a transformation".to_owned()));
        };
        let limits = self.store.data().limits.clone();
        let instantiated = tokio::select! {
            biased;
            step = step.instantiate(&mut self.store) => step,
            reason = self.stop.stopped() => Err(StopError(reason).into()),
        };
        let output = &self.store.data().output;
        self.step = Some(
            instantiated
                .map_err(|error| error::classify(error, &limits).after(|| output.last_lines()))?,
        );
        Ok(())
    }

    /// A text of the component's as it may be kept and shown.
    fn bounded(&self, text: &str) -> String {
        crate::output::cut(text, to_usize(self.store.data().limits.output_line_bytes))
    }

    /// The cause as a component gives it, which need not be what the host told it.
    fn bounded_cause(&self, cause: DatabaseError) -> DatabaseError {
        let bounded = |text: Option<String>| text.map(|text| self.bounded(&text));
        DatabaseError {
            code: self.bounded(&cause.code),
            message: self.bounded(&cause.message),
            detail: bounded(cause.detail),
            hint: bounded(cause.hint),
            table: bounded(cause.table),
            column: bounded(cause.column),
            constraint: bounded(cause.constraint),
            limit: cause.limit.map(|limit| Limit {
                name: self.bounded(&limit.name),
                ..limit
            }),
            ..cause
        }
    }

    fn failed(&self, failure: Failure) -> Error {
        let cause = failure
            .cause
            .map(DatabaseError::from)
            .map(|cause| self.bounded_cause(cause));
        Error::Failed {
            message: self.bounded(&failure.message),
            retryable: failure.retryable,
            // The statement that failed last is only of interest when it is what the component gave up for.
            statement: cause
                .as_ref()
                .and_then(|_| self.store.data().failed_statement.clone()),
            cause,
        }
    }
}

/// The engine's settings: what a step needs and nothing more.
fn engine(stack_kib: u64) -> wasmtime::Result<Engine> {
    let stack = to_usize(stack_kib << 10);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(stack)
        .async_stack_size(stack + HOST_STACK)
        // Only for debuggers and profilers of the host; backtraces of components walk frame pointers.
        .native_unwind_info(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_memory64(false)
        // The adapters that wasmtime makes between the components of a component use several memories.
        .wasm_multi_memory(true)
        .wasm_relaxed_simd(false)
        // Toolchains of interpreters make use of them.
        .wasm_tail_call(true)
        .wasm_custom_page_sizes(false)
        // The same floats on every machine.
        .cranelift_nan_canonicalization(true)
        // The default carries only wasmtime's major version, and would keep the code of an older patch release.
        .module_version(ModuleVersionStrategy::Custom(format!(
            "{}+{}",
            WASMTIME_VERSION,
            env!("CARGO_PKG_VERSION")
        )))?;
    Engine::new(&config)
}

/// The exact version that `Cargo.toml` pins.
const WASMTIME_VERSION: &str = "48.0.8";

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
