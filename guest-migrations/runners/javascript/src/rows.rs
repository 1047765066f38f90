//! Many values: rows of JavaScript on one side, batches on the other.

use rquickjs::{Array, Atom, Ctx, Exception, Result, Value as JsValue};
use wasmigrate_sdk::bindings::wasmigrate::migration::types;
use wasmigrate_sdk::{Batch, BatchBuilder, ValueRef};

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

/// Rows, each an array of `width` cells or, where the columns have names, an object, as a batch.
#[cfg(feature = "step")]
pub(crate) fn batch<'js>(
    ctx: &Ctx<'js>,
    rows: &Array<'js>,
    width: usize,
    names: &[String],
) -> Result<types::Batch> {
    let atoms: Vec<Atom<'js>> = names
        .iter()
        .map(|name| Atom::from_str(ctx.clone(), name))
        .collect::<Result<_>>()?;
    let mut columns: Vec<BatchBuilder> = (0..width).map(|_| BatchBuilder::new(1)).collect();
    let count = rows.len();
    for number in 0..count {
        let row: JsValue<'js> = rows.get(number)?;
        let array = row.as_array();
        if let Some(array) = array
            && array.len() != width
        {
            let has = array.len();
            let why = format!("row {} has {has} values instead of {width}", number + 1);
            return Err(Exception::throw_type(ctx, &why));
        }
        let object = row.as_object().filter(|_| !atoms.is_empty());
        for (place, column) in columns.iter_mut().enumerate() {
            let cell: JsValue<'js> = match (array, object, atoms.get(place)) {
                (Some(array), ..) => array.get(place)?,
                (None, Some(object), Some(name)) => object.get(name.clone())?,
                _ => {
                    let why = format!("row {} is no array of values", number + 1);
                    return Err(Exception::throw_type(ctx, &why));
                }
            };
            if cell.is_undefined()
                && let (Some(object), Some(atom), Some(name)) =
                    (object, atoms.get(place), names.get(place))
                && array.is_none()
                && !object.contains_key(atom.clone())?
            {
                let why = format!("row {} has no `{name}`: null is what is empty", number + 1);
                return Err(Exception::throw_type(ctx, &why));
            }
            let value = to_database(&cell).map_err(|refused| match names.get(place) {
                Some(name) => refused.thrown(ctx, format_args!("row {}: `{name}`", number + 1)),
                None => refused.thrown(ctx, format_args!("row {}: ${}", number + 1, place + 1)),
            })?;
            let pushed = column.push(&[borrowed(&value)]);
            pushed.map_err(|error| sdk(ctx, &error))?;
        }
    }
    together(ctx, columns, count)
}

/// Columns, each of one builder, as a batch.
pub(crate) fn together(
    ctx: &Ctx<'_>,
    columns: Vec<BatchBuilder>,
    rows: usize,
) -> Result<types::Batch> {
    let mut made = Vec::with_capacity(columns.len());
    for mut column in columns {
        let column = column.build().map_err(|error| sdk(ctx, &error))?;
        made.append(&mut column.into_host().columns);
    }
    let row_count = u32::try_from(rows)
        .map_err(|_| Exception::throw_range(ctx, "too many rows for a batch"))?;
    Ok(types::Batch {
        row_count,
        columns: made,
    })
}

/// Parameters of one statement.
#[cfg(feature = "step")]
pub(crate) fn parameters(
    ctx: &Ctx<'_>,
    parameters: &Array<'_>,
) -> Result<Vec<wasmigrate_sdk::Value>> {
    (0..parameters.len())
        .map(|place| {
            let value = to_database(&parameters.get::<JsValue<'_>>(place)?);
            value.map_err(|refused| refused.thrown(ctx, format_args!("${}", place + 1)))
        })
        .collect()
}

/// An error of the SDK's own, which no host said.
pub(crate) fn sdk(ctx: &Ctx<'_>, error: &wasmigrate_sdk::Error) -> rquickjs::Error {
    match error.cause() {
        Some(cause) => crate::failure::throw(ctx, cause.clone()),
        None => Exception::throw_range(ctx, &error.to_string()),
    }
}
