//! `import`: what another tool's own table says was applied.

use std::collections::BTreeMap;

use super::matching::{self, Matched};
use super::record::{IMPORT, Record};
use super::settled::is_settled;
use super::{AdoptedFile, Adoption, ImportOrder, files, request, steps, take_turn};
use crate::catalog::{Catalog, StepFile};
use crate::database::{Access, Session, Stop};
use crate::engine::{Engine, Observer, RunError};
use crate::foreign::Tool;
use crate::journal::{self, Snapshot};

pub(in crate::engine) async fn import(
    engine: &Engine,
    order: &ImportOrder,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Adoption, RunError> {
    let order = &request::located(engine, order, stop).await?;
    if let Some(tenancy) = &engine.options.tenancy {
        return files::import(engine, tenancy, order, observer, stop).await;
    }
    let mut catalog = engine.catalog()?;
    refuse_directory(engine, order.from)?;
    let is_said;
    {
        // Who is refused, or has nothing to do, must not even open the target for writing.
        let mut session = engine.database.open(Access::Read, stop).await?;
        session.begin_read().await?;
        let snapshot = journal::read(&mut *session).await?;
        let catalog = &mut catalog.clone();
        let plan = plan(engine, order, catalog, &snapshot, &mut *session).await?;
        is_said = is_settled(&snapshot, &mut *session).await?;
        if order.dry_run || plan.is_done(is_said) {
            return Ok(plan.adoption(None));
        }
    }
    let (mut session, snapshot) = take_turn(engine, observer, stop).await?;
    let plan = plan(engine, order, &mut catalog, &snapshot, &mut *session).await?;
    if plan.is_done(is_said) {
        return Ok(plan.adoption(None));
    }
    let mut record = Record::begin(&mut *session, IMPORT, &engine.options).await?;
    record.tell(None, &request::origin(order));
    for remark in &plan.remarks {
        record.tell(None, remark);
    }
    for step in &plan.steps {
        steps::write(
            &mut *session,
            &record,
            step.file,
            &step.digest,
            step.applied_at,
        )
        .await?;
        record.tell(
            Some(step.file.index),
            &format!(
                "{} was applied by {}",
                step.file.label(),
                order.from.as_str()
            ),
        );
    }
    let run = record.commit(&mut *session).await?;
    Ok(plan.adoption(Some(run)))
}

struct Plan<'c> {
    steps: Vec<Step<'c>>,
    remarks: Vec<String>,
}

struct Step<'c> {
    file: &'c StepFile,
    digest: String,
    applied_at: Option<i64>,
}

impl Plan<'_> {
    /// Whether there is nothing to write down. The first import says that it was made, if nothing else.
    fn is_done(&self, is_said: bool) -> bool {
        self.steps.is_empty() && is_said
    }

    fn adoption(&self, run: Option<i64>) -> Adoption {
        let files = self.steps.iter().map(|step| AdoptedFile {
            name: step.file.label(),
            tenant: None,
            applied_at: step.applied_at,
        });
        Adoption {
            run,
            files: files.collect(),
            remarks: self.remarks.clone(),
        }
    }
}

/// What there is to write down, when nothing speaks against it.
async fn plan<'c>(
    engine: &Engine,
    order: &ImportOrder,
    catalog: &'c mut Catalog,
    snapshot: &Snapshot,
    session: &mut dyn Session,
) -> Result<Plan<'c>, RunError> {
    let files: Vec<StepFile> = catalog.steps.values().cloned().collect();
    let Matched {
        applied,
        baseline,
        problems,
        remarks,
    } = {
        let history = request::history(order, session).await?;
        matching::compare(
            order.from,
            &history,
            &files,
            &catalog.baselines,
            order.out_of_order,
        )
    };
    request::refuse(order.from, problems)?;
    let applied = applied
        .into_iter()
        .filter_map(|(place, at)| Some((files.get(place)?.index, at)));
    let applied: BTreeMap<u64, Option<i64>> = applied.chain(baseline).collect();
    *catalog = std::mem::take(catalog).with_baseline_at(baseline.map(|(place, _)| place));
    let catalog: &'c Catalog = catalog;
    let files = catalog.steps.values();
    let matched = files.filter(|file| applied.contains_key(&file.index));
    let chosen = steps::missing(engine, catalog, snapshot, order.out_of_order, matched)?;
    let time_of = |index| applied.get(&index).copied().flatten();
    Ok(Plan {
        steps: chosen
            .into_iter()
            .map(|(file, digest)| Step {
                file,
                digest,
                applied_at: time_of(file.index),
            })
            .collect(),
        remarks,
    })
}

/// Refuses a tool that has files in several directories, of which there is one.
fn refuse_directory(engine: &Engine, tool: Tool) -> Result<(), RunError> {
    if tool != Tool::Migrator {
        return Ok(());
    }
    let directory = &engine.options.migrations;
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let base = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
        _ => ".".to_owned(),
    };
    Err(RunError::Refused(format!(
        "migrator runs files of several directories: name them as sources in `wasmigrate.toml`:\n\
         [sources]\nbase = \"{base}\"\nsingle_migrations = [\"{name}\"]"
    )))
}
