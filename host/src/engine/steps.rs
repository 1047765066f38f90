//! The steps one by one: the file, what it may do, and what was made of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::overview::StepOverview;
use super::{Engine, Inspection, RunError};
use super::{inspect, sql_step};
use crate::catalog::{StepFile, StepKind};

/// How long a component may take to describe itself to somebody who looks at it. Stops one that never ends, which would be
/// asked again and again.
const DESCRIBE_DEADLINE: Duration = Duration::from_secs(10);

/// How many descriptions are remembered.
const REMEMBERED: usize = 1_000;

/// What a component said of itself, or why it cannot.
type Described = Result<Arc<Inspection>, String>;

/// What components said of themselves, by the digests of their files.
#[derive(Default)]
pub(super) struct Descriptions(Mutex<VecDeque<(String, Described)>>);

/// Failures of the file itself, which it would only repeat. Whoever may look could make the host pay for them again and again.
const OF_THE_FILE: [&str; 4] = ["deadline", "incompatible", "limit", "load"];

impl Descriptions {
    fn of(&self, digest: &str) -> Option<Described> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, described) = known.iter().find(|(known, _)| known == digest)?;
        Some(described.clone())
    }

    fn remember(&self, digest: String, described: Described) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back((digest, described));
    }
}

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
    let catalog = engine.fitting_catalog().await?;
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

pub(super) async fn step(engine: &Engine, index: u64) -> Result<Option<StepDetails>, RunError> {
    let catalog = engine.fitting_catalog().await?;
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
            StepKind::Wasm | StepKind::JavaScript | StepKind::TypeScript | StepKind::Python => {
                describe_component(engine, file, &mut details).await
            }
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
    let sql = match sql_step::read(&*engine.database, &engine.options, file, &bytes) {
        Ok(read) => {
            let refusal = read.refusal.map(|refusal| refusal.into_error(file));
            details.problem = refusal.map(|error| error.to_string());
            read.step
        }
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
            let is_outside = match phase {
                "migrate" => !sql.transactional,
                "reset" => sql.is_undone_outside,
                _ => false,
            };
            let place = match is_outside {
                true => "outside a transaction",
                false => "inside the transaction that the host opens",
            };
            details
                .abilities
                .push(format!("run its statements for {phase}, {place}"));
        }
    }
    Ok(())
}

async fn describe_component(engine: &Engine, file: &StepFile, details: &mut StepDetails) {
    let inspection = match described(engine, file).await {
        Ok(inspection) => inspection,
        Err(problem) => {
            details.problem = Some(problem);
            return;
        }
    };
    details.size = Some(inspection.size);
    details.step.digest = Some(inspection.digest.clone());
    details.summary = Some(inspection.summary.clone()).filter(|summary| !summary.is_empty());
    details.transactional = Some(inspection.transactional);
    details.abilities = inspection
        .interface
        .abilities
        .iter()
        .map(|ability| (*ability).to_owned())
        .collect();
    details.imports = inspection.interface.imports.clone();
}

/// What a component says of itself, which it is asked once.
async fn described(engine: &Engine, file: &StepFile) -> Described {
    let digest = engine.remembered_digests().of(file);
    let digest = digest.map_err(|error| error.to_string())?;
    if let Some(known) = engine.descriptions.of(&digest) {
        return known;
    }
    let deadline = DESCRIBE_DEADLINE.min(engine.deadline());
    let inspection = match inspect::inspect(engine, file, deadline).await {
        Ok(inspection) => inspection,
        Err(failure) => {
            let is_of_the_file = OF_THE_FILE.contains(&failure.code.as_str());
            let why = match failure.code.as_str() {
                // The limit of the settings is another.
                "deadline" => format!(
                    "its `describe` does not end within {} s",
                    deadline.as_secs()
                ),
                _ => failure.message,
            };
            if is_of_the_file {
                engine.descriptions.remember(digest, Err(why.clone()));
            }
            return Err(why);
        }
    };
    let inspection = Arc::new(inspection);
    let known = Ok(Arc::clone(&inspection));
    engine
        .descriptions
        .remember(inspection.digest.clone(), known);
    Ok(inspection)
}
