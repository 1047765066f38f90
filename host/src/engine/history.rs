//! What earlier runs did and left.

use std::collections::BTreeMap;

use super::{Engine, RunError, RunFile, tenants};
use crate::database::{Access, Stop};
use crate::journal::{self, AttemptRecord, BadRow, OutputLine, RunRecord};

/// One run as history shows it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct HistoryEntry {
    /// The run.
    #[serde(flatten)]
    pub run: RunRecord,
    /// Its tries at steps, in their order.
    pub attempts: Vec<AttemptRecord>,
    /// The files that it applied, where there are tenants; its attempts are then those that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<RunFile>,
    /// Its output, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Vec<OutputLine>>,
}

impl Engine {
    /// The rows that transformations rejected and set aside, behind this step and key: at most `most`.
    pub async fn bad_rows(&self, after: (u32, &str), most: u32) -> Result<Vec<BadRow>, RunError> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let rows = journal::read_bad_rows(&mut *session, after, most).await?;
        session.rollback().await?;
        Ok(rows)
    }

    /// The newest runs before the one numbered `before`, the newest first, with their attempts; with their output when
    /// `output` is true.
    pub async fn history(
        &self,
        before: i64,
        most: u32,
        output: bool,
    ) -> Result<Vec<HistoryEntry>, RunError> {
        let stop = Stop::default();
        let mut session = self.database.open(Access::Read, &stop).await?;
        session.begin_read().await?;
        let mut entries = Vec::new();
        let runs = journal::read_runs(&mut *session, before, most).await?;
        let mut files = match &self.options.tenancy {
            Some(tenancy) => tenants::files_of_runs(self, tenancy, &runs).await?,
            None => BTreeMap::new(),
        };
        for run in runs {
            let mut attempts = journal::read_attempts(&mut *session, run.id).await?;
            if self.options.tenancy.is_some() && journal::has_tenants(&mut *session).await? {
                attempts.extend(journal::read_failures(&mut *session, run.id).await?);
            }
            let output = match output {
                true => Some(journal::read_output(&mut *session, run.id, 0, u32::MAX >> 1).await?),
                false => None,
            };
            entries.push(HistoryEntry {
                files: files.remove(&run.id).unwrap_or_default(),
                run,
                attempts,
                output,
            });
        }
        session.rollback().await?;
        Ok(entries)
    }

    /// The committed output of a run: at most `most` lines behind the line numbered `after`.
    pub async fn output(
        &self,
        run: i64,
        after: i64,
        most: u32,
    ) -> Result<Vec<OutputLine>, RunError> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let lines = journal::read_output(&mut *session, run, after, most).await?;
        session.rollback().await?;
        Ok(lines)
    }
}
