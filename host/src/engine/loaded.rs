//! A step, read from its file and made ready to run.

use super::Engine;
use super::event::{Event, Observer};
use super::failure::Failure;
use super::program::Program;
use super::transaction::StepIdentity;
use crate::catalog::{SqlStep, StepFile, StepKind, sha256};
use crate::journal::Phase;

/// A step, loaded and checked.
pub(super) struct Loaded {
    pub(super) step: StepIdentity,
    pub(super) program: Program,
    /// How many rows it said it will go through.
    pub(super) rows: Option<u64>,
    /// Whether it must be asked again when the steps before it are done.
    pub(super) deferred: bool,
}

impl Loaded {
    /// Reads a step's file and makes a program of it.
    pub(super) fn read(
        engine: &Engine,
        file: &StepFile,
        number: usize,
        of: usize,
        observer: &dyn Observer,
    ) -> Result<Self, Failure> {
        let label = format!("{:04}_{}", file.index, file.name);
        let failed = |failure: Failure| failure.of(&label, Phase::Prepare);
        let bytes = file
            .read()
            .map_err(|error| failed(Failure::from_catalog(&error)))?;
        let digest = sha256(&bytes);
        let program = match file.kind {
            StepKind::Sql => Program::Sql(
                SqlStep::parse(&file.file_name, &bytes)
                    .map_err(|error| failed(Failure::from_catalog(&error)))?,
            ),
            StepKind::Wasm => {
                let sandbox = engine.sandbox().map_err(failed)?;
                observer.notify(&Event::Loading {
                    step: label.clone(),
                    number,
                    of,
                    compiling: !sandbox.is_compiled(&digest),
                });
                let component = sandbox
                    .load(&bytes, &digest)
                    .map_err(|error| failed(Failure::from_sandbox(error)))?;
                Program::Component(component)
            }
        };
        Ok(Self {
            step: StepIdentity {
                index: file.index,
                name: file.name.clone(),
                label,
                kind: file.kind,
                digest,
            },
            program,
            rows: None,
            deferred: false,
        })
    }
}
