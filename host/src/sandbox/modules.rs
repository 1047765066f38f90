//! The text of scripts, as the sandbox hands it to their runners.

use std::sync::Arc;

/// The files of a script, the step's own first: names and texts.
pub type Modules = Arc<[(String, String)]>;

/// A script, and the runner that runs it.
pub(super) struct Script {
    pub(super) modules: Modules,
    /// The SHA-256 of the runner.
    pub(super) runner: &'static str,
}
