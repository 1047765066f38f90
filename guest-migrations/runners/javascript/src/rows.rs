//! Many values: rows of JavaScript on one side, batches on the other.

use rquickjs::{Array, Ctx, Exception, Result, Value as JsValue};
use wasmigrate_sdk::{Batch, BatchBuilder, Value, ValueRef};

use crate::values::{borrowed, from_database, to_database};

/// The columns of a batch, each an array of its cells: the prelude makes objects of them.
pub(crate) fn columns<'js>(ctx: &Ctx<'js>, batch: &Batch) -> Result<Array<'js>> {
    let columns = Array::new(ctx.clone())?;
    for column in 0..batch.columns() {
        let cells = Array::new(ctx.clone())?;
        for row in 0..batch.rows() {
            let value = batch.value(row, column).unwrap_or(ValueRef::Null);
            cells.set(row, from_database(ctx, value)?)?;
        }
        columns.set(column, cells)?;
    }
    Ok(columns)
}

/// Rows, each an array of `width` cells, as a batch.
pub(crate) fn batch(ctx: &Ctx<'_>, rows: &Array<'_>, width: usize) -> Result<Batch> {
    let mut builder = BatchBuilder::new(width);
    let mut cells: Vec<Value> = Vec::with_capacity(width);
    for number in 0..rows.len() {
        let row: JsValue<'_> = rows.get(number)?;
        let Some(row) = row.as_array() else {
            return Err(Exception::throw_type(
                ctx,
                &format!("row {} is no array", number + 1),
            ));
        };
        if row.len() != width {
            return Err(Exception::throw_type(
                ctx,
                &format!(
                    "row {} has {} values instead of {width}",
                    number + 1,
                    row.len()
                ),
            ));
        }
        cells.clear();
        for column in 0..width {
            cells.push(to_database(ctx, &row.get::<JsValue<'_>>(column)?)?);
        }
        let cells: Vec<ValueRef<'_>> = cells.iter().map(borrowed).collect();
        builder.push(&cells).map_err(|error| sdk(ctx, &error))?;
    }
    builder.build().map_err(|error| sdk(ctx, &error))
}

/// Parameters of one statement.
pub(crate) fn parameters(ctx: &Ctx<'_>, parameters: &Array<'_>) -> Result<Vec<Value>> {
    (0..parameters.len())
        .map(|place| to_database(ctx, &parameters.get::<JsValue<'_>>(place)?))
        .collect()
}

/// An error of the SDK's own, which no host said.
pub(crate) fn sdk(ctx: &Ctx<'_>, error: &wasmigrate_sdk::Error) -> rquickjs::Error {
    match error.cause() {
        Some(cause) => crate::failure::throw(ctx, cause.clone()),
        None => Exception::throw_range(ctx, &error.to_string()),
    }
}
