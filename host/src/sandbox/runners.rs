//! The runners of scripts: components of the host's own, compiled once and shared by all scripts in their language.

use std::sync::{Arc, Mutex, PoisonError};

use wasmigrate_runners::{JAVASCRIPT_STEP, JAVASCRIPT_TRANSFORM, Runner, TYPESCRIPT};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{HasSelf, Linker, ResourceType};

use super::asked::Asked;
use super::bindings::eraser::EraserPre;
use super::bindings::runner::RunnerPre;
use super::bindings::runner::wasmigrate::runner::script;
use super::bindings::transformer::TransformerPre;
use super::bindings::wasmigrate::migration::{report, settings, types};
use super::inspect::Interface;
use super::modules::RunBy;
use super::state::State;
use super::step::LinkedStep;
use super::transform::{self, Linked, TransformState};
use super::{Error, Sandbox, StepHost, inspect, python};
use crate::database::Stop;

/// What languages are called.
const JAVASCRIPT: &str = "JavaScript";
const PYTHON: &str = "Python";

/// A runner, as its user is told of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RunnerOverview {
    /// The language of its scripts.
    pub language: &'static str,
    /// Its SHA-256 in hexadecimal; none when it was not built.
    pub digest: Option<&'static str>,
    /// Whether it is there to be run.
    pub is_there: bool,
    /// Whether it is compiled.
    pub is_compiled: bool,
    /// Why it is not there.
    pub missing: Option<String>,
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
    python: Mutex<Option<Arc<StepRunner<H>>>>,
    pub(super) eraser: Mutex<Option<EraserPre<TransformState>>>,
}

/// What runs scripts that are steps, and tells what a script is.
pub(super) struct StepRunner<H: 'static> {
    pub(super) linked: LinkedStep<H>,
    pub(super) asked: RunnerPre<Asked>,
    /// The same for transformations, where it is one runner for both.
    pub(super) transforms: Option<Arc<Linked>>,
    pub(super) interface: Interface,
    pub(super) by: RunBy,
}

/// What runs scripts that are transformations.
pub(super) struct TransformRunner {
    pub(super) linked: Arc<Linked>,
    pub(super) interface: Interface,
    pub(super) by: RunBy,
}

impl<H> Default for Runners<H> {
    fn default() -> Self {
        Self {
            step: Mutex::new(None),
            transform: Mutex::new(None),
            python: Mutex::new(None),
            eraser: Mutex::new(None),
        }
    }
}

