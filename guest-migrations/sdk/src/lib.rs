#![doc = include_str!("../README.md")]

mod batch;
mod batches;
#[doc(hidden)]
pub mod bindings;
mod builder;
mod cells;
mod database;
mod error;
#[doc(hidden)]
pub mod export;
mod from_value;
mod loader;
mod lost;
mod position;
pub mod report;
mod row;
mod rows;
mod savepoint;
pub mod settings;
mod step;
mod texts;
pub mod transform;
mod validity;
mod value;

pub use batch::Batch;
pub use batches::Batches;
pub use bindings::wasmigrate::migration::database::{Kind, Product};
pub use bindings::wasmigrate::migration::types::{
    Column, ColumnData, ColumnValues, DatabaseError, Error as Cause, Limit, OtherValue, Value,
};
pub use builder::BatchBuilder;
pub use cells::{Booleans, Cells, Floats, Integers};
pub use database::Database;
pub use error::{Context, Error, Result};
pub use from_value::FromValue;
pub use loader::Loader;
pub use position::{Position, Resume};
pub use report::{Level, progress};
pub use row::{ColumnIndex, Row};
pub use rows::Rows;
pub use savepoint::Savepoint;
pub use step::{Finalize, Reset, Step};
pub use texts::{Blobs, Texts};
pub use validity::Validity;
pub use value::{ToValue, ValueRef};

/// What nearly every step needs: `use wasmigrate_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        BatchBuilder, Cause, Context, Database, Error, Finalize, Kind, Reset, Result, Resume, Row,
        Step, ValueRef, bail, debug, ensure, error, export, info, output, params, progress,
        warning,
    };
}
