//! The text of scripts, as the sandbox hands it to their runners.

use std::sync::Arc;

/// The files of a script, the step's own first: names and texts.
pub type Modules = Arc<[(String, String)]>;

/// What runs a script.
#[derive(Clone, Copy, Debug)]
pub struct RunBy {
    /// The language of its scripts.
    pub language: &'static str,
    /// Its SHA-256 in hexadecimal.
    pub digest: &'static str,
}

/// A script, and the runner that runs it.
pub(super) struct Script {
    pub(super) modules: Modules,
    pub(super) by: RunBy,
}