impl<H: StepHost> Sandbox<H> {
    /// The runners, and where they stand.
    pub fn runner_overviews(&self) -> Vec<RunnerOverview> {
        let overview =
            |language, digest: Option<&'static str>, missing: Option<String>| RunnerOverview {
                language,
                digest,
                is_there: missing.is_none(),
                is_compiled: digest.is_some_and(|digest| self.is_compiled(digest)),
                missing,
            };
        let digest = |runner: Option<&'static Runner>| runner.map(|runner| runner.digest);
        let python = python::digest();
        let installed = python
            .clone()
            .and_then(|digest| self.installed.check(digest));
        vec![
            overview(
                JAVASCRIPT,
                digest(JAVASCRIPT_STEP.as_ref()),
                without_scripts(),
            ),
            overview("TypeScript", digest(TYPESCRIPT.as_ref()), without_scripts()),
            overview(PYTHON, python.ok(), installed.err()),
        ]
    }

    /// Compiles all runners that are there.
    pub fn warm_runners(&self, stop: &Stop) -> Result<(), Error> {
        if without_scripts().is_none() {
            self.step_runner(stop)?;
            self.transform_runner(stop)?;
            self.eraser(stop)?;
        }
        let python = python::digest().and_then(|digest| self.installed.check(digest));
        if python.is_ok() {
            self.python_runner(stop)?;
        }
        Ok(())
    }

    /// Whether what runs scripts is compiled.
    pub fn has_runner(&self, is_python: bool) -> bool {
        let digest = match is_python {
            true => python::digest().ok(),
            false => JAVASCRIPT_STEP.as_ref().map(|runner| runner.digest),
        };
        digest.is_some_and(|digest| self.is_compiled(digest))
    }

    pub(super) fn step_runner(&self, stop: &Stop) -> Result<Arc<StepRunner<H>>, Error> {
        once(&self.runners.step, || {
            let (component, digest) = self.runner(JAVASCRIPT_STEP.as_ref(), stop)?;
            let runner = self.linked(JAVASCRIPT, &component, digest);
            Ok(Arc::new(runner.map_err(host_failed)?))
        })
    }

    pub(super) fn transform_runner(&self, stop: &Stop) -> Result<Arc<TransformRunner>, Error> {
        once(&self.runners.transform, || {
            let (component, digest) = self.runner(JAVASCRIPT_TRANSFORM.as_ref(), stop)?;
            let linker = self.linker_for_transforms();
            let linked = linker.and_then(|linker| transform::link(&linker, &component));
            Ok(Arc::new(TransformRunner {
                linked: Arc::new(linked.map_err(host_failed)?),
                interface: self.interface_of(&component),
                by: RunBy {
                    language: JAVASCRIPT,
                    digest,
                },
            }))
        })
    }

    /// What a transformation has, and the files of its script.
    fn linker_for_transforms(&self) -> wasmtime::Result<Linker<TransformState>> {
        let mut linker = self.transform_linker.clone();
        script::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut TransformState| state)?;
        Ok(linker)
    }

    /// Links a runner with all that a step has, and with what there is before a step runs.
    fn linked(
        &self,
        language: &'static str,
        component: &wasmtime::component::Component,
        digest: &'static str,
    ) -> wasmtime::Result<StepRunner<H>> {
        let mut linker = self.linker.clone();
        script::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State<H>| state)?;
        let linked = LinkedStep::new(&linker, component)?;
        let mut linker = Linker::new(&self.engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        script::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Asked| state)?;
        types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Asked| state)?;
        report::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Asked| state)?;
        settings::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut Asked| state)?;
        let outside = "what stands outside of a script's functions has no database";
        without(&mut linker, component, &[DATABASE], outside)?;
        let asked = RunnerPre::new(linker.instantiate_pre(component)?)?;
        Ok(StepRunner {
            linked,
            asked,
            transforms: None,
            by: RunBy { language, digest },
            interface: self.interface_of(component),
        })
    }

    /// The runner of Python, where it is installed.
    pub(super) fn python_runner(&self, stop: &Stop) -> Result<Arc<StepRunner<H>>, Error> {
        once(&self.runners.python, || {
            let digest = python::digest().map_err(Error::Load)?;
            let component = match self.compiled(digest) {
                Some(compiled) => compiled,
                None => {
                    let bytes = self.installed.read(digest).map_err(Error::Load)?;
                    self.compile(&bytes, digest, stop)?
                }
            };
            let runner = self.linked_for_both(&component, digest);
            Ok(Arc::new(runner.map_err(host_failed)?))
        })
    }

    /// Links the runner of Python, which runs steps and transformations.
    fn linked_for_both(
        &self,
        component: &wasmtime::component::Component,
        digest: &'static str,
    ) -> wasmtime::Result<StepRunner<H>> {
        let mut runner = self.linked(PYTHON, component, digest)?;
        let mut linker = self.linker_for_transforms()?;
        let pure = "a transformation is a function of its row alone";
        without(&mut linker, component, &[DATABASE, REPORT, SETTINGS], pure)?;
        let transforms = TransformerPre::new(linker.instantiate_pre(component)?)?;
        runner.transforms = Some(Arc::new(Linked::Runner(transforms)));
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
}

/// Interfaces that are not always there.
const DATABASE: &str = "wasmigrate:migration/database@";
const REPORT: &str = "wasmigrate:migration/report@";
const SETTINGS: &str = "wasmigrate:migration/settings@";

/// Lets each call of some interfaces end what makes it.
fn without<T: 'static>(
    linker: &mut Linker<T>,
    runner: &wasmtime::component::Component,
    interfaces: &[&str],
    why: &'static str,
) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (name, import) in runner.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else {
            continue;
        };
        if !interfaces.iter().any(|known| name.starts_with(known)) {
            continue;
        }
        let mut linked = linker.instance(name)?;
        for (name, export) in interface.exports(&engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => {
                    linked.func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(why)))?;
                }
                ComponentItem::Resource(_) => {
                    linked.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// What this process has, or has now made. Whoever comes while it is made waits here, and finds it.
pub(super) fn once<T: Clone>(
    kept: &Mutex<Option<T>>,
    make: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = &*kept {
        return Ok(made.clone());
    }
    let made = make()?;
    *kept = Some(made.clone());
    Ok(made)
}

pub(super) fn host_failed(error: wasmtime::Error) -> Error {
    Error::Host(format!("{error:#}"))
}
