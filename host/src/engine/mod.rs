//! What may run when, and the running of it.
//!
//! An [`Engine`] serves one target and one directory of steps. [`Engine::run`] takes a command from the look at the
//! journal to the last commit:
//!
//! ```text
//!      steps                        tenants                   adoption
//!   runner::run                   tenants::run              adopt::take_turn
//!        └──────────────────────────┬──────────────────────────────┘
//!                                acquire     look, wait, lock, look again, decide (`state`),
//!                                   │        write the run down, take the lease: flushed to the disk
//!                                prepare     load, compile, check, count: what is refused here has changed nothing
//!                                   │
//!                                 units      what commits as one: all steps, a step, a statement, a chunk of rows
//!                                   │          each: begin ─> perform ─> verify ─> fence ─> journal ─> commit
//!                                   │          (`journal::Fenced`: nobody else commits)
//!                                   │          connection lost ─> recover ─> what the journal says counts;
//!                                   │          what comes after a commit that the server has lost is not done
//!                                  end       schema, outcome, output, lease: flushed, and with it all before
//! ```
//!
//! What happens meanwhile is passed to an [`Observer`]. This room knows no HTTP, no terminal, and no type of wasmtime or of a
//! database driver.
//!
//! A run stays on the thread that began it, because a session does.

mod acquire;
mod adopt;
mod advice;
mod application_order;
mod at_work;
mod baseline_overview;
mod cancel;
mod decision;
mod drain;
mod end;
mod event;
mod event_buffer;
mod extent;
mod failure;
mod gate;
mod glance;
mod heartbeat;
mod history;
mod inspect;
mod interruption;
mod irreversible;
mod lease;
mod live;
mod loaded;
mod meter;
#[cfg(test)]
mod model;
mod nowhere;
mod open_run;
mod options;
mod order;
mod overview;
mod pause;
mod program;
mod recover;
mod rehearse;
mod release;
mod repair;
mod retries;
mod run_error;
mod run_output;
mod runner;
mod running;
mod sql_step;
mod state;
mod step_output;
mod step_reference;
mod steps;
mod supervisor;
mod tenants;
mod transaction;
mod transform;
mod uncommitted;
mod unfit;
mod units;
mod values;
mod verify;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::catalog::{Digests, StepFile};
use crate::database::{self, Access, Database, Kind, Stop};
use crate::foreign::Tool;
use crate::journal::{self, LeaseRecord, Snapshot};
use crate::sandbox::{RunnerOverview, Sandbox};
use at_work::Work;
use transaction::StepTransaction;

pub use adopt::{Adoption, BaselineOrder, ImportOrder};
pub use advice::StepAdvice;
pub use baseline_overview::BaselineOverview;
pub use event::{Event, Observer, Pace, Several, Statement, Unit, Unobserved};
pub use event_buffer::Numbered;
pub use extent::Extent;
pub use failure::{Blame, Failure};
pub use gate::Gate;
pub use history::HistoryEntry;
pub use inspect::Inspection;
pub use lease::Broken;
pub use live::CurrentStep;
pub use options::{NativeFunction, OnBadRow, Options, Replacement, TransformOptions};
pub use order::Order;
pub use overview::{Overview, Progress, Repeatable, StepOverview, TenantsSummary};
pub use rehearse::Rehearsal;
pub use release::RunRelease;
pub use repair::{Difference, Differs, Repair, RepairOrder};
pub use retries::Retries;
pub use run_error::RunError;
pub use runner::Report;
pub use running::Running;
pub use state::{Command, State};
pub use step_reference::StepReference;
pub use steps::{StepDetails, StepOnDisk};
pub use supervisor::{Renewal, Started, Supervisor};
pub use tenants::{
    Applied, AppliedFile, ApplyError, ApplyMode, ApplyOrder, NewTenant, RolloutStrategy, RunFile,
    Source, TenancyOptions, TenantAdded, TenantOverview, TenantRemoved,
};
pub use verify::Verified;

