//! What a step does, whatever it is written in.

use std::time::SystemTime;

use super::event::{Statement, Unit};
use super::failure::Failure;
use super::step_output::StepOutput;
use super::transaction::StepTransaction;
use crate::catalog::{Section, SqlStep};
use crate::database::Stop;
use crate::journal::Phase;
use crate::output::Level;
use crate::sandbox::{self, Component, OutputWriter as _, Phases, Sandbox, StepHost as _};

/// A step, loaded and ready to run.
pub(super) enum Program {
    /// A component of the world `step`.
    Component(Component<StepTransaction>),
    /// A component of the world `transform`.
    Transformation(Component<StepTransaction>),
    /// SQL.
    Sql(SqlStep),
}

/// What a step's own questions were answered with.
pub(super) struct Answers {
    pub(super) transactional: bool,
    /// How many rows it will go through, where it knows.
    pub(super) rows: Option<u64>,
    /// Whether it must be asked again when the steps before it are done.
    pub(super) deferred: bool,
}

/// When a step is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Circumstances {
    /// It comes first, or all before it are done.
    First,
    /// Steps of the same run come before it, whose tables it may miss now.
    BehindOthers,
    /// It has begun in an earlier run.
    Begun,
}

impl Program {
    /// Asks the step what it is and, unless it has begun before, whether it could run and for how many rows.
    pub(super) async fn inquire(
        &self,
        sandbox: Option<&Sandbox<StepTransaction>>,
        transaction: StepTransaction,
        circumstances: Circumstances,
        stop: &Stop,
    ) -> (Result<Answers, Failure>, StepTransaction) {
        let (Self::Component(component), Some(sandbox)) = (self, sandbox) else {
            let answers = Answers {
                transactional: match self {
                    Self::Sql(sql) => sql.transactional,
                    Self::Component(_) | Self::Transformation(_) => true,
                },
                rows: None,
                deferred: false,
            };
            return (Ok(answers), transaction);
        };
        let recorded = transaction.recorded();
        let output = std::sync::Arc::clone(&transaction.output);
        let mut instance = sandbox.instance(component, transaction, output, recorded, stop);
        let postponed = |error: &sandbox::Error| {
            circumstances == Circumstances::BehindOthers
                && matches!(error, sandbox::Error::Failed { cause: Some(_), .. })
        };
        let answers = async {
            let description = instance.describe().await?;
            let mut answers = Answers {
                transactional: description.transactional,
                rows: None,
                deferred: false,
            };
            if circumstances == Circumstances::Begun {
                return Ok(answers);
            }
            match instance.check().await {
                Ok(()) => {}
                Err(error) if postponed(&error) => {
                    answers.deferred = true;
                    return Ok(answers);
                }
                Err(error) => return Err(error),
            }
            match instance.count().await {
                Ok(rows) => answers.rows = rows,
                Err(error) if postponed(&error) => answers.deferred = true,
                Err(error) => return Err(error),
            }
            Ok(answers)
        }
        .await;
        (answers.map_err(Failure::from_sandbox), instance.into_host())
    }

    /// Runs the phase that the transaction is for.
    pub(super) async fn perform(
        &self,
        sandbox: Option<&Sandbox<StepTransaction>>,
        transaction: StepTransaction,
        stop: &Stop,
    ) -> (Result<(), Failure>, StepTransaction) {
        match (self, sandbox) {
            (Self::Component(component), Some(sandbox)) => {
                perform_component(component, sandbox, transaction, stop).await
            }
            (Self::Sql(sql), _) => perform_sql(sql, transaction, stop).await,
            (Self::Transformation(_), _) | (Self::Component(_), None) => (
                Err(Failure::new(
                    "host",
                    super::Blame::Host,
                    "a component was loaded without what runs it",
                )),
                transaction,
            ),
        }
    }

    /// Asks a component which phases it has; none when it does not tell.
    pub(super) async fn phases(
        &self,
        sandbox: Option<&Sandbox<StepTransaction>>,
        transaction: StepTransaction,
        stop: &Stop,
    ) -> (Option<Phases>, StepTransaction) {
        let (Self::Component(component), Some(sandbox)) = (self, sandbox) else {
            return (None, transaction);
        };
        if !component.tells_phases() {
            return (None, transaction);
        }
        let recorded = transaction.recorded();
        let output = std::sync::Arc::clone(&transaction.output);
        let mut instance = sandbox.instance(component, transaction, output, recorded, stop);
        let described = instance.describe().await;
        let phases = described.ok().and_then(|description| description.phases);
        (phases, instance.into_host())
    }

