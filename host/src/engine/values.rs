//! Whether the values that an operator passes to the steps mean anything to them.

use super::{Engine, RunError};
use crate::catalog::{Error, SqlStep, StepKind, read_step_file};

impl Engine {
    /// Whether no step takes values: all are SQL, and none has placeholders.
    pub fn takes_no_values(&self) -> Result<bool, RunError> {
        if self.options.placeholders {
            return Ok(false);
        }
        let catalog = self.catalog()?;
        for step in catalog.steps.values() {
            if step.kind != StepKind::Sql {
                return Ok(false);
            }
            let bytes = read_step_file(&step.path).map_err(|source| {
                RunError::files(Error::File {
                    path: step.path.clone(),
                    source,
                })
            })?;
            // What is wrong with a file is told when it is to run.
            if SqlStep::parse(&step.file_name, &bytes).is_ok_and(|step| step.placeholders) {
                return Ok(false);
            }
        }
        Ok(!catalog.steps.is_empty())
    }
}
