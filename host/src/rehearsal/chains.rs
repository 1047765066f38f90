//! Chains of databases that go from step to step, each with one fixture.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checks::data_case::DataCase;
use super::checks::{Case, place};
use super::fixture::{self, Fixture};
use super::report::Part;
use super::scratch::ScratchDatabase;
use super::trial::kind_name;
use super::trials::{Chain, Trials};
use super::{Error, parallel};
use crate::catalog::{StepFile, StepKind};

impl Trials<'_> {
    /// The databases before the first step: each fixture that makes tables, and one without rows.
    pub(super) fn first_chains(&self) -> Result<Vec<Chain>, Error> {
        let mut chains = Vec::new();
        for server in &self.servers {
            let bases: Vec<&Fixture> = self
                .fixtures
                .iter()
                .filter(|fixture| fixture.is_base() && fixture.is_for(server.kind()))
                .collect();
            let empty = server.make()?;
            if let Some(first) = bases.first() {
                parallel::wait(fixture::load_base(first, &empty, self.rehearsal.limits()))??;
                parallel::wait(fixture::clear(&empty))??;
            }
            chains.push(Chain {
                fixture: Fixture::empty(),
                at: Some(Arc::new(empty)),
            });
            for fixture in bases {
                let database = server.make()?;
                parallel::wait(fixture::load_base(
                    fixture,
                    &database,
                    self.rehearsal.limits(),
                ))??;
                chains.push(Chain {
                    fixture: fixture.clone(),
                    at: Some(Arc::new(database)),
                });
            }
        }
        Ok(chains)
    }

    /// Where a step is tried: each chain, and on the empty one each fixture of rows.
    pub(super) fn places(
        &mut self,
        step: &StepFile,
        applied: &mut Part,
    ) -> Result<Vec<(Fixture, Arc<ScratchDatabase>)>, Error> {
        let mut chains = std::mem::take(&mut self.chains);
        let mut places = Vec::new();
        for chain in &mut chains {
            let Some(at) = &chain.at else {
                continue;
            };
            let kind = at.kind();
            let Some(step) = self.step(step.index, kind) else {
                applied
                    .notes
                    .push(format!("there is no such step for {}", kind_name(kind)));
                continue;
            };
            if let Err(stumble) = self.trial(step).run_those_before(at.database()) {
                let what = "the steps before it fail";
                let advice = "try those first";
                applied
                    .findings
                    .push(stumble.finding(&place(kind, &chain.fixture), what, advice));
                chain.at = None;
                continue;
            }
            places.push((chain.fixture.clone(), Arc::clone(at)));
            if chain.fixture.path.is_some() {
                continue;
            }
            for fixture in &self.fixtures {
                let is_for_it = fixture.step.is_none_or(|index| index == step.index);
                if fixture.is_base() || !is_for_it || !fixture.is_for(kind) {
                    continue;
                }
                let database = at.copy()?;
                match parallel::wait(fixture::load_rows(fixture, &database))? {
                    Ok(()) => places.push((fixture.clone(), Arc::new(database))),
                    // Rows for all steps wait until their tables are there.
                    Err(error) if fixture.is_for_all_steps() => applied.notes.push(format!(
                        "the fixture {} does not fit before this step: {error}",
                        fixture.name
                    )),
                    Err(error) => return Err(error),
                }
            }
        }
        self.chains = chains;
        Ok(places)
    }

    /// The empty databases before the step, for rows that are made.
    pub(super) fn data_cases<'t>(
        &'t self,
        step: &'t StepFile,
        cases: &[Case],
    ) -> Vec<DataCase<'t>> {
        let mut data_cases = Vec::new();
        for chain in self
            .chains
            .iter()
            .filter(|chain| chain.fixture.path.is_none())
        {
            let Some(at) = &chain.at else {
                continue;
            };
            if let Some(step) = self.step(step.index, at.kind()) {
                data_cases.push(DataCase {
                    trial: self.trial(step),
                    empty: Arc::clone(at),
                    has_tables: cases.iter().any(|case| !case.before.tables.is_empty()),
                    // What a component does may depend on the data.
                    changes_in_finalize: step.kind != StepKind::Sql
                        || cases.iter().any(Case::finalize_has_calls),
                });
            }
        }
        data_cases
    }

    /// Lets the chains continue from where the step has left them.
    pub(super) fn advance(
        &mut self,
        mut cases: Vec<Case>,
        failed: &BTreeSet<(&'static str, String)>,
    ) {
        for chain in &mut self.chains {
            let Some(at) = &chain.at else {
                continue;
            };
            let kind = at.kind();
            if failed.contains(&(kind.as_str(), chain.fixture.name.clone())) {
                chain.at = None;
                continue;
            }
            let case = cases.iter().position(|case| {
                case.kind == kind
                    && case.fixture.name == chain.fixture.name
                    && case.fixture.path == chain.fixture.path
            });
            if let Some(case) = case {
                let case = cases.swap_remove(case);
                chain.at = Some(Arc::new(case.undisturbed.database));
            }
        }
    }
}
