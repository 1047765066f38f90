//! What a command leads to, by the files and the journal.

use std::collections::BTreeMap;

use super::application_order::ApplicationOrder;
use super::extent::{Candidate, Extent, Plan, Standing};
use super::order::Order;
use super::state::{Command, Refusal, State, Verdict};
use super::transform::dependents;
use super::{Engine, Options, Replacement, RunError, overview, tenants};
use crate::catalog::{self, Catalog, Digests, Role, runs_last, step_label};
use crate::database::Stop;
use crate::journal::{Snapshot, StepRecord, StepState};

/// What a command does with which steps.
pub(super) fn plan(
    catalog: &Catalog,
    snapshot: &Snapshot,
    command: Command,
    extent: &Extent,
) -> Result<Plan, RunError> {
    let mut candidates: BTreeMap<u64, Candidate<'_>> = BTreeMap::new();
    for step in catalog.numbered() {
        candidates.insert(step.index, candidate(step.index, &step.name, None));
    }
    let applied_once = snapshot.steps.values();
    for step in applied_once.filter(|step| !runs_last(step.index)) {
        let applied = candidate(step.index, &step.name, Some(step.state));
        // One that is begun, and whose file is gone, is refused before anything is planned.
        if catalog.steps.contains_key(&step.index) || step.state != StepState::Started {
            candidates.insert(step.index, applied);
        }
    }
    let candidates: Vec<Candidate<'_>> = candidates.into_values().collect();
    let applied = ApplicationOrder::of(snapshot).steps;
    let plan = Plan::of(command, extent, &candidates, &applied);
    let plan = plan.map_err(|why| {
        let baseline = catalog.baseline().map(|baseline| baseline.file.label());
        let included = extent.included(baseline.as_deref(), catalog.passed_over().into_iter());
        RunError::Refused(included.unwrap_or(why))
    })?;
    let pending = overview::pending(catalog, snapshot).filter(|step| runs_last(step.index));
    // What is undone was applied in these runs: what came later may stand on it.
    let undone = plan.reset.iter();
    let undone = undone.filter_map(|index| snapshot.steps.get(index));
    let first = undone.map(|step| step.run).min().unwrap_or(i64::MAX);
    let applied = snapshot.steps.values().chain(snapshot.superseded.values());
    let repeated = applied.filter(|step| runs_last(step.index) && step.run >= first);
    Ok(plan.with_unnumbered(
        command,
        &candidates,
        pending.map(|step| step.index),
        repeated.map(|step| step.index),
    ))
}

fn candidate(index: u64, name: &str, state: Option<StepState>) -> Candidate<'_> {
    Candidate {
        index,
        name,
        standing: match state {
            None | Some(StepState::Started) => Standing::Pending,
            Some(StepState::Migrated) => Standing::Migrated,
            Some(StepState::Finalized) => Standing::Finalized,
        },
    }
}

/// Refuses to finalize or reset a step whose file is gone, before anything else of the command is done.
fn refuse_gone(catalog: &Catalog, snapshot: &Snapshot, plan: &Plan) -> Result<(), RunError> {
    let mut concerned = plan.finalize.iter().chain(&plan.reset);
    let is_final =
        |index: &u64| plan.finalize.contains(index) && catalog.is_final_without_file(*index);
    let is_gone = |index: &&u64| !catalog.steps.contains_key(index) && !is_final(index);
    let Some(index) = concerned.find(is_gone) else {
        return Ok(());
    };
    let name = snapshot.steps.get(index).map_or("", |step| &*step.name);
    let why = match catalog.is_squashed(*index) {
        true => {
            ": a baseline stands for it on new databases alone; put it back until it is finalized or reset here"
        }
        false => ": put it back",
    };
    Err(RunError::Refused(format!(
        "step {} is not finalized, and its file is gone{why}",
        step_label(*index, name)
    )))
}

