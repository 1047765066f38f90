//! The function of a transformation: called for a chunk of rows, whatever becomes of single ones.

use std::sync::Arc;

use super::plan::Plan;
use crate::database::{Batch, Chunk, Error, Stop, Value};
use crate::engine::failure::{Blame, Failure};
use crate::engine::loaded::Loaded;
use crate::engine::program::Program;
use crate::engine::step_output::{RunContext, StepOutput};
use crate::engine::{Engine, OnBadRow};
use crate::journal::{self, BadRow, Phase};
use crate::sandbox::{Recorded, Rejected, TransformInstance, Transformation, Transformed};

/// How many rejected rows a failure tells of.
const TOLD: usize = 3;

/// A step's function, with an instance that lasts until it breaks.
pub(super) struct Function<'f> {
    pub(super) engine: &'f Engine,
    pub(super) context: &'f Arc<RunContext>,
    pub(super) loaded: &'f Loaded,
    pub(super) phase: Phase,
    pub(super) stop: &'f Stop,
    /// What becomes of a row without an answer.
    pub(super) on_bad_row: OnBadRow,
    instance: Option<TransformInstance>,
}

/// What became of a chunk.
#[derive(Clone)]
pub(super) struct Computed {
    /// The rows that the function has an answer for.
    pub(super) chunk: Chunk,
    /// The answers.
    pub(super) derived: Batch,
    /// The others.
    pub(super) bad: Vec<BadRow>,
}

/// Why there is no answer for a batch, and the row that is too much by itself, where that is known.
struct Broken {
    failure: Failure,
    row: Option<usize>,
}

impl<'f> Function<'f> {
    pub(super) fn new(
        engine: &'f Engine,
        context: &'f Arc<RunContext>,
        loaded: &'f Loaded,
        phase: Phase,
        stop: &'f Stop,
    ) -> Self {
        Self {
            engine,
            context,
            loaded,
            phase,
            stop,
            on_bad_row: match phase {
                // What is finalized without derived values would have lost the old ones.
                Phase::Finalize => OnBadRow::Fail,
                _ => engine.options.transform.on_bad_row,
            },
            instance: None,
        }
    }

    /// What the component says of itself.
    pub(super) async fn describe(&mut self) -> Result<Transformation, Failure> {
        self.stop.set_deadline(Some(self.engine.deadline()));
        let described = self.try_describe().await;
        self.stop.set_deadline(None);
        described
    }

    async fn try_describe(&mut self) -> Result<Transformation, Failure> {
        let described = self.instance().await?.describe().await;
        described.map_err(Failure::from_sandbox)
    }

    /// Computes the derived columns. A row without an answer is a failure, or set aside: as the operator wants it.
    pub(super) async fn compute(
        &mut self,
        plan: &Plan,
        mut chunk: Chunk,
    ) -> Result<Computed, Failure> {
        let is_failure = self.on_bad_row == OnBadRow::Fail;
        let output = Arc::clone(&self.context.output);
        let mut is_said = false;
        let mut bad = Vec::new();
        loop {
            let rows = chunk.row_count();
            if rows == 0 {
                return Ok(Computed {
                    chunk,
                    derived: Batch::default(),
                    bad,
                });
            }
            let before = output.last();
            let called = self.call(plan, chunk.inputs.clone()).await;
            let said = output.last();
            if is_said {
                output.forget_between(before, said);
            }
            let rejected = match called {
                Ok(Ok(derived)) => {
                    return Ok(Computed {
                        chunk,
                        derived,
                        bad,
                    });
                }
                Ok(Err(rejected)) => {
                    let rejected: Vec<(usize, String)> = rejected
                        .into_iter()
                        .filter(|rejected| rejected.row < rows)
                        .map(|rejected| (rejected.row, rejected.message))
                        .collect();
                    if rejected.is_empty() {
                        return Err(Failure::new(
                            "failed",
                            Blame::Step,
                            "the function failed and named no row that it was given",
                        ));
                    }
                    is_said = true;
                    rejected
                }
                Err(Broken { failure, row }) if is_breakdown(&failure) || row.is_some() => {
                    let row = match row {
                        Some(row) => Some(row),
                        None => self.culprit(plan, &chunk).await?,
                    };
                    if is_failure || row.is_none() {
                        output.forget_between(said, output.last());
                    } else {
                        // The other rows say it again.
                        output.forget_between(before, said);
                    }
                    let Some(row) = row else {
                        return Err(failure);
                    };
                    if is_failure {
                        let message = format!("{}: {}", name(plan, &chunk, row), failure.message);
                        return Err(Failure { message, ..failure });
                    }
                    vec![(row, failure.message)]
                }
                Err(Broken { failure, .. }) => return Err(failure),
            };
            if is_failure {
                return Err(failure_of(plan, &chunk, &rejected));
            }
            let rows = 0..rows;
            let of_row =
                |(row, message): &(usize, String)| self.bad_row(plan, &chunk, *row, message);
            bad.extend(rejected.iter().map(of_row));
            let is_good = |row: &usize| !rejected.iter().any(|(rejected, _)| rejected == row);
            chunk = chunk.select(&rows.filter(is_good).collect::<Vec<_>>());
        }
    }

