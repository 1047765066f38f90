//! A look at a component that runs nothing but its `describe`, on an empty database of its own.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::failure::Failure;
use super::nowhere::nowhere;
use super::step_output::{StepIdentity, StepOutput};
use super::transaction::StepTransaction;
use crate::catalog::{Digests, Error, StepFile};
use crate::database::Stop;
use crate::journal::Phase;
use crate::sandbox::{self, Interface, Phases, Recorded, Transformation};

/// What is known of a component without running it on real data.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Inspection {
    /// The file's size in bytes.
    pub size: usize,
    /// Its SHA-256 in hexadecimal.
    pub digest: String,
    /// What it says it does.
    pub summary: String,
    /// Whether it runs inside a transaction.
    pub transactional: bool,
    /// Which phases it says it has beside `migrate`, when it is a step that tells.
    pub phases: Option<Phases>,
    /// What it does to which table, when it is a transformation.
    pub transformation: Option<Transformation>,
    /// What it imports and exports.
    #[serde(flatten)]
    pub interface: Interface,
    /// The world that it was made for, in WIT.
    pub world: String,
}

/// `deadline` is how long its `describe` may take.
pub(super) async fn inspect(
    engine: &Engine,
    file: &StepFile,
    deadline: Duration,
) -> Result<Inspection, Failure> {
    let digests = Digests::forgetful();
    let started = engine.sandbox()?;
    let read = || -> Result<_, Error> {
        if file.kind.is_script() {
            let script = digests.script(file)?;
            let size = script.modules.iter().map(|module| module.text.len()).sum();
            // Nor does it see the settings.
            let component =
                started.load_script(&script.modules(), &Arc::default(), &Stop::default());
            return Ok((component, size, script.digest, None));
        }
        let (bytes, digest) = digests.read(file)?;
        Ok((
            started.load(&bytes, &digest, &Stop::default()),
            bytes.len(),
            digest,
            Some(bytes),
        ))
    };
    let (component, size, digest, bytes) = read().map_err(|error| Failure::from_catalog(&error))?;
    let component = component.map_err(Failure::from_sandbox)?;
    // A script is built for no world.
    let world = bytes.map_or_else(String::new, |bytes| {
        sandbox::world(&bytes, component.interface())
    });
    let stop = Stop::default();
    stop.set_deadline(Some(deadline));
    // Nobody has reviewed it yet, and whoever may only look lets it run: it gets no hand on the target, nor the settings.
    let (session, context) = nowhere(Arc::default(), deadline, &stop).await?;
    let step = StepIdentity {
        index: file.index,
        name: file.name.clone(),
        label: file.file_name.clone(),
        kind: file.kind,
        digest: digest.clone(),
        role: file.role,
        signer: None,
        is_inside_only: false,
    };
    if component.is_transformation() {
        let output = StepOutput::new(&context, &step, Phase::Prepare);
        let recorded = Recorded {
            started_at: 0,
            seed: 0,
        };
        let instance = started.transform_instance(&component, output, recorded, &stop);
        let mut instance = instance.await.map_err(Failure::from_sandbox)?;
        let transformation = instance.describe().await.map_err(Failure::from_sandbox)?;
        return Ok(Inspection {
            size,
            digest,
            summary: transformation.summary.clone(),
            transactional: false,
            phases: None,
            transformation: Some(transformation),
            interface: component.interface().clone(),
            world,
        });
    }
    let transaction =
        StepTransaction::open(&context, session, &step, Phase::Prepare, None, 1, None);
    let recorded = transaction.recorded();
    let output = Arc::clone(&transaction.output);
    let mut instance = started.instance(&component, transaction, output, recorded, &stop);
    let described = instance.describe().await;
    let rolled_back = instance.into_host().session.rollback().await;
    let description = described.map_err(Failure::from_sandbox)?;
    rolled_back.map_err(Failure::from_database)?;
    Ok(Inspection {
        size,
        digest,
        summary: description.summary,
        transactional: description.transactional,
        phases: description.phases,
        transformation: None,
        interface: component.interface().clone(),
        world,
    })
}