impl Engine {
    /// The state that the command leads to first, and what it does there; none when there is nothing to do.
    pub(super) fn decide(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
        order: &Order,
    ) -> Result<Option<(State, Plan)>, RunError> {
        self.refuse_problems(catalog, snapshot, order.out_of_order)?;
        let plan = plan(catalog, snapshot, order.command, &order.extent)?;
        let state = overview::state_of(catalog, snapshot);
        refuse_gone(catalog, snapshot, &plan)?;
        match overview::verdict(state, catalog, snapshot, order.command) {
            Verdict::Start(_) if plan.len() == 0 && order.extent != Extent::All => Ok(None),
            Verdict::Start(state) => {
                self.refuse_vain_replacement(catalog, snapshot)?;
                Ok(Some((state, plan)))
            }
            Verdict::Nothing => {
                self.refuse_idle_replacement()?;
                Ok(None)
            }
            Verdict::Refuse(Refusal::Running) => Err(RunError::Refused(
                "a run is in progress; wait for its end".to_owned(),
            )),
            Verdict::Refuse(Refusal::FinalizationFailed) => Err(RunError::Refused(
                "the last finalize failed, and nothing of it was kept: run `finalize` again when its cause is fixed, or \
                 `reset` to undo the migration"
                    .to_owned(),
            )),
        }
    }

