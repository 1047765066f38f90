//! The trials of several steps, one after the other, and what is checked on each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checks::data_case::DataCase;
use super::checks::generated;
use super::checks::{
    Case, applies, collateral, confined, confined::Rules, deterministic, disturbed,
    disturbed::Nature, everywhere, memory,
};
use super::declarations::Declarations;
use super::fixture::{self, Fixture};
use super::report::{Check, CheckReport, Finding, Part, StepReport, skipped};
use super::scratch::{ScratchDatabase, ScratchServer};
use super::selection::{Selection, label};
use super::snapshot::counted;
use super::summaries::{crashes_report, environment_report, generated_report, places_tried};
use super::trial::{Trial, kind_name};
use super::{Error, Rehearsal, milliseconds, parallel};
use crate::catalog::{Catalog, StepFile, StepKind};
use crate::database::{Content, Kind};
use crate::engine::Engine;

/// Everything that trials of several steps share.
pub(super) struct Trials<'r> {
    pub(super) rehearsal: &'r Rehearsal,
    pub(super) engine: Engine,
    pub(super) servers: Vec<Arc<ScratchServer>>,
    catalogs: Vec<(Kind, Catalog)>,
    pub(super) chosen: Vec<u64>,
    pub(super) fixtures: Vec<Fixture>,
    pub(super) chains: Vec<Chain>,
    pub(super) owned: Owned,
}

/// Something to do beside others.
enum Round<'c> {
    Disturb(&'c Case),
    Generate,
    Measure,
}

/// A chain of steps on one database with one fixture, as far as it has come.
pub(super) struct Chain {
    pub(super) fixture: Fixture,
    /// None once a step did not succeed.
    pub(super) at: Option<Arc<ScratchDatabase>>,
}

/// A database in which only its owner has worked.
pub(super) enum Owned {
    /// As far as it has come.
    At(ScratchDatabase),
    /// There is none.
    No(&'static str),
}

impl<'r> Trials<'r> {
    pub(super) fn begin(
        rehearsal: &'r Rehearsal,
        servers: Vec<Arc<ScratchServer>>,
    ) -> Result<Self, Error> {
        let Selection {
            catalogs,
            labels,
            chosen,
        } = Selection::of(rehearsal, &servers)?;
        let mut fixtures = fixture::discover(&rehearsal.migrations, &labels)?;
        for path in &rehearsal.fixtures {
            fixtures.push(Fixture::named(path)?);
        }
        let mut trials = Self {
            engine: rehearsal.engine()?,
            rehearsal,
            servers,
            catalogs,
            chosen,
            fixtures,
            chains: Vec::new(),
            owned: Owned::No("it has not begun"),
        };
        trials.chains = trials.first_chains()?;
        trials.owned = trials.first_owned()?;
        Ok(trials)
    }

    pub(super) fn step(&self, index: u64, kind: Kind) -> Option<&StepFile> {
        let (_, catalog) = self.catalogs.iter().find(|(own, _)| *own == kind)?;
        catalog.steps.get(&index)
    }

