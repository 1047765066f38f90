//! What a script is asked before any step runs: a store with the settings, and nothing else of the host's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::bindings::runner::wasmigrate::runner::script::{Host, Module as GivenModule};
use super::bindings::wasmigrate::migration::{report, settings, types};
use super::limits::Limiter;
use super::modules::Modules;
use super::output::{Output, OutputWriter};
use super::state::State;
use super::transform::TransformState;
use super::{Error, Recorded, Sandbox, StepHost, wasi};
use crate::database::{self, Stop};
use crate::output::Level;

/// How long a script may take to say what it is, where its deadline is not shorter.
const INSPECTION: Duration = Duration::from_secs(20);

/// The data of a store in which a script is asked what it is: the settings, and nothing else of the host's.
pub(super) struct Asked {
    pub(super) inner: TransformState,
    pub(super) settings: Arc<BTreeMap<String, String>>,
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
