//! Single values: JavaScript's on one side, the database's on the other.

use rquickjs::{BigInt, Ctx, Exception, Result, TypedArray, Value as JsValue};
use rquickjs::{IntoJs as _, Type};
use wasmigrate_sdk::{Value, ValueRef};

/// The whole numbers that a JavaScript number tells apart: below 2^53.
const EXACT: i64 = 1 << 53;

/// A value for the database.
///
/// A number without a fraction is a whole number; `undefined` is NULL. Objects are refused: what is meant by them nobody can
/// know.
pub(crate) fn to_database(ctx: &Ctx<'_>, value: &JsValue<'_>) -> Result<Value> {
    Ok(match value.type_of() {
        Type::Undefined | Type::Uninitialized | Type::Null => Value::Null,
        Type::Bool => Value::Boolean(value.as_bool().unwrap_or_default()),
        Type::Int => Value::Integer(i64::from(value.as_int().unwrap_or_default())),
        Type::Float => number(value.as_float().unwrap_or_default()),
        Type::String => Value::Text(value.get::<String>()?),
        Type::BigInt => {
            let number: BigInt<'_> = value.get()?;
            Value::Integer(whole(ctx, number)?)
        }
        _ => match value
            .as_object()
            .and_then(|object| object.as_typed_array::<u8>())
        {
            Some(bytes) => match bytes.as_bytes() {
                Some(bytes) => Value::Bytes(bytes.to_vec()),
                None => return Err(Exception::throw_type(ctx, "the bytes are gone")),
            },
            None => {
                return Err(Exception::throw_type(
                    ctx,
                    &format!(
                        "a value for the database is null, a boolean, a number, a BigInt, a string or a Uint8Array, not {}: \
                         objects and arrays go as JSON.stringify(value), dates as date.toISOString()",
                        article(value.type_of())
                    ),
                ));
            }
        },
    })
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "only where nothing is lost"
)]
fn number(number: f64) -> Value {
    match number.fract() == 0.0 && number.abs() <= EXACT as f64 && !(number == 0.0 && number.is_sign_negative()) {
        true => Value::Integer(number as i64),
        false => Value::Float(number),
    }
}

fn whole(ctx: &Ctx<'_>, number: BigInt<'_>) -> Result<i64> {
    // The conversion below wraps around.
    let text: String = number.clone().into_value().get::<rquickjs::Coerced<String>>()?.0;
    match text.parse() {
        Ok(number) => Ok(number),
        Err(_) => Err(Exception::throw_range(
            ctx,
            &format!("{text}n has more than 64 bits: pass it as a string"),
        )),
    }
}

fn article(kind: Type) -> &'static str {
    match kind {
        Type::Array => "an array",
        Type::Function | Type::Constructor => "a function",
        Type::Symbol => "a symbol",
        Type::Promise => "a promise (is an `await` missing?)",
        _ => "an object",
    }
}

/// A value from the database. A whole number that a JavaScript number cannot hold exactly is a BigInt.
pub(crate) fn from_database<'js>(ctx: &Ctx<'js>, value: ValueRef<'_>) -> Result<JsValue<'js>> {
    match value {
        ValueRef::Null => Ok(JsValue::new_null(ctx.clone())),
        ValueRef::Boolean(value) => Ok(JsValue::new_bool(ctx.clone(), value)),
        ValueRef::Integer(value) => integer(ctx, value),
        ValueRef::Float(value) => Ok(JsValue::new_float(ctx.clone(), value)),
        ValueRef::Text(text) | ValueRef::Other { text, .. } => text.into_js(ctx),
        ValueRef::Bytes(bytes) => {
            Ok(TypedArray::<u8>::new_copy(ctx.clone(), bytes)?.into_value())
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "only where nothing is lost")]
fn integer<'js>(ctx: &Ctx<'js>, value: i64) -> Result<JsValue<'js>> {
    if let Ok(small) = i32::try_from(value) {
        return Ok(JsValue::new_int(ctx.clone(), small));
    }
    match (-EXACT..=EXACT).contains(&value) {
        true => Ok(JsValue::new_float(ctx.clone(), value as f64)),
        false => Ok(BigInt::from_i64(ctx.clone(), value)?.into_value()),
    }
}

/// A value, borrowed.
pub(crate) fn borrowed(value: &Value) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Boolean(value) => ValueRef::Boolean(*value),
        Value::Integer(value) => ValueRef::Integer(*value),
        Value::Float(value) => ValueRef::Float(*value),
        Value::Text(text) => ValueRef::Text(text),
        Value::Bytes(bytes) => ValueRef::Bytes(bytes),
        Value::Other(other) => ValueRef::Other {
            type_name: &other.type_name,
            text: &other.text,
        },
    }
}
