//! Single values: JavaScript's on one side, the database's on the other.

use rquickjs::{BigInt, Ctx, Exception, IntoJs as _, Result, Type, TypedArray, Value as JsValue};
use wasmigrate_sdk::{Value, ValueRef};

/// The whole numbers that a JavaScript number tells apart: below 2^53.
const EXACT: i64 = 1 << 53;

/// Why a value cannot go to a database.
pub(crate) enum Refused {
    /// The script gave something that means nothing to a database.
    Type(String),
    /// It does not fit.
    Range(String),
}

impl Refused {
    /// The same as an exception that says which value it was.
    pub(crate) fn thrown(self, ctx: &Ctx<'_>, which: std::fmt::Arguments<'_>) -> rquickjs::Error {
        match self {
            Self::Type(why) => Exception::throw_type(ctx, &format!("{which} {why}")),
            Self::Range(why) => Exception::throw_range(ctx, &format!("{which} {why}")),
        }
    }
}

/// A value for the database.
///
/// A number without a fraction is a whole number; `undefined` is NULL. Objects are refused: what is meant by them nobody can
/// know.
pub(crate) fn to_database(value: &JsValue<'_>) -> std::result::Result<Value, Refused> {
    Ok(match value.type_of() {
        Type::Undefined | Type::Uninitialized | Type::Null => Value::Null,
        Type::Bool => Value::Boolean(value.as_bool().unwrap_or_default()),
        Type::Int => Value::Integer(i64::from(value.as_int().unwrap_or_default())),
        Type::Float => number(value.as_float().unwrap_or_default()),
        Type::String => match value.as_string().map(rquickjs::String::to_string) {
            Some(Ok(text)) => Value::Text(text),
            _ => {
                return Err(Refused::Range(
                    "is a text with half of a surrogate pair, which no database can store: text.toWellFormed() replaces it"
                        .to_owned(),
                ));
            }
        },
        Type::BigInt => Value::Integer(whole(value)?),
        _ => match value
            .as_object()
            .and_then(|object| object.as_typed_array::<u8>())
            .and_then(|bytes| Some(bytes.as_bytes()?.to_vec()))
        {
            Some(bytes) => Value::Bytes(bytes),
            None => {
                return Err(Refused::Type(format!(
                    "is {}: a value for the database is null, a boolean, a number, a BigInt, a string or a Uint8Array; \
                     objects and arrays go as JSON.stringify(value), dates as date.toISOString()",
                    article(value.type_of())
                )));
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
    let is_negative_zero = number == 0.0 && number.is_sign_negative();
    match number.fract() == 0.0 && number.abs() <= EXACT as f64 && !is_negative_zero {
        true => Value::Integer(number as i64),
        false => Value::Float(number),
    }
}

fn whole(value: &JsValue<'_>) -> std::result::Result<i64, Refused> {
    // The conversion to 64 bits wraps around; the text does not.
    let text = value.get::<rquickjs::Coerced<String>>().map(|text| text.0);
    let text = text.unwrap_or_default();
    text.parse().map_err(|_| {
        Refused::Range(format!(
            "is {text}n, which has more than 64 bits: pass it as a string"
        ))
    })
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
        ValueRef::Bytes(bytes) => Ok(TypedArray::<u8>::new_copy(ctx.clone(), bytes)?.into_value()),
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
