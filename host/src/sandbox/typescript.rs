//! TypeScript: its types are taken out before a runner sees it.
//!
//! What does that is a component without imports, in a store of its own: it reads texts of strangers. What it leaves stands where it
//! stood, so that errors name the lines and columns of the file as it was written.

use wasmigrate_runners::TYPESCRIPT;
use wasmtime::Store;

use super::asked::finish;
use super::bindings::eraser::EraserPre;
use super::error::{self, StopError};
use super::modules::Modules;
use super::runners::{host_failed, once};
use super::transform::TransformState;
use super::{Error, Sandbox, StepHost, to_usize};
use crate::database::{Stop, StopReason};

/// The endings of files in TypeScript, and of those among them that hold nothing but types.
const TYPESCRIPT_ENDING: &str = ".ts";
const DECLARATIONS_ENDING: &str = ".d.ts";

impl<H: StepHost> Sandbox<H> {
    /// A script with JavaScript in the place of TypeScript, or what is wrong with it.
    pub(super) fn without_types(&self, script: &Modules, stop: &Stop) -> Result<Modules, Error> {
        if !script.iter().any(|(name, _)| is_typescript(name)) {
            return Ok(Modules::clone(script));
        }
        let eraser = self.eraser(stop)?;
        let (deadline, stop) = self.inspection(stop);
        let mut store = Store::new(&self.engine, self.unread(None));
        store.limiter(|state| &mut state.limiter);
        self.bound(&mut store, &stop);
        let output = store.data().output.clone();
        let erased = async {
            let instance = eraser.instantiate_async(&mut store).await?;
            let mut modules = Vec::with_capacity(script.len());
            for (name, text) in script.iter() {
                let text = match is_typescript(name) {
                    false => Ok(text.clone()),
                    true if ends_with(name, DECLARATIONS_ENDING) => Ok(String::new()),
                    true => instance.call_erase(&mut store, name, text).await?,
                };
                match text {
                    Ok(text) => modules.push((name.clone(), text)),
                    Err(why) => return Ok(Err(why)),
                }
            }
            Ok(Ok(Modules::from(modules)))
        };
        let erased = finish(async {
            let erased = tokio::select! {
                biased;
                erased = erased => erased,
                reason = stop.stopped() => Err(StopError(reason).into()),
            };
            erased.map_err(|error| match error::classify(error, &self.limits) {
                Error::Stopped(StopReason::Deadline(_)) => Error::Load(format!(
                    "its types are not taken out after {} s",
                    deadline.as_secs()
                )),
                error => error.after(|| output.last_lines()),
            })
        })?;
        erased.map_err(|why| {
            let most = to_usize(self.limits.output_line_bytes);
            Error::Load(crate::output::cut(&why, most))
        })
    }

    pub(super) fn eraser(&self, stop: &Stop) -> Result<EraserPre<TransformState>, Error> {
        once(&self.runners.eraser, || {
            let (component, _) = self.runner(TYPESCRIPT.as_ref(), stop)?;
            let eraser = self.transform_linker.instantiate_pre(&component);
            eraser.and_then(EraserPre::new).map_err(host_failed)
        })
    }
}

fn is_typescript(name: &str) -> bool {
    ends_with(name, TYPESCRIPT_ENDING)
}

fn ends_with(name: &str, ending: &str) -> bool {
    name.to_ascii_lowercase().ends_with(ending)
}
