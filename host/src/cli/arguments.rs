//! Arguments that several commands have, laid over the settings.

use std::num::NonZero;

use clap::Args;

use crate::catalog::Allowances;
use crate::config::{TenantsConfig, TransformConfig};
use crate::engine::{Extent, OnBadRow, Replacement, RunRelease, StepReference};

/// Differences between files and journal that the operator knows of.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct AllowanceArguments {
    /// Accept that files of applied steps are gone
    #[arg(long)]
    pub(super) allow_missing: bool,
    /// Accept that files of applied steps have changed
    #[arg(long)]
    pub(super) allow_changed: bool,
}

impl From<AllowanceArguments> for Allowances {
    fn from(arguments: AllowanceArguments) -> Self {
        Self {
            missing: arguments.allow_missing,
            changed: arguments.allow_changed,
            out_of_order: false,
        }
    }
}

/// Which of the steps a command takes.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ExtentArguments {
    /// The index, version or name of the last step: `migrate` goes up to it, `reset` back to it
    #[arg(long, value_name = "STEP", conflicts_with = "steps")]
    to: Option<StepReference>,
    /// Only so many: `migrate` the next ones, `reset` the last ones
    #[arg(long, value_name = "K")]
    steps: Option<NonZero<usize>>,
    /// Run steps that come before one that was applied: a branch that was merged late
    #[arg(long)]
    pub(super) out_of_order: bool,
}

impl ExtentArguments {
    pub(super) fn extent(&self) -> Extent {
        Extent::new(self.to.clone(), self.steps).unwrap_or_default()
    }
}

/// How a command goes about its work.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    /// Whether to wait for another host that works on the target.
    pub(super) wait: bool,
    /// Whether to refuse statements that would hold up the application.
    pub(super) strict: bool,
    /// Whether to run steps that come before one that was applied.
    pub(super) out_of_order: bool,
    /// Whether the command becomes a run, of which a running host is told what its operator knows of.
    pub(super) becomes_run: bool,
    /// Whether nobody waits for the command, so that what failed may be tried again later.
    pub(super) is_service: bool,
    /// Whether the command shows where the target stands, so that it may take a tag for what it was where its registry is down.
    pub(super) looks_only: bool,
    /// Whether the command looks at the journal alone, so that the steps need not be there.
    pub(super) without_steps: bool,
    /// Which releases may run.
    pub(super) release: ReleaseAllowances,
    /// How transformations do theirs.
    pub(super) transform: TransformArguments,
    /// How it goes from tenant to tenant.
    pub(super) tenancy: TenancyArguments,
}

/// Which releases may run that would be refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Releases")]
pub(super) struct ReleaseAllowances {
    /// Run a release that is older than one that has run
    #[arg(long)]
    allow_older: bool,
    /// Run a release of another application than those that have run; from then on the database takes that one's
    #[arg(long)]
    adopt_lineage: bool,
}

impl ReleaseAllowances {
    /// Lets the release run, when there is one.
    pub(super) fn override_in(self, release: &mut Option<RunRelease>) -> anyhow::Result<()> {
        match release {
            Some(release) => {
                release.allow_older = self.allow_older;
                release.adopt_lineage = self.adopt_lineage;
            }
            None if self != Self::default() => anyhow::bail!(
                "`--allow-older` and `--adopt-lineage` are for steps of a release, and these are in a directory: leave them out"
            ),
            None => {}
        }
        Ok(())
    }
}

/// How a run goes from tenant to tenant: over the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Tenants")]
pub(super) struct TenancyArguments {
    /// Run everything for all tenants in one transaction
    #[arg(long, conflicts_with_all = ["parallel", "canary", "stop_after", "only_failed"])]
    atomic: bool,
    /// Work on so many tenants at the same time, each file in a transaction of its own
    #[arg(long, value_name = "N")]
    parallel: Option<NonZero<usize>>,
    /// A tenant that must succeed before any other begins; may be given again
    #[arg(long, value_name = "NAME")]
    canary: Vec<String>,
    /// Begin no further tenant after so many have failed
    #[arg(long, value_name = "K")]
    stop_after: Option<usize>,
    /// Run only the tenants that have failed, and that no run has brought further since
    #[arg(long)]
    pub(super) only_failed: bool,
}

impl TenancyArguments {
    pub(super) fn override_in(&self, config: &mut TenantsConfig) {
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.atomic {
            config.parallel = 0;
            config.is_atomic = true;
        } else if let Some(workers) = self.parallel {
            config.parallel = workers.get();
        } else if *self != Self::default() && config.parallel == 0 {
            config.parallel = processors();
        }
        if !self.canary.is_empty() {
            config.canaries.clone_from(&self.canary);
        }
        if let Some(failures) = self.stop_after {
            config.stop_after = failures;
        }
    }
}

/// How transformations go about their work: over the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Transformations")]
pub(super) struct TransformArguments {
    /// How many workers go through a table at the same time [default: as many as processors]
    #[arg(long, value_name = "N")]
    workers: Option<u32>,
    /// Go through no more rows than this in a second
    #[arg(long, value_name = "N")]
    max_rows_per_second: Option<u64>,
    /// What becomes of a row that the function rejects [default: fail]
    #[arg(long, value_enum)]
    on_bad_row: Option<OnBadRow>,
    /// How many rejected rows are set aside before the step fails [default: 100]
    #[arg(long, value_name = "N")]
    max_bad_rows: Option<u64>,
    /// Let a transformation continue from its last chunk although its component is another one now
    #[arg(long, conflicts_with = "restart")]
    replace: bool,
    /// Let a transformation that was begun start over
    #[arg(long)]
    restart: bool,
}

impl TransformArguments {
    pub(super) fn override_in(self, config: &mut TransformConfig) {
        if let Some(workers) = self.workers {
            config.workers = workers;
        }
        if let Some(rows) = self.max_rows_per_second {
            config.max_rows_per_second = rows;
        }
        if let Some(on_bad_row) = self.on_bad_row {
            config.on_bad_row = on_bad_row;
        }
        if let Some(rows) = self.max_bad_rows {
            config.max_bad_rows = rows;
        }
    }

    /// The same without what is said of a transformation that was begun.
    pub(super) fn without_replacement(self) -> Self {
        Self {
            replace: false,
            restart: false,
            ..self
        }
    }

    pub(super) fn replacement(self) -> Replacement {
        match (self.replace, self.restart) {
            (true, _) => Replacement::Continue,
            (_, true) => Replacement::Restart,
            _ => Replacement::Refuse,
        }
    }
}
