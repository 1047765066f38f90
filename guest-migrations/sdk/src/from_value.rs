//! From a cell to a Rust type.

use crate::value::ValueRef;
use crate::{OtherValue, Value};

/// What a cell can be read as.
pub trait FromValue<'row>: Sized {
    /// What it is called in the message about a cell that is something else.
    const EXPECTED: &'static str;

    /// Reads it, or none where the cell holds something else.
    fn from_value(value: ValueRef<'row>) -> Option<Self>;
}

impl<'row> FromValue<'row> for ValueRef<'row> {
    const EXPECTED: &'static str = "any value";

    fn from_value(value: ValueRef<'row>) -> Option<Self> {
        Some(value)
    }
}

impl FromValue<'_> for Value {
    const EXPECTED: &'static str = "any value";

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        Some(value.to_owned_value())
    }
}

impl FromValue<'_> for OtherValue {
    const EXPECTED: &'static str = "a value of a type of the database's own";

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value.to_owned_value() {
            Value::Other(other) => Some(other),
            _ => None,
        }
    }
}

impl<'row, T: FromValue<'row>> FromValue<'row> for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: ValueRef<'row>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// SQLite has no booleans: it stores 1 and 0.
impl FromValue<'_> for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Boolean(value) => Some(value),
            ValueRef::Integer(0) => Some(false),
            ValueRef::Integer(1) => Some(true),
            _ => None,
        }
    }
}

macro_rules! integers {
    ($($integer:ty: $expected:literal),+ $(,)?) => {$(
        impl FromValue<'_> for $integer {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: ValueRef<'_>) -> Option<Self> {
                match value {
                    ValueRef::Integer(value) => Self::try_from(value).ok(),
                    _ => None,
                }
            }
        }
    )+};
}

integers! {
    i64: "a whole number",
    i32: "a whole number of 32 bits",
    u64: "a whole number that is not negative",
    u32: "a whole number of 32 bits that is not negative",
}

impl FromValue<'_> for f64 {
    const EXPECTED: &'static str = "a number";

    #[allow(
        clippy::cast_precision_loss,
        reason = "what a database does with a whole number where it wants any number"
    )]
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Float(value) => Some(value),
            ValueRef::Integer(value) => Some(value as f64),
            _ => None,
        }
    }
}

impl<'row> FromValue<'row> for &'row str {
    const EXPECTED: &'static str = "a text";

    fn from_value(value: ValueRef<'row>) -> Option<Self> {
        match value {
            ValueRef::Text(text) | ValueRef::Other { text, .. } => Some(text),
            _ => None,
        }
    }
}

impl FromValue<'_> for String {
    const EXPECTED: &'static str = "a text";

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        <&str>::from_value(value).map(str::to_owned)
    }
}

impl<'row> FromValue<'row> for &'row [u8] {
    const EXPECTED: &'static str = "raw bytes";

    fn from_value(value: ValueRef<'row>) -> Option<Self> {
        match value {
            ValueRef::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl FromValue<'_> for Vec<u8> {
    const EXPECTED: &'static str = "raw bytes";

    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        <&[u8]>::from_value(value).map(<[u8]>::to_vec)
    }
}
