//! Where a target stands: the catalog and the journal, laid side by side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::application_order::ApplicationOrder;
use super::baseline_overview::BaselineOverview;
use super::extent::{Candidate, Extent, Standing, to_migrate};
use super::failure::Failure;
use super::open_run;
use super::running::{Rows, Running};
use super::state::{self, Command, State, Verdict};
use crate::catalog::{
    Applied, AppliedStanding, Catalog, Ignored, SourceKind, StepFile, StepKind, running_order,
    runs_last, step_label,
};
use crate::journal::{
    LeaseRecord, Pause, ReleaseRecord, RepairRecord, RunRecord, Snapshot, StepRecord, StepState,
};

/// How far one step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Not begun.
    Pending,
    /// Some of it is committed, up to a checkpoint.
    Started,
    /// Migrated, and not finalized.
    Migrated,
    /// Finalized.
    Finalized,
}

impl Progress {
    /// Its name, as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Migrated => "migrated",
            Self::Finalized => "finalized",
        }
    }
}

/// Why a step without a number runs, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Repeatable {
    /// It has not run yet, or a reset has undone what it may stand on.
    New,
    /// Its content is another one than when it ran last.
    Changed,
    /// It has run with this content.
    Applied,
    /// It is a seed that has changed since it ran, and does not run again.
    Stale,
    /// It has run, and its file is gone: what it made stays.
    Gone,
    /// It is a seed that has run, of another directory than the one in force: another environment's.
    Elsewhere,
}

/// One step, on disk or applied.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepOverview {
    /// Its index.
    pub index: u64,
    /// Its name.
    pub name: String,
    /// Its form; none when its file is gone.
    pub kind: Option<StepKind>,
    /// How far it is.
    pub progress: Progress,
    /// When its `migrate` was done, in milliseconds since 1970.
    pub migrated_at: Option<i64>,
    /// When its `finalize` was done.
    pub finalized_at: Option<i64>,
    /// Of a step without a number, which is repeatable or a seed: whether it is to run, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeatable: Option<Repeatable>,
    /// Whether it ran after one with a higher index.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_order: bool,
    /// The last progress that it told.
    pub rows_done: Option<i64>,
    /// How many rows it rejected that are set aside.
    #[serde(default)]
    pub bad_rows: i64,
    /// For whom it was applied, where there are tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<StepTenants>,
}

/// For how many tenants a file was applied; of a file for the target itself, 1 or 0.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepTenants {
    /// For whom it is, and how often it runs.
    pub kind: SourceKind,
    /// For how many it was migrated.
    pub applied: u64,
    /// For how many of these it was finalized.
    pub finalized: u64,
    /// For how many it is pending.
    pub pending: u64,
}

/// Where the tenants stand.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TenantsSummary {
    /// How many there are.
    pub tenants: u64,
    /// How many lack nothing, and have not failed.
    pub up_to_date: u64,
    /// How many lack something.
    pub behind: u64,
    /// How many failed in the newest run.
    pub failed: u64,
}

impl StepOverview {
    /// The step, as `NNNN_name`.
    pub fn label(&self) -> String {
        step_label(self.index, &self.name)
    }

    /// Whether it is a script, which runs with migrations and not by itself.
    pub fn is_script(&self) -> bool {
        let tenants = self.tenants.as_ref();
        tenants.is_some_and(|tenants| tenants.kind.is_script())
    }

    /// Whether it is pending for somebody by itself: of scripts, those that a run which migrated something has left.
    pub fn is_due(&self) -> bool {
        let tenants = self.tenants.as_ref();
        tenants.is_some_and(|tenants| tenants.pending > 0)
    }
}

/// Where a target stands.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Overview {
    /// The target's name.
    pub target: String,
    /// The release that its steps are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ReleaseRecord>,
    /// What the operator should know of where they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_warning: Option<String>,
    /// Its state.
    pub state: State,
    /// The highest finalized index; 0 when there is none.
    pub current_index: u64,
    /// The highest index on disk; 0 when there is none.
    pub target_index: u64,
    /// Every step, in order.
    pub steps: Vec<StepOverview>,
    /// The baseline, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineOverview>,
    /// Files that are no steps.
    pub ignored: Vec<Ignored>,
    /// What does not fit between the files and the journal.
    pub problems: Vec<String>,
    /// The newest run.
    pub last_run: Option<RunRecord>,
    /// The rows that the newest run goes through, or went through when it still waits for the finalize.
    pub rows: Option<Rows>,
    /// Why the newest run failed, when it did.
    pub failure: Option<Failure>,
    /// Why the state is a failed one, when the newest run was refused and left it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing_failure: Option<Failure>,
    /// Who works on the target now.
    pub lease: Option<LeaseRecord>,
    /// What holds up the run in progress.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// The commands that would start a run now.
    #[serde(default)]
    pub commands: Vec<Command>,
    /// What the newest run is doing, when it runs in the host that answers: only there it can be cancelled.
    #[serde(default)]
    pub running: Option<Running>,
    /// Where its tenants stand, when it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<TenantsSummary>,
    /// What operators changed in the journal, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<RepairRecord>,
}