/// What an operator ought to know who gives steps all rights.
const SUPERUSER: &str = "the host is connected as a superuser, whom the database refuses nothing: a step could reach the \
                         server's files and programs; connect as the owner of the schema, or name a `postgres.role`";

/// How often a waiting host looks whether the lease is free.
const WAIT_INTERVAL: Duration = Duration::from_millis(100);

/// Serves one target and one directory of steps.
pub struct Engine {
    database: Arc<dyn Database>,
    options: Options,
    sandbox: Arc<OnceLock<Sandbox<StepTransaction>>>,
    work: Arc<Work>,
    descriptions: steps::Descriptions,
    judgements: unfit::Judgements,
    /// Loaded once: a directory of a thousand files has a long list.
    digests: OnceLock<Digests>,
    /// The tool whose history is taken over by itself.
    adopts: Option<Tool>,
}

impl Engine {
    /// An engine for a target. Nothing is opened or started yet.
    pub fn new(database: Arc<dyn Database>, options: Options) -> Self {
        Self {
            database,
            options,
            sandbox: Arc::default(),
            work: Arc::default(),
            descriptions: steps::Descriptions::default(),
            judgements: unfit::Judgements::default(),
            digests: OnceLock::new(),
            adopts: None,
        }
    }

    /// The same engine, which takes over the history of this tool by itself before anything runs: its settings are that
    /// tool's own, so that there is nothing else that they could mean.
    pub fn adopting(self, tool: Tool) -> Self {
        Self {
            adopts: Some(tool),
            ..self
        }
    }

    /// The same engine for another target, as if the steps after `last` were not there. The two share their sandbox.
    pub fn on(&self, database: Arc<dyn Database>, last: Option<u64>) -> Self {
        let options = Options {
            last,
            ..self.options.clone()
        };
        Self {
            sandbox: Arc::clone(&self.sandbox),
            adopts: self.adopts,
            ..Self::new(database, options)
        }
    }

    /// The same engine, whose transformations have so many workers.
    pub fn with_workers(&self, workers: usize) -> Self {
        let mut engine = self.on(Arc::clone(&self.database), self.options.last);
        engine.options.transform.workers = Some(workers);
        engine
    }

    /// The same engine, for which a new database begins with the highest baseline up to this place; with none where there is no
    /// such place.
    pub fn with_baselines(&self, through: Option<u64>) -> Self {
        let mut engine = self.on(Arc::clone(&self.database), self.options.last);
        engine.options.baselines = through;
        engine
    }

