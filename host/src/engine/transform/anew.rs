//! What becomes of the transformations that read what another derives, when that one starts over: their rows are all to be
//! computed anew, whether the run that says so comes to them or ends before.

use std::collections::BTreeMap;

use super::plan::{Plan, Stage};
use super::record::{self, recorded};
use crate::database::{Result, Session};
use crate::engine::failure::{Blame, Failure};
use crate::journal::{self, TransformationRecord};

/// A transformation that begins anew, with its derived columns as they are.
pub(super) struct Anew {
    index: u64,
    /// Its record before and now; none where it cannot go on with the columns that are there, and has to start over itself.
    records: Option<(String, String)>,
}

impl Anew {
    /// Lets these transformations capture again what changes, in the transaction in which their inputs were made anew.
    pub(super) async fn capture(
        session: &mut dyn Session,
        indexes: &[u64],
        begun: &BTreeMap<u64, TransformationRecord>,
    ) -> std::result::Result<Vec<Self>, Failure> {
        let mut all = Vec::new();
        for index in indexes {
            let Some(before) = begun.get(index) else {
                continue;
            };
            let plan = Plan::new(session, *index, recorded(before)?, Stage::SetUp).await;
            let records = match plan {
                Ok(plan) => {
                    let captured = async {
                        plan.table.install_triggers(session).await?;
                        record::write(session, &plan).await
                    };
                    let now = captured.await.map_err(Failure::from_database)?;
                    Some((before.description.clone(), now))
                }
                // Such as that its input is not derived any more.
                Err(failure) if failure.blame == Blame::Step => None,
                Err(failure) => return Err(failure),
            };
            all.push(Self {
                index: *index,
                records,
            });
        }
        Ok(all)
    }

    /// Writes down that none of its rows is computed.
    pub(super) async fn write(self, session: &mut dyn Session) -> Result<()> {
        if let Some((before, now)) = &self.records {
            let mut ranges = journal::read_ranges(session, self.index).await?;
            let mut position = None;
            for range in &mut ranges {
                range.position = std::mem::replace(&mut position, range.upper.clone());
                (range.rows_done, range.is_done) = (0, false);
            }
            journal::begin_transformation(session, self.index, Some(before), now, &ranges).await?;
        }
        journal::reopen_steps(session, &[self.index]).await
    }
}
