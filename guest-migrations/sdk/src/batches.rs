//! The result of a query, column by column, part after part.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::Column;
use crate::batch::Batch;
use crate::bindings::wasmigrate::migration::database as host;
use crate::error::{Error, Result};

/// The result of a query, read forward in batches. Memory does not grow with its length.
///
/// It borrows the [`Database`](crate::Database), because a checkpoint would close it.
#[derive(Debug)]
pub struct Batches<'database> {
    cursor: host::Cursor,
    columns: Rc<[Column]>,
    batch: u32,
    ended: bool,
    database: PhantomData<&'database ()>,
}

impl Batches<'_> {
    pub(crate) fn new(cursor: host::Cursor, batch: u32) -> Self {
        let columns = cursor.columns().into();
        Self {
            cursor,
            columns,
            batch,
            ended: false,
            database: PhantomData,
        }
    }

    /// The columns of the result.
    #[must_use]
    pub fn columns(&self) -> &Rc<[Column]> {
        &self.columns
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.cursor.next(self.batch) {
            Ok(batch) if batch.row_count > 0 => Some(Batch::checked(batch)),
            Ok(_) => {
                self.ended = true;
                None
            }
            Err(cause) => {
                self.ended = true;
                Some(Err(Error::from_host(cause)))
            }
        }
    }
}