    fn bad_row(&self, plan: &Plan, chunk: &Chunk, row: usize, message: &str) -> BadRow {
        BadRow {
            index: plan.table.index,
            key: journal::write_key(&chunk.key(&plan.table, row)),
            input: journal::write_key(&chunk.input(row)),
            message: message.to_owned(),
            run: self.context.run(),
            found_at: journal::now(),
        }
    }

    /// How many rows are looked for whose values the database refuses: with so many the step fails.
    pub(super) fn most_refused(&self) -> usize {
        let most = self.engine.options.transform.max_bad_rows;
        match self.on_bad_row {
            OnBadRow::Fail => 1,
            OnBadRow::Quarantine => usize::try_from(most)
                .unwrap_or(usize::MAX)
                .saturating_add(1),
        }
    }

    /// What becomes of rows whose values the database refuses: a failure, or bad rows.
    pub(super) fn refuse(
        &self,
        plan: &Plan,
        chunk: &Chunk,
        refused: &[(usize, Error)],
    ) -> Result<Vec<BadRow>, Failure> {
        if let (OnBadRow::Fail, Some((row, error))) = (self.on_bad_row, refused.first()) {
            let failure = Failure::from_database(error.clone());
            return Err(Failure {
                message: format!("{}: {}", name(plan, chunk, *row), failure.message),
                blame: Blame::Step,
                ..failure
            });
        }
        let of_row =
            |(row, error): &(usize, Error)| self.bad_row(plan, chunk, *row, &error.message);
        Ok(refused.iter().map(of_row).collect())
    }

    /// The row that breaks the component, found by halving; none when it breaks on no row alone.
    async fn culprit(&mut self, plan: &Plan, chunk: &Chunk) -> Result<Option<usize>, Failure> {
        let output = Arc::clone(&self.context.output);
        let said = output.last();
        let mut rows: Vec<usize> = (0..chunk.row_count()).collect();
        while rows.len() > 1 {
            let second = rows.split_off(rows.len() / 2);
            if !self.breaks(plan, &chunk.select(&rows)).await? {
                rows = second;
            }
        }
        output.forget_between(said, output.last());
        Ok(match self.breaks(plan, &chunk.select(&rows)).await? {
            true => rows.first().copied(),
            false => None,
        })
    }

    async fn breaks(&mut self, plan: &Plan, chunk: &Chunk) -> Result<bool, Failure> {
        match self.call(plan, chunk.inputs.clone()).await {
            Ok(_) => Ok(false),
            Err(Broken { failure, row }) if is_breakdown(&failure) || row.is_some() => Ok(true),
            Err(Broken { failure, .. }) => Err(failure),
        }
    }

