//! The rows of a result of any size, one after the other.

use std::rc::Rc;

use crate::batch::Batch;
use crate::batches::Batches;
use crate::error::Result;
use crate::row::Row;

/// The rows of a query, one after the other, fetched in batches behind the scenes.
///
/// Memory does not grow with the result. It borrows the [`Database`](crate::Database), because a checkpoint would close
/// it.
#[derive(Debug)]
pub struct Rows<'database> {
    batches: Batches<'database>,
    batch: Option<Rc<Batch>>,
    next: usize,
}

impl<'database> Rows<'database> {
    pub(crate) fn new(batches: Batches<'database>) -> Self {
        Self {
            batches,
            batch: None,
            next: 0,
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = &self.batch
                && self.next < batch.rows()
            {
                let row = Row::in_batch(self.batches.columns().clone(), batch.clone(), self.next);
                self.next += 1;
                return Some(Ok(row));
            }
            match self.batches.next()? {
                Ok(batch) => {
                    self.batch = Some(Rc::new(batch));
                    self.next = 0;
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
