//! A script as a transformation.

use std::cell::OnceCell;

use rquickjs::{Array, Ctx, Function, Object, Result, Value};
use wasmigrate_sdk::bindings::transform::Guest;
use wasmigrate_sdk::bindings::transform::wasmigrate::migration::transformations::{
    DerivedColumn, RejectedRow, Transformation,
};
use wasmigrate_sdk::bindings::wasmigrate::migration::types::Batch;
use wasmigrate_sdk::{Batch as Checked, BatchBuilder};

use crate::Runner;
use crate::failure::Thrown;
use crate::rows::{columns, together};
use crate::script::Script;
use crate::values::{Refused, borrowed, to_database};

thread_local! {
    /// Evaluated once: a transformation is a pure function.
    static SCRIPT: OnceCell<Script> = const { OnceCell::new() };
}

impl Guest for Runner {
    fn describe() -> Transformation {
        match with_transformation(described) {
            Ok(described) => described,
            // The contract has no failure here: the message becomes part of the trap's.
            #[allow(clippy::panic, reason = "a trap is the only way to say that")]
            Err(thrown) => panic!("{}", thrown.message),
        }
    }

    fn transform(rows: Batch) -> std::result::Result<Batch, Vec<RejectedRow>> {
        let transformed = with_transformation(|ctx, transformation| {
            let rows = Checked::checked(rows).map_err(|error| crate::rows::sdk(ctx, &error))?;
            let names: Vec<String> = transformation.get("names")?;
            let run: Function<'_> = transformation.get("run")?;
            let answer: Array<'_> = run.call((rows.rows(), columns(ctx, &rows)?))?;
            let mut rejected = rejected(ctx, &answer.get(1)?)?;
            let made = derived(ctx, &answer.get(0)?, &names, rows.rows(), &mut rejected)?;
            match rejected.is_empty() {
                true => Ok(Ok(made)),
                false => Ok(Err(rejected)),
            }
        });
        match transformed {
            Ok(transformed) => transformed,
            // What is wrong with the whole batch is no row's fault.
            #[allow(clippy::panic, reason = "a trap is the only way to say that")]
            Err(thrown) => panic!("{}", thrown.message),
        }
    }
}

/// The rows for which the function threw something, and what.
fn rejected<'js>(ctx: &Ctx<'js>, thrown: &Array<'js>) -> Result<Vec<RejectedRow>> {
    let mut rejected = Vec::with_capacity(thrown.len());
    for number in 0..thrown.len() {
        let pair: Array<'_> = thrown.get(number)?;
        rejected.push(RejectedRow {
            row: pair.get(0)?,
            message: message(ctx, pair.get(1)?),
        });
    }
    Ok(rejected)
}

/// What was thrown, with its place in the script.
fn message<'js>(ctx: &Ctx<'js>, thrown: Value<'js>) -> String {
    let error = ctx.throw(thrown);
    let caught = rquickjs::CaughtError::from_error(ctx, error);
    Thrown::of(ctx, caught).message
}

/// The derived columns as a batch. A value that means nothing to a database rejects its row.
fn derived<'js>(
    ctx: &Ctx<'js>,
    made: &Array<'js>,
    names: &[String],
    rows: usize,
    rejected: &mut Vec<RejectedRow>,
) -> Result<Batch> {
    let mut columns = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let cells: Array<'js> = made.get(place)?;
        let mut column = BatchBuilder::new(1);
        for row in 0..rows {
            let value = match to_database(&cells.get(row)?) {
                Ok(value) => value,
                Err(Refused::Type(why) | Refused::Range(why)) => {
                    rejected.push(RejectedRow {
                        row: u32::try_from(row).unwrap_or(u32::MAX),
                        message: format!("`{name}` {why}"),
                    });
                    wasmigrate_sdk::Value::Null
                }
            };
            let pushed = column.push(&[borrowed(&value)]);
            pushed.map_err(|error| crate::rows::sdk(ctx, &error))?;
        }
        columns.push(column);
    }
    together(ctx, columns, rows)
}

fn with_transformation<T>(
    act: impl for<'js> FnOnce(&Ctx<'js>, Object<'js>) -> Result<T>,
) -> std::result::Result<T, Thrown> {
    SCRIPT.with(|script| {
        if script.get().is_none() {
            let loaded = Script::load().map_err(|message| Thrown {
                message,
                stack: Vec::new(),
                cause: None,
                retryable: false,
            })?;
            let _ = script.set(loaded);
        }
        match script.get() {
            Some(script) => script.with_transformation(act),
            None => Err(Thrown {
                message: "the script is gone".to_owned(),
                stack: Vec::new(),
                cause: None,
                retryable: false,
            }),
        }
    })
}

fn described(_: &Ctx<'_>, transformation: Object<'_>) -> Result<Transformation> {
    let derives: Array<'_> = transformation.get("derived")?;
    let mut derived = Vec::with_capacity(derives.len());
    for number in 0..derives.len() {
        let column: Object<'_> = derives.get(number)?;
        let declared: String = column.get("type")?;
        let (type_name, nullable) = type_of(&declared);
        derived.push(DerivedColumn {
            name: column.get("name")?,
            type_name,
            nullable,
            replaces: column.get("replaces")?,
        });
    }
    Ok(Transformation {
        summary: transformation.get("summary")?,
        table: transformation.get("table")?,
        key: transformation.get("key")?,
        inputs: transformation.get("inputs")?,
        derived,
        dropped: transformation.get("drops")?,
        filter: transformation.get("where")?,
    })
}

/// `TEXT NOT NULL` is the type `TEXT`, not nullable.
fn type_of(declared: &str) -> (String, bool) {
    let declared = declared.trim();
    const NOT_NULL: &str = "NOT NULL";
    let at = declared.len().saturating_sub(NOT_NULL.len());
    match (declared.get(..at), declared.get(at..)) {
        (Some(name), Some(end)) if end.eq_ignore_ascii_case(NOT_NULL) => {
            (name.trim().to_owned(), false)
        }
        _ => (declared.to_owned(), true),
    }
}

wasmigrate_sdk::bindings::transform::export_transform_world!(Runner with_types_in wasmigrate_sdk::bindings::transform);
