//! Transformations: one pure function from old columns to new ones, which the host runs over a whole table while the
//! application goes on.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::batch::Batch;
use crate::bindings::transform::Guest;
pub use crate::bindings::transform::wasmigrate::migration::transformations::RejectedRow;
use crate::bindings::transform::wasmigrate::migration::transformations::{
    DerivedColumn, Transformation as Described,
};
use crate::bindings::wasmigrate::migration::types;
use crate::builder::BatchBuilder;
pub use crate::error::Result;
pub use crate::row::Row;
pub use crate::value::ValueRef;
use crate::{Column, Error};

/// A function from old columns of a table to new ones. Only [`table`](Transform::table) and one of
/// [`row`](Transform::row) and [`rows`](Transform::rows) must be written; `export_transform!` makes a component of it.
///
/// ```no_run
/// use wasmigrate_sdk::transform::*;
///
/// struct SplitNames;
///
/// impl Transform for SplitNames {
///     const SUMMARY: &'static str = "splits names";
///
///     fn table() -> Table {
///         Table::new("customer")
///             .input("name")
///             .derives(Derived::new("given_name", "TEXT"))
///             .derives(Derived::new("family_name", "TEXT").not_null())
///             .drops("name")
///     }
///
///     fn row(row: &Row, derived: &mut Derivation) -> Result<()> {
///         let name = row.get::<&str>("name")?;
///         let (given, family) = name.rsplit_once(' ').unwrap_or(("", name));
///         derived.push(&[ValueRef::Text(given), ValueRef::Text(family)])
///     }
/// }
/// wasmigrate_sdk::export_transform!(SplitNames);
/// ```
///
/// The same inputs must give the same outputs: the host calls the function again for rows that change meanwhile, and after
/// a crash.
pub trait Transform {
    /// What it does, in one sentence for the operator.
    const SUMMARY: &'static str = "";

    /// The table and its columns.
    fn table() -> Table;

    /// Computes the derived columns of one row, in the order in which [`table`](Transform::table) names them.
    ///
    /// # Errors
    /// When there is no answer for this row; the message tells the operator why.
    fn row(row: &Row, derived: &mut Derivation) -> Result<()> {
        let _ = (row, derived);
        Err(Error::new(
            "the transformation has neither `row` nor `rows`",
        ))
    }

    /// Computes the derived columns of many rows, as columns: faster than row by row.
    ///
    /// # Errors
    /// The rows for which there is no answer.
    fn rows(rows: Batch) -> Result<Batch, Vec<RejectedRow>> {
        row_by_row::<Self>(rows)
    }
}

/// What is wrong with no row in particular is said of the first.
impl From<Error> for Vec<RejectedRow> {
    fn from(error: Error) -> Self {
        vec![RejectedRow {
            row: 0,
            message: error.to_string(),
        }]
    }
}

/// The columns that a function derives, in the making.
pub type Derivation = BatchBuilder;

fn row_by_row<T: Transform + ?Sized>(rows: Batch) -> Result<Batch, Vec<RejectedRow>> {
    let table = T::table().0;
    let columns: Rc<[Column]> = table
        .inputs
        .iter()
        .map(|name| Column {
            name: name.clone(),
            type_name: String::new(),
        })
        .collect();
    let rows = Rc::new(rows);
    let nothing = vec![ValueRef::Null; table.derived.len()];
    let mut derived = Derivation::new(table.derived.len());
    let mut rejected = Vec::new();
    for number in 0..rows.rows() {
        let before = derived.rows();
        let row = Row::in_batch(Rc::clone(&columns), Rc::clone(&rows), number);
        let computed = T::row(&row, &mut derived).and_then(|()| match derived.rows() - before {
            1 => Ok(()),
            count => Err(Error::new(format!("{count} rows were derived from one"))),
        });
        if let Err(error) = computed {
            rejected.push(RejectedRow {
                row: u32::try_from(number).unwrap_or(u32::MAX),
                message: error.to_string(),
            });
            if derived.rows() == before {
                // Keeps the numbers of the rows behind it.
                let _ = derived.push(&nothing);
            }
        }
    }
    match (rejected.is_empty(), derived.build()) {
        (true, Ok(batch)) => Ok(batch),
        (true, Err(error)) => Err(error.into()),
        (false, _) => Err(rejected),
    }
}

/// A table, and what becomes of its columns.
#[derive(Debug, Clone)]
pub struct Table(Described);

impl Table {
    /// The table of this name, with its schema where it is not in the one that is migrated.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Described {
            summary: String::new(),
            table: name.to_owned(),
            key: Vec::new(),
            inputs: Vec::new(),
            derived: Vec::new(),
            dropped: Vec::new(),
            filter: None,
        })
    }

    /// A column of the key by which rows are named; the primary key when none is given.
    #[must_use]
    pub fn key(mut self, column: &str) -> Self {
        self.0.key.push(column.to_owned());
        self
    }

    /// A column that the function is given.
    #[must_use]
    pub fn input(mut self, column: &str) -> Self {
        self.0.inputs.push(column.to_owned());
        self
    }

    /// A column that the function returns.
    #[must_use]
    pub fn derives(mut self, column: Derived) -> Self {
        self.0.derived.push(column.0);
        self
    }

    /// An old column that finalize drops.
    #[must_use]
    pub fn drops(mut self, column: &str) -> Self {
        self.0.dropped.push(column.to_owned());
        self
    }

    /// A condition in SQL: only rows for which it holds are given to the function.
    #[must_use]
    pub fn only_where(mut self, condition: &str) -> Self {
        self.0.filter = Some(condition.to_owned());
        self
    }
}

/// A column that the function returns.
#[derive(Debug, Clone)]
pub struct Derived(DerivedColumn);

impl Derived {
    /// A column of this name and type, as the database spells it. It may be null, and keeps its name.
    #[must_use]
    pub fn new(name: &str, type_name: &str) -> Self {
        Self(DerivedColumn {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            nullable: true,
            replaces: None,
        })
    }

    /// It is never null; finalize demands that of the database.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.0.nullable = false;
        self
    }

    /// Finalize drops this old column and gives its name to the new one.
    #[must_use]
    pub fn replaces(mut self, column: &str) -> Self {
        self.0.replaces = Some(column.to_owned());
        self
    }
}

/// Makes a component of a type that implements [`Transform`]. Once in each crate.
#[macro_export]
macro_rules! export_transform {
    ($transform:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::transform::Adapter<$transform>;
            $crate::bindings::transform::export_transform_world!(Exported with_types_in $crate::bindings::transform);
        };
        // Without this, the functions would be unused where no component is made.
        #[cfg(not(target_family = "wasm"))]
        const _: () = $crate::transform::is_a_transformation::<$transform>();
    };
}

/// Asks the compiler whether a type is a transformation.
pub const fn is_a_transformation<T: Transform>() {}

/// The exports of the world `transform`, by the functions of a [`Transform`].
#[doc(hidden)]
pub struct Adapter<T>(PhantomData<T>);

impl<T: Transform> Guest for Adapter<T> {
    fn describe() -> Described {
        Described {
            summary: T::SUMMARY.to_owned(),
            ..T::table().0
        }
    }

    fn transform(rows: types::Batch) -> Result<types::Batch, Vec<RejectedRow>> {
        let rows = Batch::checked(rows)?;
        T::rows(rows).map(Batch::into_host)
    }
}
