//! What a command leads to, by the files and the journal.

use super::state::{Command, Refusal, State, Verdict};
use super::{Engine, Replacement, RunError, overview, tenants};
use crate::catalog::{self, Catalog, Digests};
use crate::database::Stop;
use crate::journal::{Snapshot, StepState};

impl Engine {
    /// The state that the command leads to first; none when there is nothing to do.
    pub(super) fn decide(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
        command: Command,
    ) -> Result<Option<State>, RunError> {
        self.refuse_problems(catalog, snapshot)?;
        let state = overview::state_of(catalog, snapshot);
        match overview::verdict(state, snapshot, command) {
            Verdict::Start(state) => Ok(Some(state)),
            Verdict::Nothing => Ok(None),
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
    ) -> Result<(), RunError> {
        let problems = self.problems(catalog, snapshot, &self.remembered_digests());
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

    pub(super) fn remembered_digests(&self) -> Digests {
        let directory = match &self.options.tenancy {
            Some(tenancy) => &tenancy.sources.base,
            None => &self.options.migrations,
        };
        Digests::load(&self.options.cache, directory)
    }

    /// The target's state now, where the target can be read.
    pub(super) async fn state(&self, catalog: &Catalog, stop: &Stop) -> Option<State> {
        let snapshot = self.snapshot(stop).await.ok()?;
        Some(overview::state_of(catalog, &snapshot))
    }

    pub(super) fn catalog(&self) -> Result<Catalog, RunError> {
        if let Some(tenancy) = &self.options.tenancy {
            return tenants::catalog(self, tenancy);
        }
        let mut catalog = Catalog::scan(&self.options.migrations, self.database.kind())
            .map_err(RunError::files)?;
        if let Some(last) = self.options.last {
            catalog.steps.retain(|index, _| *index <= last);
        }
        Ok(catalog)
    }

    /// Lets a transformation continue although another component is in its place, when the operator wants it.
    pub(super) fn reopen_replaced(&self, catalog: &Catalog, snapshot: &mut Snapshot) {
        if self.options.replacement == Replacement::Refuse {
            return;
        }
        let digests = self.remembered_digests();
        for index in snapshot.transformations.keys() {
            let (Some(record), Some(file)) =
                (snapshot.steps.get_mut(index), catalog.steps.get(index))
            else {
                continue;
            };
            if digests
                .is_same(file, &record.digest)
                .is_ok_and(|is_same| !is_same)
            {
                record.state = StepState::Started;
            }
        }
    }
}