    /// Calls the function, in halves when its memory or its answer would be too large at once.
    async fn call(&mut self, plan: &Plan, inputs: Batch) -> Result<Transformed, Broken> {
        let rows: Vec<usize> = (0..inputs.row_count).collect();
        let half = rows.len() / 2;
        let (first, second) = rows.split_at(half);
        let said = self.context.output.last();
        match self.call_once(plan, inputs.clone()).await {
            Err(failure) if failure.code == "limit" && !first.is_empty() => {
                let output = &self.context.output;
                output.forget_between(said, output.last());
                let first = Box::pin(self.call(plan, inputs.select(first))).await?;
                let second = Box::pin(self.call(plan, inputs.select(second))).await;
                let second = second.map_err(|broken| Broken {
                    row: broken.row.map(|row| row + half),
                    ..broken
                })?;
                Ok(both(first, second, half))
            }
            Err(failure) => Err(Broken {
                row: (failure.code == "limit").then_some(0),
                failure,
            }),
            Ok(transformed) => Ok(transformed),
        }
    }

    async fn call_once(&mut self, plan: &Plan, inputs: Batch) -> Result<Transformed, Failure> {
        if let Some(native) = self.engine.options.transform.native {
            return Ok(native(&inputs));
        }
        let width = plan.table.derived.len();
        let instance = self.instance().await?;
        let transformed = instance.transform(inputs, width).await;
        let memory = instance.memory();
        self.context.observer.measure(self.phase, memory);
        if transformed.is_err() {
            self.instance = None;
        }
        transformed.map_err(Failure::from_sandbox)
    }

    async fn instance(&mut self) -> Result<&mut TransformInstance, Failure> {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.instantiate().await?,
        };
        Ok(self.instance.insert(instance))
    }

    async fn instantiate(&self) -> Result<TransformInstance, Failure> {
        let (Program::Transformation(component), Some(sandbox)) =
            (&self.loaded.program, self.engine.started_sandbox())
        else {
            return Err(Failure::new(
                "host",
                Blame::Host,
                "the step is no transformation",
            ));
        };
        // A pure function sees neither time nor chance.
        let recorded = Recorded {
            started_at: 0,
            seed: 0,
        };
        let output = StepOutput::of_repeated_work(self.context, &self.loaded.step, self.phase);
        sandbox
            .transform_instance(component, output, recorded, self.stop)
            .await
            .map_err(Failure::from_sandbox)
    }
}

/// The answers for two halves of a chunk, the first of which has `rows`.
fn both(first: Transformed, second: Transformed, rows: usize) -> Transformed {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok(first.append(&second)),
        (first, second) => {
            let rejected_later = second.err().unwrap_or_default().into_iter();
            let rejected_later = rejected_later.map(|rejected| Rejected {
                row: rejected.row + rows,
                ..rejected
            });
            let rejected = first.err().unwrap_or_default().into_iter();
            Err(rejected.chain(rejected_later).collect())
        }
    }
}

/// Whether the component broke down, rather than said no or was stopped.
fn is_breakdown(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "trap" | "exited")
}

fn failure_of(plan: &Plan, chunk: &Chunk, rejected: &[(usize, String)]) -> Failure {
    let told: Vec<String> = rejected
        .iter()
        .take(TOLD)
        .map(|(row, message)| format!("{}: {message}", name(plan, chunk, *row)))
        .collect();
    let more = match rejected.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; and {more} more of these rows"),
    };
    Failure::new("failed", Blame::Step, format!("{}{more}", told.join("; ")))
}

/// A row's key, in words.
fn name(plan: &Plan, chunk: &Chunk, row: usize) -> String {
    let key: Vec<String> = plan
        .table
        .key
        .iter()
        .zip(chunk.key(&plan.table, row))
        .map(|(column, value)| format!("{} = {}", column.name, show(&value)))
        .collect();
    format!("the row with {}", key.join(", "))
}

/// A key's value in a message.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) | Value::Other { text, .. } => format!("`{text}`"),
        Value::Bytes(bytes) => format!("{bytes:02x?}"),
    }
}
