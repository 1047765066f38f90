//! `wasmigrate:migration/report` and `settings` for components, and the errors of `types`.

use super::StepHost;
use super::bindings::wasmigrate::migration::{report, settings, types};
use super::state::State;
use crate::database::Error;

/// The longest cursor of a checkpoint.
const CURSOR_BYTES: usize = 64 << 10;

impl<H: StepHost> report::Host for State<H> {
    fn output(&mut self, level: report::Level, text: String) -> wasmtime::Result<()> {
        self.output
            .write(level.into(), &text)
            .map_err(wasmtime::Error::from)
    }

    fn progress(&mut self, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        self.host.progress(done, total);
        Ok(())
    }

    async fn checkpoint(&mut self, cursor: Vec<u8>) -> Result<(), Error> {
        if cursor.len() > CURSOR_BYTES {
            return Err(Error::invalid_argument(format!(
                "a checkpoint's cursor has at most {CURSOR_BYTES} bytes, this one has {}",
                cursor.len()
            )));
        }
        let result = self.host.checkpoint(cursor).await;
        self.noting("checkpoint", result)
    }
}

impl<H: StepHost> settings::Host for State<H> {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.host.settings().get(&name).cloned())
    }

    fn all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self
            .host
            .settings()
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect())
    }
}

impl<H: StepHost> types::Host for State<H> {
    fn convert_error(&mut self, error: Error) -> wasmtime::Result<types::Error> {
        Ok(error.into())
    }
}
