//! The keys of rows that the application has changed.

use std::collections::BTreeMap;

use super::plan::Plan;
use crate::database::{Chunk, Session, Value};
use crate::journal;

/// So many rows are read at once however large they are.
pub(super) const HOWEVER_LARGE: usize = 20;

/// Some captured changes, the oldest.
pub(super) struct Captured {
    pub(super) numbers: Vec<i64>,
    /// Each key once, by what the journal calls it.
    pub(super) keys: BTreeMap<String, Vec<Value>>,
}

impl Captured {
    pub(super) async fn read(
        session: &mut dyn Session,
        plan: &Plan,
        most: usize,
    ) -> crate::database::Result<Self> {
        let captured = plan.table.captured(session, most).await?;
        Ok(Self {
            numbers: captured.numbers,
            ..Self::of(captured.keys)
        })
    }

    pub(super) fn of(keys: Vec<Vec<Value>>) -> Self {
        Self {
            numbers: Vec::new(),
            keys: keys
                .into_iter()
                .map(|key| (journal::write_key(&key), key))
                .collect(),
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn keys(&self) -> Vec<&[Value]> {
        self.keys.values().map(Vec::as_slice).collect()
    }

    /// The rows that these keys name now; none when they are too many bytes.
    pub(super) async fn rows(
        &self,
        session: &mut dyn Session,
        plan: &Plan,
    ) -> crate::database::Result<Option<Chunk>> {
        let keys = self.keys();
        let however_large = keys.len() <= HOWEVER_LARGE;
        plan.table.rows_of(session, &keys, however_large).await
    }
}
