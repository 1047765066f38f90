//! A point to go back to.

use std::marker::PhantomData;

use crate::bindings::wasmigrate::migration::database as host;
use crate::error::{Error, Result};

/// A point to which the transaction can be rolled back. Dropping it does so.
///
/// It borrows the [`Database`](crate::Database), because no checkpoint is possible while it is open.
#[derive(Debug)]
#[must_use = "dropping a savepoint rolls back to it"]
pub struct Savepoint<'database> {
    handle: host::Savepoint,
    database: PhantomData<&'database ()>,
}

impl Savepoint<'_> {
    pub(crate) fn open() -> Result<Self> {
        let handle = host::Savepoint::open().map_err(Error::from_host)?;
        Ok(Self {
            handle,
            database: PhantomData,
        })
    }

    /// Keeps what was done since it was opened.
    ///
    /// # Errors
    /// When an earlier savepoint was rolled back or released before, and this one with it.
    pub fn release(self) -> Result<()> {
        host::Savepoint::release(self.handle).map_err(Error::from_host)
    }

    /// Undoes what was done since it was opened, as dropping it does.
    pub fn roll_back(self) {
        drop(self);
    }
}