    /// Runs a command to its end. `stop` cancels it: the running step is rolled back. The future must not be dropped
    /// before; a process that dies instead loses nothing that was committed.
    pub async fn run(
        &self,
        order: Order,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Report, RunError> {
        event::hear_waits(stop, &observer);
        if let Some(engine) = self.allowing(&order) {
            return engine.run_order(order, observer, stop).await;
        }
        self.run_order(order, observer, stop).await
    }

    async fn run_order(
        &self,
        order: Order,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Report, RunError> {
        if let Some(tenancy) = &self.options.tenancy {
            match order.command {
                // What is taken back was applied here.
                Command::Reset => {
                    let snapshot = self.snapshot(stop).await?;
                    adopt::refuse_other_list(self, &snapshot, stop).await?;
                }
                _ => {
                    // Their files are no transformations.
                    self.refuse_idle_replacement()?;
                    adopt::settle(self, &*observer, stop).await?;
                }
            }
            return tenants::run(self, tenancy, order, observer, stop).await;
        }
        runner::run(self, order, observer, stop).await
    }

    /// Applies the pending files, to all tenants or a new one. Waits for whoever else works on the target. As for
    /// [`Engine::run`], the future must not be dropped.
    pub async fn apply(
        &self,
        order: ApplyOrder,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Applied, ApplyError> {
        event::hear_waits(stop, &observer);
        if let Some(by) = order.by.clone() {
            return self
                .commanded_by(by)
                .apply_order(order, observer, stop)
                .await;
        }
        self.apply_order(order, observer, stop).await
    }

    async fn apply_order(
        &self,
        order: ApplyOrder,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Applied, ApplyError> {
        match order.mode {
            // It leaves nothing behind, not even another tool's history in our journal.
            ApplyMode::DryRun => {
                let snapshot = self.snapshot(stop).await.map_err(RunError::from)?;
                adopt::refuse_unadopted(self, &snapshot, stop).await?;
            }
            // To write down that all was applied is one way to say what becomes of that history.
            ApplyMode::Sync if self.adopts.is_none() => {}
            ApplyMode::Apply | ApplyMode::Sync => adopt::settle(self, &*observer, stop).await?,
        }
        tenants::apply(self, order, observer, stop).await
    }

    /// The tenants, and where each stands.
    pub async fn tenants(&self) -> Result<Vec<TenantOverview>, RunError> {
        tenants::tenants(self, self.tenancy()?).await
    }

    /// Adds a tenant, and applies the files for tenants to it. It takes over what exists only when it is told to.
    pub async fn add_tenant(
        &self,
        tenant: NewTenant,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Applied, ApplyError> {
        self.apply(tenant.into(), observer, stop).await
    }

    /// Removes a tenant: no run serves it any more. Its data stays as it is, and the journal keeps what was applied for it.
    pub async fn remove_tenant(
        &self,
        name: &str,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<TenantRemoved, RunError> {
        tenants::remove_tenant(self, self.tenancy()?, name, observer, stop).await
    }

    /// The files with their contents, in the order in which they run.
    pub async fn sources(&self) -> Result<Vec<Source>, RunError> {
        tenants::sources(self, self.tenancy()?)
    }

    /// Everything that was applied, in the order of names, directories and numbers, until `each` returns false. Memory does
    /// not grow with the history.
    pub async fn applied(
        &self,
        each: &mut (dyn FnMut(AppliedFile) -> bool + Send),
    ) -> Result<(), RunError> {
        tenants::applied(self, self.tenancy()?, each).await
    }

    fn tenancy(&self) -> Result<&TenancyOptions, RunError> {
        self.options.tenancy.as_ref().ok_or_else(|| {
            RunError::Refused(
                "no directories of migrations for tenants are configured: name them under `[sources]`".to_owned(),
            )
        })
    }

    /// Whether the holder of a lease seems to be at work, to those who look. (To those who want the lease, only its time
    /// counts.)
    fn seems_at_work(&self, lease: &LeaseRecord) -> bool {
        let is_idle = lease.is_ours() && !self.work.goes_on();
        lease.is_live() || (lease.is_known_alive() && !is_idle)
    }

    /// Computes anew what the application has changed of rows that wait for their finalize, as far as nobody is at work;
    /// returns after which time there is more to do. Each call is one short transaction a transformation.
    pub async fn drain(&self, stop: &Stop) -> Result<Option<Duration>, RunError> {
        drain::drain(self, stop).await
    }

    /// Writes steps down as applied without running them: their work was done before.
    pub async fn baseline(
        &self,
        order: &BaselineOrder,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Adoption, RunError> {
        event::hear_waits(stop, &observer);
        adopt::baseline(self, order, observer, stop).await
    }

    /// Writes down what another tool's own table says was applied, when it fits the files.
    pub async fn import(
        &self,
        order: &ImportOrder,
        observer: &dyn Observer,
        stop: &Stop,
    ) -> Result<Adoption, RunError> {
        adopt::import(self, order, observer, stop).await
    }

    /// Why nothing runs before it is said what becomes of another tool's history in the target; none when there is none.
    pub async fn unadopted(&self) -> Result<Option<String>, RunError> {
        let stop = Stop::default();
        let snapshot = self.snapshot(&stop).await?;
        adopt::unadopted(self, &snapshot, &stop).await
    }

    /// Runs the pending steps in a transaction that is rolled back. The target's other writers wait meanwhile.
    pub async fn rehearse(
        &self,
        extent: &Extent,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Rehearsal, RunError> {
        event::hear_waits(stop, &observer);
        if let Some(tenancy) = &self.options.tenancy {
            adopt::refuse_unadopted(self, &self.snapshot(stop).await?, stop).await?;
            return tenants::rehearsal(self, tenancy, extent, observer, stop).await;
        }
        rehearse::rehearse(self, extent, observer, stop).await
    }

    /// Makes sure that the target can be reached.
    pub async fn reach(&self) -> Result<(), RunError> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        session.rollback().await?;
        Ok(())
    }

    /// What the target is called.
    pub fn target_name(&self) -> &str {
        self.database.name()
    }

    /// The schema that is migrated, where the target is one of several; connects to find out.
    pub async fn target_schema(
        &self,
        observer: &Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Option<String>, RunError> {
        if self.database.capabilities().has_tenant_databases() {
            return Ok(None);
        }
        // What comes after is heard by others.
        let look = stop.child();
        event::hear_waits(&look, observer);
        let session = self.database.open(Access::Read, &look).await?;
        Ok(session.own_schema().map(str::to_owned))
    }

    /// Whether the first run begins a new database.
    pub fn target_is_new(&self) -> bool {
        self.database.is_new()
    }

    /// Which database the target is.
    pub fn target_kind(&self) -> Kind {
        self.database.kind()
    }

    /// Asks the run in progress, on whichever host, to pause between steps and chunks of rows; returns its number.
    pub async fn pause(&self) -> Result<i64, RunError> {
        pause::request(self, true).await
    }

    /// Lets the paused run continue; returns its number.
    pub async fn resume(&self) -> Result<i64, RunError> {
        pause::request(self, false).await
    }

    /// What a component imports and exports, and what it says of itself. Runs nothing but its `describe`, in a
    /// transaction that can only read.
    pub async fn inspect(&self, file: &StepFile) -> Result<Inspection, Failure> {
        inspect::inspect(self, file, self.deadline()).await
    }

    /// What runs scripts, and whether it is there.
    pub fn runners(&self) -> Result<Vec<RunnerOverview>, Failure> {
        Ok(self.sandbox()?.runner_overviews())
    }

    /// Compiles what runs scripts, so that nobody waits for it later.
    pub fn warm_runners(&self) -> Result<(), Failure> {
        let warmed = self.sandbox()?.warm_runners(&Stop::default());
        warmed.map_err(Failure::from_sandbox)
    }

    /// Every step with the digest of its file.
    pub async fn steps(&self) -> Result<Vec<StepOnDisk>, RunError> {
        steps::steps(self).await
    }

    /// What is known of one step; none when there is none with this index. Of a component, nothing runs but its
    /// `describe`, in a transaction that can only read.
    pub async fn step(&self, index: u64) -> Result<Option<StepDetails>, RunError> {
        steps::step(self, index).await
    }

    async fn snapshot(&self, stop: &Stop) -> Result<Snapshot, database::Error> {
        let mut session = self.database.open(Access::Read, stop).await?;
        session.begin_read().await?;
        let snapshot = journal::read(&mut *session).await?;
        session.rollback().await?;
        Ok(snapshot)
    }

    /// The sandbox, started when it is first needed.
    fn sandbox(&self) -> Result<&Sandbox<StepTransaction>, Failure> {
        if let Some(sandbox) = self.sandbox.get() {
            return Ok(sandbox);
        }
        let sandbox = Sandbox::new(self.options.limits.clone(), &self.options.cache)
            .map_err(Failure::from_sandbox)?;
        Ok(self.sandbox.get_or_init(|| sandbox))
    }

    /// How long one phase of one step may take.
    fn deadline(&self) -> Duration {
        Duration::from_secs(self.options.limits.deadline_seconds)
    }

    /// The sandbox, when a component was loaded.
    fn started_sandbox(&self) -> Option<&Sandbox<StepTransaction>> {
        self.sandbox.get()
    }
}