    pub(super) fn refuse_problems(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
        out_of_order: bool,
    ) -> Result<(), RunError> {
        let mut problems = self.problems(catalog, snapshot, self.remembered_digests());
        problems.retain(|problem| !out_of_order || !matches!(problem, catalog::Error::Gap { .. }));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(RunError::Files(problems))
        }
    }

    pub(super) fn problems(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
        digests: &Digests,
    ) -> Vec<catalog::Error> {
        let may_change = self.options.replacement != Replacement::Refuse;
        catalog.compare(
            overview::applied(snapshot, may_change),
            digests,
            self.options.allowances,
        )
    }

    pub(super) fn remembered_digests(&self) -> &Digests {
        self.digests.get_or_init(|| {
            let directory = match &self.options.tenancy {
                Some(tenancy) => &tenancy.sources.base,
                None => &self.options.migrations,
            };
            let digests = Digests::load(&self.options.cache, directory);
            match &self.options.release {
                Some(release) => digests.expecting(release.files.clone()),
                None => digests,
            }
        })
    }

    /// The target's state now, where the target can be read. Nobody is at work in a run that was `abandoned`, whatever the lease
    /// says that it could not give back.
    pub(super) async fn state(
        &self,
        catalog: &Catalog,
        abandoned: Option<i64>,
        stop: &Stop,
    ) -> Option<State> {
        let mut snapshot = self.snapshot(stop).await.ok()?;
        snapshot.lease.take_if(|lease| Some(lease.run) == abandoned);
        let catalog = self.fitting(catalog, &snapshot);
        self.supersede(&catalog, &mut snapshot);
        Some(overview::state_of(&catalog, &snapshot))
    }

    /// The files as they are for a database of which the journal says this: a new one begins with the baseline, and one that was
    /// begun with it runs no step that it stands for.
    pub(super) fn fitting(&self, catalog: &Catalog, snapshot: &Snapshot) -> Catalog {
        let applied = snapshot.steps.values();
        catalog.fitting(applied.map(|step| (step.index, &*step.name)))
    }

    /// The files as they are for the target now.
    pub(super) async fn fitting_catalog(&self) -> Result<Catalog, RunError> {
        let catalog = self.catalog()?;
        if self.options.tenancy.is_some() {
            return Ok(catalog);
        }
        Ok(self.fitting(&catalog, &self.snapshot(&Stop::default()).await?))
    }

    pub(super) fn catalog(&self) -> Result<Catalog, RunError> {
        if let Some(tenancy) = &self.options.tenancy {
            return tenants::catalog(self, tenancy);
        }
        let Options {
            migrations, seeds, ..
        } = &self.options;
        let mut catalog =
            Catalog::scan(migrations, self.database.kind(), seeds).map_err(RunError::files)?;
        if let Some(last) = self.options.last {
            catalog.cut_after(last);
        }
        catalog.keep_baselines(self.options.baselines);
        Ok(catalog)
    }

    /// Puts aside what was applied of repeatable steps whose content has changed since: they are pending. (One that cannot be
    /// read is found when it is to be run.) Of a seed that has changed it takes note: it has run once.
    pub(super) fn supersede(&self, catalog: &Catalog, snapshot: &mut Snapshot) {
        let unnumbered = catalog.unnumbered();
        if unnumbered.is_empty() {
            return;
        }
        let digests = self.remembered_digests();
        for file in unnumbered {
            let has_changed =
                |record: &StepRecord| !digests.is_same(file, &record.digest).unwrap_or(false);
            if !snapshot.steps.get(&file.index).is_some_and(has_changed) {
                continue;
            }
            if file.role != Role::Repeatable {
                snapshot.stale.insert(file.index);
            } else if let Some(record) = snapshot.steps.remove(&file.index) {
                snapshot.superseded.insert(file.index, record);
            }
        }
        digests.save();
    }

    /// Lets transformations run once more that were begun, when the operator wants it: those in whose place another file is now
    /// and, to start over, what is in progress or, when nothing is, what is migrated and not final. Repeatable steps run again whose
    /// content has changed.
    pub(super) fn reopen(&self, catalog: &Catalog, snapshot: &mut Snapshot) {
        self.supersede(catalog, snapshot);
        let replacement = self.options.replacement;
        if replacement == Replacement::Refuse {
            return;
        }
        let digests = self.remembered_digests();
        let begun = |index: &u64| snapshot.steps.get(index).zip(catalog.steps.get(index));
        let runs = |index: &u64| {
            begun(index).is_some_and(|(record, file)| {
                record.state == StepState::Started
                    || digests
                        .is_same(file, &record.digest)
                        .is_ok_and(|is_same| !is_same)
            })
        };
        let transformations = || snapshot.transformations.keys().copied();
        let mut reopened: Vec<u64> = transformations().filter(runs).collect();
        if reopened.is_empty() && replacement == Replacement::Restart {
            reopened = transformations()
                .filter(|index| begun(index).is_some())
                .collect();
        }
        if replacement == Replacement::Restart {
            let mut dependents = dependents(&reopened, &snapshot.transformations);
            dependents.retain(|index| begun(index).is_some());
            reopened.extend(dependents);
        }
        for index in reopened {
            if let Some(record) = snapshot.steps.get_mut(&index) {
                record.state = StepState::Started;
            }
        }
    }

    /// Refuses a command that was to replace something or to let it start over where that cannot be: what a step has committed up to
    /// a checkpoint stays, and only its reset undoes it.
    fn refuse_vain_replacement(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
    ) -> Result<(), RunError> {
        let is_transformation = |index: &u64| snapshot.transformations.contains_key(index);
        let is_open = |index: &u64, record: &StepRecord| {
            record.state != StepState::Finalized && catalog.steps.contains_key(index)
        };
        let steps = snapshot.steps.iter();
        let mut open = steps.filter(|(index, record)| is_open(index, record));
        if self.options.replacement == Replacement::Refuse
            || open.any(|(index, _)| is_transformation(index))
        {
            return Ok(());
        }
        let begun = snapshot.steps.values();
        let mut begun = begun.filter(|record| record.state == StepState::Started);
        match begun.next() {
            None => self.refuse_idle_replacement(),
            Some(step) => Err(RunError::Refused(format!(
                "{} was begun and is no transformation: `--replace` and `--restart` are for the rows of transformations. What it has \
                 committed stays; `migrate` without them continues it, and `reset` undoes it, after which `migrate` begins anew",
                step_label(step.index, &step.name)
            ))),
        }
    }

    /// Refuses a command with nothing to do that was to replace something or to let it start over.
    pub(super) fn refuse_idle_replacement(&self) -> Result<(), RunError> {
        let why = match self.options.replacement {
            Replacement::Refuse => return Ok(()),
            Replacement::Continue => {
                "there is nothing to replace: no file of a transformation that is not finalized has changed; `--restart` computes \
                 all rows anew with the file that is there"
            }
            Replacement::Restart => {
                "there is nothing to start over: no transformation was begun that is not finalized"
            }
        };
        Err(RunError::Refused(why.to_owned()))
    }
}
