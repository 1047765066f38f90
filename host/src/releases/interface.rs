//! What a component of a release asks for, read from its own bytes, and not from what is said of it in the registry.

use std::collections::BTreeSet;
use std::path::Path;

use super::component;
use super::error::ReleaseError;
use super::pull::{ReleaseOptions, ResolvedRelease};
use crate::catalog::read_step_file;

/// What a component asks for, and what it offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The names of what it asks for.
    pub imports: BTreeSet<String>,
    /// The names of what it offers.
    pub exports: BTreeSet<String>,
}

impl Interface {
    /// That of a file in a directory; SQL has none.
    pub(super) fn of(directory: &Path, file: &str) -> Result<Self, ReleaseError> {
        if !file.to_ascii_lowercase().ends_with(".wasm") {
            return Ok(Self::default());
        }
        let path = directory.join(file);
        let bytes = read_step_file(&path).map_err(ReleaseError::file("read", path))?;
        let (imports, exports) = component::names(&bytes).map_err(|error| {
            ReleaseError::Refused(format!(
                "`{file}` is no component that can be read: {error}"
            ))
        })?;
        Ok(Self {
            imports: imports.into_iter().collect(),
            exports: exports.into_iter().collect(),
        })
    }
}

impl ResolvedRelease {
    /// What each of its steps asks for, in their order; all of it is fetched for that.
    pub fn interfaces(&self, options: &ReleaseOptions) -> Result<Vec<Interface>, ReleaseError> {
        let directory = self.steps(options)?;
        let steps = self.index.steps.iter();
        steps
            .map(|step| Interface::of(&directory, &step.file.file))
            .collect()
    }
}
