//! What earlier runs did and left.

use std::collections::BTreeMap;

use super::application_order::ApplicationOrder;
use super::open_run;
use super::{Engine, RunError, RunFile, tenants};
use crate::catalog::step_label;
use crate::database::{Access, Stop};
use crate::journal::{
    self, AttemptRecord, BadRow, OrderRecord, OutputLine, ReleaseRecord, RunRecord,
};

/// One run as history shows it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct HistoryEntry {
    /// The run.
    #[serde(flatten)]
    pub run: RunRecord,
    /// The release that its steps were of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseRecord>,
    /// What was said to it while it went on, with who said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderRecord>,
    /// Who has signed each of its steps that needed a signature of its own, by the step's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub step_signers: BTreeMap<String, Vec<String>>,
    /// Its tries at steps, in their order.
    pub attempts: Vec<AttemptRecord>,
    /// The indexes of the steps that it ran after one with a higher index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_order: Vec<u64>,
    /// The files that it applied, where there are tenants; its attempts are then those that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<RunFile>,
    /// Its output, when asked for, and of a repair: not all of it where many runs have much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Vec<OutputLine>>,
    /// The number of the last line in `output`, where there are more after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_output_after: Option<i64>,
}

/// How many lines of output all runs of one answer have together.
const MAX_LINES: u32 = 1_000;

impl Engine {
    /// The rows that transformations rejected and set aside, after this step and key: at most `most`.
    pub async fn bad_rows(&self, after: (u64, &str), most: u32) -> Result<Vec<BadRow>, RunError> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let rows = journal::read_bad_rows(&mut *session, after, most).await?;
        session.rollback().await?;
        Ok(rows)
    }

    /// The newest runs before the one numbered `before`, the newest first, with their attempts; with the beginning of their
    /// output when `output` is true.
    pub async fn history(
        &self,
        before: i64,
        most: u32,
        output: bool,
    ) -> Result<Vec<HistoryEntry>, RunError> {
        let stop = Stop::default();
        let mut session = self.database.open(Access::Read, &stop).await?;
        session.begin_read().await?;
        let snapshot = journal::read(&mut *session).await?;
        let late = ApplicationOrder::of(&snapshot).late;
        let lease = snapshot.lease.filter(|lease| self.seems_at_work(lease));
        let steps = snapshot.steps;
        let mut entries = Vec::new();
        let runs = journal::read_runs(&mut *session, before, most).await?;
        let mut files = match &self.options.tenancy {
            Some(tenancy) => tenants::files_of_runs(self, tenancy, &runs).await?,
            None => BTreeMap::new(),
        };
        let mut lines_left = MAX_LINES;
        for run in runs {
            let mut attempts = journal::read_attempts(&mut *session, run.id).await?;
            if self.options.tenancy.is_some() && journal::has_tenants(&mut *session).await? {
                attempts.extend(journal::read_failures(&mut *session, run.id).await?);
            }
            // What a repair did is its output, and nothing else.
            let (output, more_output_after) = match output || run.command == journal::REPAIR {
                true => {
                    let mut lines =
                        journal::read_output(&mut *session, run.id, 0, lines_left).await?;
                    let left = lines_left - u32::try_from(lines.len()).unwrap_or(lines_left);
                    let is_over = lease.as_ref().is_none_or(|lease| lease.run != run.id);
                    if let Some(tenancy) = self.options.tenancy.as_ref().filter(|_| is_over) {
                        let part = (0, left);
                        let waiting =
                            tenants::lines_waiting(self, tenancy, &run, part, &mut *session);
                        lines.extend(waiting.await?);
                    }
                    lines_left -= u32::try_from(lines.len()).unwrap_or(lines_left);
                    let last = lines.last().map_or(0, |line| line.sequence);
                    (Some(lines), (lines_left == 0).then_some(last))
                }
                false => (None, None),
            };
            let is_of_run = |index: &u64| {
                let step = steps.get(index);
                step.is_some_and(|step| step.run == run.id)
            };
            let release = journal::read_release_of(&mut *session, run.id).await?;
            let signed = steps.values().filter(|step| step.run == run.id);
            let signed = signed.filter_map(|step| {
                let signers = step.signer.as_ref()?.lines().map(str::to_owned);
                Some((step_label(step.index, &step.name), signers.collect()))
            });
            entries.push(HistoryEntry {
                release,
                orders: journal::read_orders(&mut *session, run.id).await?,
                step_signers: signed.collect(),
                out_of_order: late.keys().copied().filter(is_of_run).collect(),
                files: files.remove(&run.id).unwrap_or_default(),
                run: open_run::seen(run, lease.as_ref()),
                attempts,
                output,
                more_output_after,
            });
        }
        session.rollback().await?;
        Ok(entries)
    }

    /// The committed output of a run: at most `most` lines after the one numbered `after`.
    pub async fn output(
        &self,
        run: i64,
        after: i64,
        most: u32,
    ) -> Result<Vec<OutputLine>, RunError> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let mut lines = journal::read_output(&mut *session, run, after, most).await?;
        let left = most - u32::try_from(lines.len()).unwrap_or(most);
        if let Some(tenancy) = self.options.tenancy.as_ref().filter(|_| left > 0) {
            let lease = journal::read(&mut *session).await?.lease;
            let lease = lease.filter(|lease| self.seems_at_work(lease));
            let record = journal::read_runs(&mut *session, run + 1, 1).await?.pop();
            let is_over =
                |record: &RunRecord| record.id == run && lease.is_none_or(|lease| lease.run != run);
            if let Some(record) = record.filter(is_over) {
                let part = (after, left);
                let waiting = tenants::lines_waiting(self, tenancy, &record, part, &mut *session);
                lines.extend(waiting.await?);
            }
        }
        session.rollback().await?;
        Ok(lines)
    }
}