    /// Tries one step everywhere.
    pub(super) fn try_step(&mut self, index: u64, seed: u64) -> Result<StepReport, Error> {
        let Some(step) = self
            .servers
            .iter()
            .find_map(|server| self.step(index, server.kind()))
            .cloned()
        else {
            return Err(Error::NoStep {
                name: index.to_string(),
                directory: self.rehearsal.migrations.clone(),
            });
        };
        let label = label(&step);
        let declarations = Declarations::read(&self.rehearsal.migrations, &label)?;
        let began = Instant::now();
        let mut applied = Part::default();
        let places = self.places(&step, &mut applied)?;
        let outcomes = parallel::each(places, |(fixture, base)| {
            let step = self.step(index, base.kind()).unwrap_or(&step).clone();
            let trial = self.trial(&step);
            let kind = base.kind();
            (
                kind,
                fixture.name.clone(),
                applies::apply(&trial, fixture, base),
            )
        });
        let mut cases = Vec::new();
        let mut failed: BTreeSet<(&'static str, String)> = BTreeSet::new();
        for (kind, fixture, outcome) in outcomes {
            match outcome? {
                Ok(case) => cases.push(case),
                Err(finding) => {
                    failed.insert((kind.as_str(), fixture));
                    applied.findings.push(finding);
                }
            }
        }
        let mut expectations = 0;
        for case in &cases {
            let trial = self.trial(&step);
            let compared = applies::compare(&trial, case, &declarations, self.rehearsal.accept)?;
            applied.findings.extend(compared.finding);
            applied.notes.extend(compared.notes);
            expectations += usize::from(compared.is_expected);
        }
        applied.milliseconds = milliseconds(began.elapsed());
        let summary = places_tried(&self.servers, &cases, expectations);
        let is_tried = !cases.is_empty() || !applied.findings.is_empty();
        let mut checks = vec![match is_tried {
            true => applied.report(Check::Applies, summary),
            false => skipped(Check::Applies, "a step before it failed wherever it runs"),
        }];
        let data_cases = self.data_cases(&step, &cases);
        checks.extend(self.try_disturbed(&step, &cases, &data_cases, &declarations, seed)?);
        drop(data_cases);
        checks.push(self.try_as_owner(&step, &cases)?);
        self.advance(cases, &failed);
        Ok(StepReport {
            step: label,
            checks,
        })
    }

    pub(super) fn trial<'t>(&'t self, step: &'t StepFile) -> Trial<'t> {
        Trial {
            engine: &self.engine,
            step,
            crash_time: match self.rehearsal.config.test.crash_seconds {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            },
            stop: &self.rehearsal.stop,
        }
    }

    fn try_disturbed(
        &self,
        step: &StepFile,
        cases: &[Case],
        data_cases: &[DataCase<'_>],
        declarations: &Declarations,
        seed: u64,
    ) -> Result<Vec<CheckReport>, Error> {
        let all = [
            Check::Crashes,
            Check::Reset,
            Check::Deterministic,
            Check::Everywhere,
            Check::Generated,
            Check::Confined,
            Check::Environment,
            Check::Inserts,
            Check::Collateral,
        ];
        if cases.is_empty() {
            let why = "the step did not run anywhere";
            return Ok(all.into_iter().map(|check| skipped(check, why)).collect());
        }
        let is_reversible = declarations.is_reversible() && step.role.has_phases();
        let nature = Nature {
            is_transformation: self.is_transformation(step)?,
            is_reversible,
        };
        let disturbed = cases.iter().map(Round::Disturb);
        let jobs: Vec<Round<'_>> = disturbed.chain([Round::Generate, Round::Measure]).collect();
        let known: Vec<&Content> = cases.iter().map(|case| &case.before).collect();
        let kept = self
            .rehearsal
            .migrations
            .join(fixture::DIRECTORY)
            .join(label(step));
        let done = parallel::each(jobs, |job| match job {
            Round::Disturb(case) => {
                let step = self.step(step.index, case.kind).unwrap_or(step);
                let first = cases.iter().find(|other| other.kind == case.kind);
                let is_first = first.is_some_and(|first| std::ptr::eq(first, case));
                disturbed::check(&self.trial(step), case, declarations, nature, is_first)
            }
            Round::Generate => {
                let part = generated::check(data_cases, seed, &known, declarations, &kept)?;
                Ok(vec![(Check::Generated, part)])
            }
            Round::Measure => Ok(vec![(
                Check::Confined,
                self.measure(data_cases, seed, &known)?,
            )]),
        });
        let mut parts: BTreeMap<Check, Part> = BTreeMap::new();
        for done in done {
            for (check, part) in done? {
                parts.entry(check).or_default().add(part);
            }
        }
        let batches =
            match nature.is_transformation || cases.iter().any(deterministic::reads_batches) {
                true => ", batches of 1 and of 7 rows",
                false => "",
            };
        let mut take = |check| parts.remove(&check).unwrap_or_default();
        let crashed = take(Check::Crashes);
        let reset = take(Check::Reset);
        let reports = vec![
            crashes_report(crashed),
            match is_reversible {
                true => reset.report(
                    Check::Reset,
                    "schema, rows and sequences are as before, and migrating again gives the same"
                        .to_owned(),
                ),
                false if !step.role.has_phases() => {
                    skipped(Check::Reset, "a repeatable step is not reset")
                }
                false => skipped(Check::Reset, "declared as not reversible"),
            },
            take(Check::Deterministic).report(
                Check::Deterministic,
                format!(
                    "twice, rows stored in another order{batches}{}",
                    match nature.is_transformation {
                        true => ", four workers",
                        false => "",
                    }
                ),
            ),
            self.compare_kinds(step, cases, declarations)?,
            generated_report(take(Check::Generated), seed),
            self.confine(step, cases, take(Check::Confined))?,
            environment_report(take(Check::Environment)),
            take(Check::Inserts).report(
                Check::Inserts,
                "what the application writes between the phases and afterwards".to_owned(),
            ),
            match nature.is_transformation {
                // The finalizes of other steps, which come with its own, are tried with these.
                true => skipped(
                    Check::Collateral,
                    "a transformation says itself which columns go",
                ),
                false => collateral::report(cases, declarations),
            },
        ];
        Ok(reports)
    }

    fn is_transformation(&self, step: &StepFile) -> Result<bool, Error> {
        if step.kind == StepKind::Sql {
            return Ok(false);
        }
        let inspection = parallel::wait(self.engine.inspect(step))?
            .map_err(|failure| Error::Setup(failure.to_string()))?;
        Ok(inspection.transformation.is_some())
    }

    /// Whether the memory of a component grows with the data.
    fn measure(
        &self,
        data_cases: &[DataCase<'_>],
        seed: u64,
        known: &[&Content],
    ) -> Result<Part, Error> {
        let began = Instant::now();
        let mut part = Part::default();
        if let Some(data_case) = data_cases
            .first()
            .filter(|data_case| data_case.trial.step.kind != StepKind::Sql)
        {
            let limit = self.rehearsal.config.limits.memory_mib;
            part.findings
                .extend(memory::check(data_case, seed, known, limit)?);
        }
        part.milliseconds = milliseconds(began.elapsed());
        Ok(part)
    }

    fn compare_kinds(
        &self,
        step: &StepFile,
        cases: &[Case],
        declarations: &Declarations,
    ) -> Result<CheckReport, Error> {
        let began = Instant::now();
        if self.servers.len() < 2 {
            let only = self
                .servers
                .first()
                .map_or("one", |server| kind_name(server.kind()));
            let why = format!("tried on {only} alone");
            return Ok(skipped(Check::Everywhere, why));
        }
        let mut part = Part::default();
        for (place, one) in cases.iter().enumerate() {
            let same = cases
                .iter()
                .skip(place + 1)
                .find(|case| case.kind != one.kind && case.fixture.name == one.fixture.name);
            if let Some(other) = same {
                let trial =
                    |case: &Case| self.trial(self.step(step.index, case.kind).unwrap_or(step));
                let (one, other) = ((one, &trial(one)), (other, &trial(other)));
                part.add(everywhere::check(one, other, declarations)?);
            }
        }
        if part.tried == 0 {
            let why = "it ran nowhere on both databases";
            return Ok(skipped(Check::Everywhere, why));
        }
        part.milliseconds = milliseconds(began.elapsed());
        let summary = format!(
            "SQLite and PostgreSQL agree on {}",
            counted(part.tried, "fixture", "fixtures")
        );
        Ok(part.report(Check::Everywhere, summary))
    }

    fn confine(
        &self,
        step: &StepFile,
        cases: &[Case],
        mut part: Part,
    ) -> Result<CheckReport, Error> {
        let began = Instant::now();
        let rules = Rules {
            deny: self.rehearsal.deny.clone(),
            allow: self.rehearsal.allow.clone(),
        };
        for case in cases {
            for finding in confined::check(case, &rules).findings {
                if !part
                    .findings
                    .iter()
                    .any(|known: &Finding| known.message == finding.message)
                {
                    part.findings.push(finding);
                }
            }
        }
        let can = match step.kind {
            StepKind::Sql => {
                "read and change the database, inside the transaction that the host opens"
                    .to_owned()
            }
            StepKind::Wasm | StepKind::JavaScript | StepKind::TypeScript | StepKind::Python => {
                let inspection = parallel::wait(self.engine.inspect(step))?
                    .map_err(|failure| Error::Setup(failure.to_string()))?;
                match &*inspection.interface.abilities {
                    [] => "do nothing but compute".to_owned(),
                    abilities => abilities.join("; "),
                }
            }
        };
        part.notes.push(format!("it can {can}"));
        for kind in Kind::ALL {
            let richest = cases
                .iter()
                .filter(|case| case.kind == kind)
                .max_by_key(|case| case.before.row_count());
            for note in richest.map(confined::notes).unwrap_or_default() {
                if !part.notes.contains(&note) {
                    part.notes.push(note);
                }
            }
        }
        part.milliseconds += milliseconds(began.elapsed());
        let summary = match (&rules.allow, rules.deny.len()) {
            (None, 0) => "no rules to hold it to".to_owned(),
            (None, deny) => format!("held to {}", counted(deny, "rule", "rules")),
            (Some(allow), deny) => {
                format!(
                    "held to a list of {}",
                    counted(allow.len() + deny, "rule", "rules")
                )
            }
        };
        Ok(part.report(Check::Confined, summary))
    }
}
