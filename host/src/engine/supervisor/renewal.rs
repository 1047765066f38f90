//! Steps that can become others while the service runs: those of a release whose tag moves.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use crate::database::Stop;
use crate::engine::release::RunRelease;
use crate::engine::{Engine, RunError};

/// Where the steps of a service come from.
pub trait Renewal: Send + Sync {
    /// The release of now, and the directory of its steps; in words why there is none. It may take long.
    fn renew(&self) -> Result<(PathBuf, RunRelease), String>;
}

/// The engine of now.
pub(super) struct CurrentEngine {
    /// Another one after each renewal; whoever has begun something goes on with that of before.
    engine: RwLock<Arc<Engine>>,
    /// Where its steps come from, when they can become others.
    renewal: Option<Arc<dyn Renewal>>,
}

impl CurrentEngine {
    pub(super) fn new(engine: Engine, renewal: Option<Arc<dyn Renewal>>) -> Self {
        Self {
            engine: RwLock::new(Arc::new(engine)),
            renewal,
        }
    }

    pub(super) fn now(&self) -> Arc<Engine> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&engine)
    }

    /// Looks what the release is now, before a command. Whether it has become another one. No run may be in progress.
    pub(super) async fn renew(&self, stop: &Stop) -> Result<bool, RunError> {
        let Some(renewal) = self.renewal.clone() else {
            return Ok(false);
        };
        let looking = tokio::task::spawn_blocking(move || renewal.renew());
        let looked = tokio::select! {
            looked = looking => looked,
            // What has begun ends by itself.
            _ = stop.stopped() => return Err(RunError::Cancelled),
        };
        let renewed = looked.unwrap_or_else(|error| Err(error.to_string()));
        let (directory, release) = renewed.map_err(RunError::Refused)?;
        let engine = self.now();
        let before = engine.options.release.as_ref();
        if before == Some(&release) {
            return Ok(false);
        }
        let (was, is) = (before.map(|before| &before.record), &release.record);
        if let Some(was) = was.filter(|was| was.digest != is.digest) {
            tracing::warn!(
                before = %was.reference,
                now = %is.reference,
                version = %is.version,
                "the release is another one now"
            );
        }
        let renewed = Arc::new(engine.with_release(directory, release));
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(true)
    }
}