impl Overview {
    /// The steps that a `migrate` with this extent would run, in order. Scripts run with the last of the migrations, or when
    /// a run has left them; repeatable steps when nothing else is left.
    pub fn planned(&self, extent: &Extent) -> Result<Vec<&StepOverview>, String> {
        let is_pending =
            |step: &StepOverview| matches!(step.progress, Progress::Pending | Progress::Started);
        let once = |step: &&StepOverview| !step.is_script() && step.repeatable.is_none();
        let migrations = self.steps.iter().filter(once);
        let candidates: Vec<Candidate<'_>> = migrations
            .map(|step| Candidate {
                index: step.index,
                name: &step.name,
                standing: match is_pending(step) {
                    true => Standing::Pending,
                    false => Standing::Migrated,
                },
            })
            .collect();
        let migrated = to_migrate(extent, &candidates).map_err(|why| {
            let baseline = self.baseline.as_ref();
            let names = baseline.into_iter().flat_map(BaselineOverview::names);
            let label = baseline.map(|baseline| &*baseline.label);
            extent.included(label, names).unwrap_or(why)
        })?;
        let is_whole = migrated == to_migrate(&Extent::All, &candidates)?;
        let is_repeated = |step: &StepOverview| step.repeatable.is_some() && is_pending(step);
        let migrates = !migrated.is_empty() || self.steps.iter().any(is_repeated);
        let planned = |step: &&StepOverview| match step.is_script() {
            _ if step.repeatable.is_some() => is_whole && is_pending(step),
            true => is_whole && (migrates || step.is_due()) && is_pending(step),
            false => migrated.contains(&step.index),
        };
        Ok(self.steps.iter().filter(planned).collect())
    }

    /// The state that the target would be in, were its failure forgotten.
    pub fn state_without_failure(&self) -> State {
        let is_any = |wanted: &[Progress]| {
            let is_counted = |step: &&StepOverview| !step.is_script() || step.is_due();
            let mut counted = self.steps.iter().filter(is_counted);
            counted.any(|step| wanted.contains(&step.progress))
        };
        match self.state.is_failed() {
            false => self.state,
            true if is_any(&[Progress::Pending, Progress::Started]) => State::MigrationRequired,
            true if is_any(&[Progress::Migrated]) => State::FinalizationRequired,
            true => State::Finalized,
        }
    }

    /// Whether this run is the newest and in progress.
    pub fn is_at_work_on(&self, run: i64) -> bool {
        self.last_run
            .as_ref()
            .is_some_and(|last| last.id == run && last.outcome.is_none())
    }
}

/// The rows of the newest run, as far as they are committed.
fn rows_of(snapshot: &Snapshot, state: State) -> Option<Rows> {
    let run = snapshot.last_run.as_ref()?;
    let expected = u64::try_from(run.expected_rows?).ok()?;
    if state == State::Finalized {
        return None;
    }
    let done: i64 = snapshot
        .steps
        .values()
        .filter(|step| step.run == run.id)
        .filter_map(|step| match snapshot.transformations.get(&step.index) {
            Some(transformation) => Some(transformation.rows_done),
            None => step.rows_done,
        })
        .sum();
    Some(Rows {
        expected,
        done: u64::try_from(done).unwrap_or(0).min(expected),
    })
}

/// The steps that are not wholly migrated, in order: of the repeatable ones, those that are new or have changed.
pub(super) fn pending<'a>(
    catalog: &'a Catalog,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = &'a StepFile> {
    let all = catalog.numbered().chain(catalog.unnumbered());
    all.filter(|step| {
        snapshot
            .steps
            .get(&step.index)
            .is_none_or(|record| record.state == StepState::Started)
    })
}

/// Whether there is something to finalize or to reset. A repeatable step knows neither.
fn has_unfinalized(snapshot: &Snapshot) -> bool {
    let mut steps = snapshot.steps.values();
    steps.any(|step| step.state != StepState::Finalized && !runs_last(step.index))
}

/// What becomes of a command in a state.
pub(super) fn verdict(
    state: State,
    catalog: &Catalog,
    snapshot: &Snapshot,
    command: Command,
) -> Verdict {
    let unfinalized = has_unfinalized(snapshot);
    let failed = snapshot
        .last_run
        .as_ref()
        .is_some_and(|run| run.error.is_some());
    // A failure that left nothing behind is still to be cleared.
    if command == Command::Reset && !unfinalized && !failed {
        return Verdict::Nothing;
    }
    let is_pending = pending(catalog, snapshot).next().is_some();
    state::command(state, command, is_pending)
}

/// The state of a target as it decides what may run: a lease whose time is over keeps nobody away.
pub(super) fn state_of(catalog: &Catalog, snapshot: &Snapshot) -> State {
    state(catalog, snapshot, LeaseRecord::is_live)
}

fn state(
    catalog: &Catalog,
    snapshot: &Snapshot,
    is_at_work: impl Fn(&LeaseRecord) -> bool,
) -> State {
    let live = snapshot.lease.as_ref().is_some_and(is_at_work);
    let pending = pending(catalog, snapshot).next().is_some();
    let unfinalized = has_unfinalized(snapshot);
    state::of_run(snapshot.deciding_run(live), live, pending, unfinalized)
}

