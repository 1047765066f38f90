//! The steps one by one: the file, what it may do, and what was made of it.

use serde::Serialize;

use super::overview::StepOverview;
use super::{Engine, RunError};
use crate::catalog::{SqlStep, StepFile, StepKind};

/// A step beside its file.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct StepOnDisk {
    /// The step.
    #[serde(flatten)]
    pub step: StepOverview,
    /// The SHA-256 of its file, in hexadecimal; none when the file is gone.
    pub digest: Option<String>,
}

/// What is known of one step.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct StepDetails {
    /// The step and its digest.
    #[serde(flatten)]
    pub step: StepOnDisk,
    /// The file's name; none when the file is gone.
    pub file_name: Option<String>,
    /// The file's size in bytes.
    pub size: Option<usize>,
    /// What it says it does.
    pub summary: Option<String>,
    /// Whether its `migrate` runs inside a transaction.
    pub transactional: Option<bool>,
    /// What it may do, in words.
    pub abilities: Vec<String>,
    /// What a component imports.
    pub imports: Vec<String>,
    /// Why the file cannot be used, when it cannot.
    pub problem: Option<String>,
}

pub(super) async fn steps(engine: &Engine) -> Result<Vec<StepOnDisk>, RunError> {
    let catalog = engine.catalog()?;
    let overview = engine.overview().await?;
    let digests = engine.remembered_digests();
    let steps = overview
        .steps
        .into_iter()
        .map(|step| {
            let file = catalog.steps.get(&step.index);
            Ok(StepOnDisk {
                digest: file
                    .map(|file| digests.of(file))
                    .transpose()
                    .map_err(RunError::files)?,
                step,
            })
        })
        .collect();
    digests.save();
    steps
}

pub(super) async fn step(engine: &Engine, index: u32) -> Result<Option<StepDetails>, RunError> {
    let catalog = engine.catalog()?;
    let overview = engine.overview().await?;
    let Some(step) = overview.steps.into_iter().find(|step| step.index == index) else {
        return Ok(None);
    };
    let mut details = StepDetails {
        step: StepOnDisk { step, digest: None },
        file_name: None,
        size: None,
        summary: None,
        transactional: None,
        abilities: Vec::new(),
        imports: Vec::new(),
        problem: None,
    };
    if let Some(file) = catalog.steps.get(&index) {
        details.file_name = Some(file.file_name.clone());
        match file.kind {
            StepKind::Sql => describe_sql(engine, file, &mut details)?,
            StepKind::Wasm => describe_component(engine, file, &mut details).await,
        }
    }
    Ok(Some(details))
}

fn describe_sql(
    engine: &Engine,
    file: &StepFile,
    details: &mut StepDetails,
) -> Result<(), RunError> {
    let (bytes, digest) = engine
        .remembered_digests()
        .read(file)
        .map_err(RunError::files)?;
    details.size = Some(bytes.len());
    details.step.digest = Some(digest);
    let sql = match SqlStep::of(file, &bytes) {
        Ok(sql) => sql,
        Err(error) => {
            details.problem = Some(error.to_string());
            return Ok(());
        }
    };
    details.summary = Some(sql.summary).filter(|summary| !summary.is_empty());
    details.transactional = Some(sql.transactional);
    for (section, phase) in [
        (&sql.migrate, "migrate"),
        (&sql.finalize, "finalize"),
        (&sql.reset, "reset"),
    ] {
        if section.is_some() {
            let place = match (phase, sql.transactional) {
                ("migrate", false) => "outside a transaction",
                _ => "inside the transaction that the host opens",
            };
            details
                .abilities
                .push(format!("run its statements for {phase}, {place}"));
        }
    }
    Ok(())
}

async fn describe_component(engine: &Engine, file: &StepFile, details: &mut StepDetails) {
    match engine.inspect(file).await {
        Ok(inspection) => {
            details.size = Some(inspection.size);
            details.step.digest = Some(inspection.digest);
            details.summary = Some(inspection.summary).filter(|summary| !summary.is_empty());
            details.transactional = Some(inspection.transactional);
            details.abilities = inspection
                .interface
                .abilities
                .iter()
                .map(|ability| (*ability).to_owned())
                .collect();
            details.imports = inspection.interface.imports;
        }
        Err(failure) => details.problem = Some(failure.message),
    }
}