    /// Whether there is something to run in this phase. Of a component only a call can tell.
    pub(super) fn has(&self, phase: Phase) -> bool {
        match self {
            Self::Component(_) | Self::Transformation(_) => true,
            Self::Sql(sql) => section(sql, phase).is_some(),
        }
    }
}

async fn perform_component(
    component: &Component<StepTransaction>,
    sandbox: &Sandbox<StepTransaction>,
    transaction: StepTransaction,
    stop: &Stop,
) -> (Result<(), Failure>, StepTransaction) {
    let phase = transaction.phase;
    let resume = transaction.record.resume_cursor.clone();
    let recorded = transaction.recorded();
    let output = std::sync::Arc::clone(&transaction.output);
    name_the_runner(component, &output);
    let mut instance = sandbox.instance(component, transaction, output, recorded, stop);
    let result = match phase {
        Phase::Prepare => Ok(()),
        Phase::Migrate => instance.migrate(resume.as_deref()).await,
        Phase::Finalize => instance.finalize().await,
        Phase::Reset => instance.reset().await,
    };
    let memory = instance.memory();
    let transaction = instance.into_host();
    transaction.context.observer.measure(phase, memory);
    (result.map_err(Failure::from_sandbox), transaction)
}

/// Writes down which runner a script has: another version of the host may have another.
pub(super) fn name_the_runner(component: &Component<StepTransaction>, output: &StepOutput) {
    if let Some(by) = component.runner() {
        let (language, digest) = (by.language, by.digest);
        let version = env!("CARGO_PKG_VERSION");
        let line = format!("run by the {language} runner of wasmigrate {version}, sha256:{digest}");
        output.write(Level::Debug, line);
    }
}

async fn perform_sql(
    sql: &SqlStep,
    mut transaction: StepTransaction,
    stop: &Stop,
) -> (Result<(), Failure>, StepTransaction) {
    let Some(section) = section(sql, transaction.phase) else {
        return (Ok(()), transaction);
    };
    for note in &sql.notes {
        transaction.output.write(Level::Info, note.clone());
    }
    let mut began = transaction.clock();
    let StepTransaction {
        session,
        meter,
        context,
        ..
    } = &mut transaction;
    let total = section.text.len() as u64;
    let mut before = 0;
    let result = session
        .execute_script(&section.text, &mut |done| {
            meter.progress(done as u64, Some(total), Unit::Bytes);
            if let Some(began) = &mut began {
                let text = section.text.get(before..done).unwrap_or_default();
                // What lies after the last statement is none.
                let text =
                    text.trim_matches(|letter: char| letter == ';' || letter.is_whitespace());
                if !text.is_empty() {
                    context.observer.statement(&Statement {
                        text,
                        began: *began,
                        is_failed: false,
                    });
                }
                before = done;
                *began = SystemTime::now();
            }
        })
        .await;
    if let (Some(began), Err(error)) = (began, &result) {
        transaction.ran(&error.statement, began, true);
    }
    // What was told are bytes of the script; the journal keeps rows.
    transaction.meter.done = result.as_ref().ok().copied();
    let result = match (result, stop.reason()) {
        (Err(error), reason) => Err(Failure::from_script(error, section.first_line, reason)
            .in_file(section.file_name.as_deref())),
        (Ok(_), Some(reason)) => Err(Failure::from_sandbox(sandbox::Error::Stopped(reason))),
        (Ok(_), None) => Ok(()),
    };
    (result, transaction)
}

/// What a step in SQL says for this phase.
pub(super) fn section(sql: &SqlStep, phase: Phase) -> Option<&Section> {
    match phase {
        Phase::Prepare => None,
        Phase::Migrate => sql.migrate.as_ref(),
        Phase::Finalize => sql.finalize.as_ref(),
        Phase::Reset => sql.reset.as_ref(),
    }
}