/// What was applied, as the catalog compares it.
/// `may_change` says that files of transformations that are not finalized may be others now.
pub(super) fn applied(snapshot: &Snapshot, may_change: bool) -> impl Iterator<Item = Applied<'_>> {
    snapshot.steps.values().map(move |step| Applied {
        index: step.index,
        name: &step.name,
        digest: &step.digest,
        may_change: may_change && snapshot.transformations.contains_key(&step.index),
        standing: standing(snapshot, step),
    })
}

/// How far a step is, as far as it matters when its file has changed.
pub(super) fn standing(snapshot: &Snapshot, step: &StepRecord) -> AppliedStanding {
    match step.state {
        _ if snapshot.transformations.contains_key(&step.index) => AppliedStanding::Transformation,
        StepState::Started => AppliedStanding::Begun,
        StepState::Migrated | StepState::Finalized => AppliedStanding::Applied,
    }
}

/// Lays catalog and snapshot side by side. `is_at_work` judges whoever holds the lease.
pub(super) fn overview(
    target: &str,
    catalog: Catalog,
    snapshot: Snapshot,
    problems: Vec<String>,
    is_at_work: impl Fn(&LeaseRecord) -> bool,
) -> Overview {
    let state = state(&catalog, &snapshot, &is_at_work);
    let lease = snapshot.lease.clone().filter(&is_at_work);
    let commands = [Command::Migrate, Command::Finalize, Command::Reset]
        .into_iter()
        .filter(|command| {
            matches!(
                verdict(state, &catalog, &snapshot, *command),
                Verdict::Start(_)
            )
        })
        .filter(|_| problems.is_empty())
        .collect();
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    let applied = snapshot.steps.values();
    names.extend(applied.map(|record| (record.index, record.name.as_str())));
    let files = catalog.steps.values();
    names.extend(files.map(|file| (file.index, file.name.as_str())));
    let mut names: Vec<(u64, &str)> = names.into_iter().collect();
    names.sort_by_key(|(index, name)| running_order(*index, name));
    let order = ApplicationOrder::of(&snapshot);
    let steps = names
        .into_iter()
        .map(|(index, name)| {
            let file = catalog.steps.get(&index);
            let record = snapshot.steps.get(&index);
            let superseded = snapshot.superseded.get(&index);
            let last = record.or(superseded);
            StepOverview {
                index,
                name: name.to_owned(),
                kind: file.map(|file| file.kind),
                progress: match record.map(|record| record.state) {
                    None => Progress::Pending,
                    Some(StepState::Started) => Progress::Started,
                    Some(StepState::Migrated) => Progress::Migrated,
                    Some(StepState::Finalized) => Progress::Finalized,
                },
                migrated_at: last.and_then(|record| record.migrated_at),
                finalized_at: last.and_then(|record| record.finalized_at),
                repeatable: runs_last(index).then_some(match (file, record, superseded) {
                    (None, ..) if catalog.is_seed_of_others(index, name) => Repeatable::Elsewhere,
                    (None, ..) => Repeatable::Gone,
                    _ if snapshot.stale.contains(&index) => Repeatable::Stale,
                    (Some(_), Some(record), _) if record.state != StepState::Started => {
                        Repeatable::Applied
                    }
                    (Some(_), _, Some(_)) => Repeatable::Changed,
                    _ => Repeatable::New,
                }),
                out_of_order: order.late.contains_key(&index),
                rows_done: match snapshot.transformations.get(&index) {
                    Some(transformation) => Some(transformation.rows_done),
                    None => record.and_then(|record| record.rows_done),
                },
                bad_rows: snapshot
                    .transformations
                    .get(&index)
                    .map_or(0, |transformation| transformation.bad_rows),
                tenants: None,
            }
        })
        .collect();
    Overview {
        source: None,
        source_warning: None,
        target: target.to_owned(),
        state,
        current_index: snapshot
            .steps
            .values()
            .filter(|step| step.state == StepState::Finalized && !runs_last(step.index))
            .map(|step| step.index)
            .max()
            .unwrap_or(0),
        target_index: catalog.numbered().last().map_or(0, |step| step.index),
        steps,
        baseline: BaselineOverview::of(&catalog),
        ignored: catalog.ignored,
        rows: rows_of(&snapshot, state),
        problems,
        failure: snapshot
            .last_run
            .as_ref()
            .and_then(|run| run.error.as_ref())
            .and_then(Failure::from_json),
        standing_failure: snapshot
            .failed_before
            .as_ref()
            .filter(|_| state.is_failed())
            .and_then(|run| run.error.as_ref())
            .and_then(Failure::from_json),
        // A run whose host is gone waits for nothing.
        pause: snapshot.pause.filter(|_| lease.is_some()),
        last_run: snapshot
            .last_run
            .map(|run| open_run::seen(run, lease.as_ref())),
        lease,
        commands,
        running: None,
        tenants: None,
        repairs: Vec::new(),
    }
}
