//! One value, borrowed: a parameter on its way to the database, or a cell on its way back.

use std::borrow::Cow;
use std::fmt;

use crate::{OtherValue, Value};

/// One value, borrowed from wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// SQL NULL.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A floating-point number of 64 bits.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Raw bytes.
    Bytes(&'a [u8]),
    /// A value of a type that has no form of its own here, as the database writes it.
    Other {
        /// The name of its type, as the database spells it.
        type_name: &'a str,
        /// The value, as the database writes it.
        text: &'a str,
    },
}

impl ValueRef<'_> {
    /// A copy that owns what it holds.
    #[must_use]
    pub fn to_owned_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Self::Other { type_name, text } => Value::Other(OtherValue {
                type_name: type_name.to_owned(),
                text: text.to_owned(),
            }),
        }
    }
}

/// For messages: what kind of value it is, and what it looks like where that is short.
impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Boolean(value) => write!(formatter, "the boolean {value}"),
            Self::Integer(value) => write!(formatter, "the whole number {value}"),
            Self::Float(value) => write!(formatter, "the number {value:?}"),
            Self::Text(text) if text.len() <= LONGEST => write!(formatter, "the text {text:?}"),
            Self::Text(text) => write!(formatter, "a text of {} bytes", text.len()),
            Self::Bytes(bytes) => write!(formatter, "{} raw bytes", bytes.len()),
            Self::Other { type_name, .. } => write!(formatter, "a value of type {type_name}"),
        }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Integer(value) => Self::Integer(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Other(OtherValue { type_name, text }) => Self::Other { type_name, text },
        }
    }
}

/// What can be a parameter of a statement, or a cell of a row that is loaded.
///
/// Whole numbers that may not fit into 64 bits with a sign (`u64`, `usize`) are left out on purpose: convert them, and
/// decide what happens when they do not fit.
pub trait ToValue {
    /// The value, borrowed from this.
    fn to_value(&self) -> ValueRef<'_>;
}

impl ToValue for ValueRef<'_> {
    fn to_value(&self) -> ValueRef<'_> {
        *self
    }
}

impl ToValue for Value {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::from(self)
    }
}

impl ToValue for bool {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Boolean(*self)
    }
}

macro_rules! numbers {
    ($($number:ty => $case:ident($as:ty)),+ $(,)?) => {$(
        impl ToValue for $number {
            fn to_value(&self) -> ValueRef<'_> {
                ValueRef::$case(<$as>::from(*self))
            }
        }
    )+};
}

numbers! {
    i64 => Integer(i64),
    i32 => Integer(i64),
    i16 => Integer(i64),
    i8 => Integer(i64),
    u32 => Integer(i64),
    u16 => Integer(i64),
    u8 => Integer(i64),
    f64 => Float(f64),
    f32 => Float(f64),
}

impl ToValue for str {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl ToValue for Cow<'_, str> {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Bytes(self)
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Bytes(self)
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> ValueRef<'_> {
        self.as_ref().map_or(ValueRef::Null, ToValue::to_value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> ValueRef<'_> {
        (**self).to_value()
    }
}

/// The parameters of a statement, or the cells of a row. Nothing is moved or copied.
///
/// ```no_run
/// # use wasmigrate_sdk::prelude::*;
/// # fn example(database: &Database, name: &str, age: Option<i64>) -> Result<()> {
/// database.execute("INSERT INTO person(name, age) VALUES (?, ?)", params![name, age])?;
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! params {
    () => { (&[] as &[$crate::ValueRef<'_>]) };
    ($($value:expr),+ $(,)?) => { &[$($crate::ToValue::to_value(&$value)),+] };
}
