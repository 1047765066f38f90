//! A rehearsal: the pending steps really run, in one transaction that is rolled back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::RunError;
use super::adopt;
use super::decision;
use super::event::{Event, Observer};
use super::extent::Extent;
use super::failure::Failure;
use super::loaded::{self, Loaded};
use super::program::{Circumstances, Program};
use super::state::Command;
use super::step_output::RunContext;
use super::transaction::StepTransaction;
use super::transform;
use crate::catalog::{SqlStep, StepFile};
use crate::database::{Access, Durability, Session, Stop, is_journal};
use crate::journal::{self, Phase};

/// What a rehearsal found out.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rehearsal {
    /// The steps that ran, as `NNNN_name`.
    pub steps: Vec<String>,
    /// The pending steps that did not run, because they run outside a transaction.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// How many rows of each table were inserted, changed or deleted; a row that was changed twice counts twice.
    pub rows_changed: BTreeMap<String, u64>,
    /// Why it ended early, when it did.
    pub failure: Option<Failure>,
}

pub(super) async fn rehearse(
    engine: &Engine,
    extent: &Extent,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Rehearsal, RunError> {
    let catalog = engine.catalog()?;
    adopt::refuse_unadopted(engine, &engine.snapshot(stop).await?, stop).await?;
    let mut session = engine.database.open(Access::Rehearsal, stop).await?;
    session.begin(Durability::Deferred).await?;
    let mut snapshot = journal::read(&mut *session).await?;
    let catalog = engine.fitting(&catalog, &snapshot);
    engine.supersede(&catalog, &mut snapshot);
    engine.refuse_problems(&catalog, &snapshot, false)?;
    let plan = decision::plan(&catalog, &snapshot, Command::Migrate, extent)?;
    let context = Arc::new(RunContext {
        run: None,
        lease: None,
        observer,
        settings: Arc::clone(&engine.options.settings),
        output: Arc::default(),
        tenant: None,
        is_tenancy: false,
    });
    let mut rehearsal = Rehearsal {
        steps: Vec::new(),
        left_out: Vec::new(),
        rows_changed: BTreeMap::new(),
        failure: None,
    };
    let files = plan.migrate.iter();
    let files: Vec<_> = files.filter_map(|index| catalog.steps.get(index)).collect();
    let loaded = loaded::load(engine, &files, &*context.observer, stop);
    let judged = loaded.and_then(|mut loaded| {
        match loaded.iter_mut().find_map(|step| step.refusal.take()) {
            None => Ok(loaded),
            Some(failure) => Err(failure),
        }
    });
    let loaded = match judged {
        Ok(loaded) => loaded,
        Err(failure) => {
            rehearsal.failure = Some(failure);
            return Ok(rehearsal);
        }
    };
    // Those that are migrated already, and those that this run migrates.
    let mut described = transform::migrated(&snapshot);
    for step in &loaded {
        let record = snapshot.steps.get(&step.step.index).cloned();
        if let Program::Transformation(_) = &step.program {
            let begun = snapshot.transformations.get(&step.step.index);
            let result = transform::rehearse(engine, &context, step, begun, &mut *session, stop);
            rehearsal.steps.push(step.step.label.clone());
            match result.await {
                Ok(description) => described.push((step.step.index, description)),
                Err(failure) => {
                    rehearsal.failure = Some(failure.of(&step.step.label, Phase::Migrate));
                    break;
                }
            }
            continue;
        }
        let (result, back) = rehearse_step(engine, &context, session, step, record, stop).await;
        session = back;
        if let Err(failure) = &result
            && needs_earlier_commit(failure, step, !rehearsal.steps.is_empty())
        {
            context.observer.notify(&Event::Warning {
                message: uncommitted(&step.step.label),
            });
            break;
        }
        let list = match result {
            Ok(Rehearsed::LeftOut) => &mut rehearsal.left_out,
            _ => &mut rehearsal.steps,
        };
        list.push(step.step.label.clone());
        if let Err(failure) = result {
            rehearsal.failure = Some(failure);
            break;
        }
    }
    rehearsal.rows_changed = session.rows_changed().await?;
    if rehearsal.failure.is_none() {
        described.sort_by_key(|(index, _)| *index);
        let tried = transform::try_in_transaction(&described, &mut *session, stop).await;
        rehearsal.failure = tried.err().map(|(place, failure)| {
            let step = described.get(place);
            let step = step.and_then(|(index, _)| catalog.steps.get(index));
            let label = step.map(StepFile::label).unwrap_or_default();
            failure.of(&label, Phase::Finalize)
        });
    }
    rehearsal.rows_changed.retain(|table, _| !is_journal(table));
    session.rollback().await?;
    Ok(rehearsal)
}

/// What is said of a step that cannot be rehearsed with those before it.
pub(super) fn uncommitted(label: &str) -> String {
    format!(
        "{label} uses what a step before it adds, and the database allows that only once that is committed, as a real run does: \
         it is not rehearsed, nor is what comes after it"
    )
}

/// Whether a step failed only because what steps before it did is not committed here, as it is in a real run.
fn needs_earlier_commit(failure: &Failure, step: &Loaded, has_earlier: bool) -> bool {
    let adds_itself = |sql: &SqlStep| {
        let text = sql.migrate.as_ref().map_or("", |section| &section.text);
        let words: Vec<&str> = text.split_whitespace().collect();
        words.windows(2).any(|pair| {
            pair.first()
                .is_some_and(|word| word.eq_ignore_ascii_case("add"))
                && pair
                    .get(1)
                    .is_some_and(|word| word.eq_ignore_ascii_case("value"))
        })
    };
    has_earlier
        && failure.is_uncommitted()
        && !matches!(&step.program, Program::Sql(sql) if adds_itself(sql))
}

/// What became of a step.
enum Rehearsed {
    Ran,
    /// It runs outside a transaction, and could not be rolled back.
    LeftOut,
}

/// Checks and migrates one step, and does with it all that a real run would do before its commit.
async fn rehearse_step(
    engine: &Engine,
    context: &Arc<RunContext>,
    session: Box<dyn Session>,
    loaded: &Loaded,
    record: Option<journal::StepRecord>,
    stop: &Stop,
) -> (Result<Rehearsed, Failure>, Box<dyn Session>) {
    let circumstances = match record {
        Some(_) => Circumstances::Begun,
        None => Circumstances::First,
    };
    let open = |session, phase, record| {
        StepTransaction::open(context, session, &loaded.step, phase, None, 1, record)
    };
    let mut phase = Phase::Prepare;
    let asked = open(session, phase, None);
    let (answers, mut transaction) = loaded.inquire(engine, asked, circumstances, stop).await;
    let result = match answers {
        Err(failure) => Err(failure),
        Ok(answers) if !answers.transactional => {
            context.observer.notify(&Event::Warning {
                message: format!(
                    "{} runs outside a transaction, so that it is not rehearsed",
                    loaded.step.label
                ),
            });
            Ok(Rehearsed::LeftOut)
        }
        Ok(_) => {
            phase = Phase::Migrate;
            let migrate = open(transaction.session, phase, record);
            let (result, back) = loaded.perform(engine, migrate, stop).await;
            transaction = back;
            // So that a failure is told of the step whose it is.
            match result {
                Ok(()) => transaction
                    .session
                    .settle()
                    .await
                    .map(|()| Rehearsed::Ran)
                    .map_err(Failure::from_database),
                Err(failure) => Err(failure),
            }
        }
    };
    (
        result.map_err(|failure| failure.of(&loaded.step.label, phase)),
        transaction.session,
    )
}
