//! A script as a transformation.

use std::cell::OnceCell;

use rquickjs::{Array, Ctx, Exception, Function, Object, Result, Value};
use wasmigrate_sdk::Batch as Checked;
use wasmigrate_sdk::bindings::transform::Guest;
use wasmigrate_sdk::bindings::transform::wasmigrate::migration::transformations::{
    DerivedColumn, RejectedRow, Transformation,
};
use wasmigrate_sdk::bindings::wasmigrate::migration::types::Batch;

use crate::Runner;
use crate::failure::Thrown;
use crate::rows::{batch, columns};
use crate::script::Script;

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
            let width: usize = transformation.get("width")?;
            let run: Function<'_> = transformation.get("run")?;
            let answer: Array<'_> = run.call((rows.rows(), columns(ctx, &rows)?))?;
            let rejected: Array<'_> = answer.get(1)?;
            if rejected.is_empty() {
                let made: Array<'_> = answer.get(0)?;
                return Ok(Ok(batch(ctx, &made, width)?.into_host()));
            }
            let mut found = Vec::with_capacity(rejected.len());
            for number in 0..rejected.len() {
                let pair: Array<'_> = rejected.get(number)?;
                found.push(RejectedRow {
                    row: pair.get(0)?,
                    message: message(ctx, pair.get(1)?),
                });
            }
            Ok(Err(found))
        });
        match transformed {
            Ok(transformed) => transformed,
            // What is wrong with the whole batch is no row's fault.
            #[allow(clippy::panic, reason = "a trap is the only way to say that")]
            Err(thrown) => panic!("{}", thrown.message),
        }
    }
}

/// What a row was rejected with: the message, with its place in the script.
fn message<'js>(ctx: &Ctx<'js>, thrown: Value<'js>) -> String {
    let error = ctx.throw(thrown);
    let caught = rquickjs::CaughtError::from_error(ctx, error);
    Thrown::of(ctx, caught).message
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

fn described(ctx: &Ctx<'_>, transformation: Object<'_>) -> Result<Transformation> {
    let derives: Array<'_> = transformation.get("derived")?;
    let mut derived = Vec::with_capacity(derives.len());
    for number in 0..derives.len() {
        let column: Object<'_> = derives.get(number)?;
        let declared: String = column.get("type")?;
        let (type_name, nullable) = type_of(&declared);
        if type_name.is_empty() {
            return Err(Exception::throw_type(ctx, "a derived column has no type"));
        }
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
