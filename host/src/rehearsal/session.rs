//! The trials of several steps, one after the other: chains of databases that go from step to step, and what is checked on
//! each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checks::generated::{self, Ground};
use super::checks::{
    Case, applies, confined, confined::Rules, crashes, deterministic, everywhere, memory, place,
    reset,
};
use super::declarations::Declarations;
use super::fixture::{self, Fixture};
use super::report::{Check, CheckReport, Finding, Part, StepReport, skipped};
use super::snapshot::{Snapshot, counted};
use super::throwaway::{Throwaway, Workshop};
use super::trial::{Trial, kind_name};
use super::{Error, Rehearsal, milliseconds, parallel};
use crate::catalog::{Catalog, StepFile, StepKind};
use crate::database::Kind;
use crate::engine::Engine;

/// A chain of steps on one database with one fixture, as far as it has come.
struct Chain {
    fixture: Fixture,
    /// None once a step did not succeed.
    at: Option<Arc<Throwaway>>,
}

/// Everything that trials of several steps share.
pub(super) struct Session<'r> {
    rehearsal: &'r Rehearsal,
    pub(super) engine: Engine,
    workshops: Vec<Arc<Workshop>>,
    catalogs: Vec<(Kind, Catalog)>,
    pub(super) chosen: Vec<u32>,
    fixtures: Vec<Fixture>,
    chains: Vec<Chain>,
}

impl<'r> Session<'r> {
    pub(super) fn begin(
        rehearsal: &'r Rehearsal,
        workshops: Vec<Arc<Workshop>>,
    ) -> Result<Self, Error> {
        let mut catalogs = Vec::new();
        let mut labels: BTreeMap<u32, String> = BTreeMap::new();
        for workshop in &workshops {
            let catalog = Catalog::scan(&rehearsal.migrations, workshop.kind())?;
            for step in catalog.steps.values() {
                labels.insert(step.index, label(step));
            }
            catalogs.push((workshop.kind(), catalog));
        }
        let labels: Vec<(u32, String)> = labels.into_iter().collect();
        let chosen: Vec<u32> = match &rehearsal.step {
            None => labels.iter().map(|(index, _)| *index).collect(),
            Some(name) => {
                let is_meant =
                    |(index, label): &&(u32, String)| label == name || name.parse() == Ok(*index);
                let (index, _) = labels.iter().find(is_meant).ok_or_else(|| Error::NoStep {
                    name: name.clone(),
                    directory: rehearsal.migrations.clone(),
                })?;
                vec![*index]
            }
        };
        if chosen.is_empty() {
            return Err(Error::NoStep {
                name: "NNNN_name.wasm or NNNN_name.sql".to_owned(),
                directory: rehearsal.migrations.clone(),
            });
        }
        let mut fixtures = fixture::discover(&rehearsal.migrations, &labels)?;
        for path in &rehearsal.fixtures {
            fixtures.push(Fixture::read(path)?.asked_for());
        }
        let mut session = Self {
            engine: rehearsal.engine()?,
            rehearsal,
            workshops,
            catalogs,
            chosen,
            fixtures,
            chains: Vec::new(),
        };
        session.chains = session.first_chains()?;
        Ok(session)
    }

    /// The databases before the first step: each fixture that makes tables, and one without rows.
    fn first_chains(&self) -> Result<Vec<Chain>, Error> {
        let mut chains = Vec::new();
        for workshop in &self.workshops {
            let bases: Vec<&Fixture> = self
                .fixtures
                .iter()
                .filter(|fixture| fixture.is_base() && fixture.is_for(workshop.kind()))
                .collect();
            let empty = workshop.make()?;
            if let Some(first) = bases.first() {
                parallel::wait(fixture::load_base(first, &empty, self.rehearsal.limits()))??;
                parallel::wait(fixture::clear(&empty))??;
            }
            chains.push(Chain {
                fixture: Fixture::empty(),
                at: Some(Arc::new(empty)),
            });
            for fixture in bases {
                let database = workshop.make()?;
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

    fn step(&self, index: u32, kind: Kind) -> Option<&StepFile> {
        let (_, catalog) = self.catalogs.iter().find(|(own, _)| *own == kind)?;
        catalog.steps.get(&index)
    }

    /// Tries one step everywhere.
    pub(super) fn try_step(&mut self, index: u32, seed: u64) -> Result<StepReport, Error> {
        let Some(step) = self
            .workshops
            .iter()
            .find_map(|workshop| self.step(index, workshop.kind()))
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
        let mut failed: BTreeSet<(bool, String)> = BTreeSet::new();
        for (kind, fixture, outcome) in outcomes {
            match outcome? {
                Ok(case) => cases.push(case),
                Err(finding) => {
                    failed.insert((kind == Kind::Sqlite, fixture));
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
        let summary = self.places_told(&cases, expectations);
        let mut checks = vec![applied.report(Check::Applies, summary)];
        let grounds = self.grounds(&step)?;
        checks.extend(self.try_disturbed(&step, &cases, &grounds, &declarations, seed)?);
        drop(grounds);
        self.advance(cases, &failed);
        Ok(StepReport {
            step: label,
            checks,
        })
    }

    fn trial<'t>(&'t self, step: &'t StepFile) -> Trial<'t> {
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

    /// Where a step is tried: each chain, and on the empty one each fixture of rows.
    fn places(
        &mut self,
        step: &StepFile,
        applied: &mut Part,
    ) -> Result<Vec<(Fixture, Arc<Throwaway>)>, Error> {
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
            if let Err(stumble) = self.trial(step).run_those_before(at) {
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

    fn try_disturbed(
        &self,
        step: &StepFile,
        cases: &[Case],
        grounds: &[Ground<'_>],
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
        ];
        if cases.is_empty() {
            let why = "the step did not run anywhere";
            return Ok(all.into_iter().map(|check| skipped(check, why)).collect());
        }
        let jobs: Vec<(Option<&Case>, Check)> =
            [Check::Crashes, Check::Reset, Check::Deterministic]
                .into_iter()
                .filter(|check| *check != Check::Reset || declarations.is_reversible())
                .flat_map(|check| cases.iter().map(move |case| (Some(case), check)))
                .chain([(None, Check::Generated), (None, Check::Confined)])
                .collect();
        let is_transformation = self.is_transformation(step)?;
        let known: Vec<&Snapshot> = cases.iter().map(|case| &case.before).collect();
        let kept = self
            .rehearsal
            .migrations
            .join(fixture::DIRECTORY)
            .join(label(step));
        let done = parallel::each(jobs, |(case, check)| {
            let part = match (check, case) {
                (Check::Generated, _) => {
                    generated::check(grounds, seed, &known, declarations, &kept)
                }
                (_, None) => self.measure(grounds, seed, &known),
                (_, Some(case)) => {
                    let step = self.step(step.index, case.kind).unwrap_or(step);
                    let trial = self.trial(step);
                    match check {
                        Check::Crashes => {
                            crashes::check(&trial, case, declarations, !is_transformation)
                        }
                        Check::Reset => reset::check(&trial, case, declarations),
                        _ => deterministic::check(&trial, case, declarations, is_transformation),
                    }
                }
            };
            (check, part)
        });
        let mut parts: BTreeMap<Check, Part> = BTreeMap::new();
        for (check, part) in done {
            parts.entry(check).or_default().add(part?);
        }
        let mut take = |check| parts.remove(&check).unwrap_or_default();
        let crashed = take(Check::Crashes);
        let reset = take(Check::Reset);
        let reports =
            vec![
            crashes_report(crashed),
            match declarations.is_reversible() {
                true => reset.report(
                    Check::Reset,
                    "schema, rows and sequences are as before, and migrating again gives the same"
                        .to_owned(),
                ),
                false => skipped(Check::Reset, "declared as not reversible"),
            },
            take(Check::Deterministic).report(
                Check::Deterministic,
                format!(
                    "twice, rows stored in another order, batches of 1 and of 7 rows{}",
                    if is_transformation { ", four workers" } else { "" }
                ),
            ),
            self.compare_kinds(cases, declarations),
            generated_report(take(Check::Generated), seed),
            self.confine(step, cases, take(Check::Confined))?,
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

    /// The empty databases before the step, for rows that are made.
    fn grounds<'t>(&'t self, step: &'t StepFile) -> Result<Vec<Ground<'t>>, Error> {
        let mut grounds = Vec::new();
        for chain in self
            .chains
            .iter()
            .filter(|chain| chain.fixture.path.is_none())
        {
            let Some(at) = &chain.at else {
                continue;
            };
            if let Some(step) = self.step(step.index, at.kind()) {
                grounds.push(Ground {
                    trial: self.trial(step),
                    empty: at.copy()?,
                });
            }
        }
        Ok(grounds)
    }

    /// Whether the memory of a component grows with the data.
    fn measure(
        &self,
        grounds: &[Ground<'_>],
        seed: u64,
        known: &[&Snapshot],
    ) -> Result<Part, Error> {
        let began = Instant::now();
        let mut part = Part::default();
        if let Some(ground) = grounds
            .first()
            .filter(|ground| ground.trial.step.kind == StepKind::Wasm)
        {
            let limit = self.rehearsal.config.limits.memory_mib;
            part.findings
                .extend(memory::check(ground, seed, known, limit)?);
        }
        part.milliseconds = milliseconds(began.elapsed());
        Ok(part)
    }

    fn compare_kinds(&self, cases: &[Case], declarations: &Declarations) -> CheckReport {
        let began = Instant::now();
        if self.workshops.len() < 2 {
            let only = self
                .workshops
                .first()
                .map_or("one", |workshop| kind_name(workshop.kind()));
            return skipped(Check::Everywhere, format!("tried on {only} alone"));
        }
        let mut part = Part::default();
        for sqlite in cases.iter().filter(|case| case.kind == Kind::Sqlite) {
            let same = cases.iter().find(|case| {
                case.kind == Kind::Postgres && case.fixture.name == sqlite.fixture.name
            });
            if let Some(postgres) = same {
                part.add(everywhere::check(sqlite, postgres, declarations));
            }
        }
        if part.tried == 0 {
            return skipped(Check::Everywhere, "it ran nowhere on both databases");
        }
        part.milliseconds = milliseconds(began.elapsed());
        let summary = format!(
            "SQLite and PostgreSQL agree on {}",
            counted(part.tried, "fixture", "fixtures")
        );
        part.report(Check::Everywhere, summary)
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
            StepKind::Wasm => {
                let inspection = parallel::wait(self.engine.inspect(step))?
                    .map_err(|failure| Error::Setup(failure.to_string()))?;
                match &*inspection.interface.abilities {
                    [] => "do nothing but compute".to_owned(),
                    abilities => abilities.join("; "),
                }
            }
        };
        part.notes.push(format!("it can {can}"));
        for kind in [Kind::Sqlite, Kind::Postgres] {
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

    /// Lets the chains go on from where the step has left them.
    fn advance(&mut self, mut cases: Vec<Case>, failed: &BTreeSet<(bool, String)>) {
        for chain in &mut self.chains {
            let Some(at) = &chain.at else {
                continue;
            };
            let kind = at.kind();
            if failed.contains(&(kind == Kind::Sqlite, chain.fixture.name.clone())) {
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

    fn places_told(&self, cases: &[Case], expectations: usize) -> String {
        let names: BTreeSet<&str> = cases
            .iter()
            .filter(|case| case.fixture.path.is_some())
            .map(|case| case.fixture.name.as_str())
            .collect();
        let kinds: Vec<&str> = self
            .workshops
            .iter()
            .map(|workshop| kind_name(workshop.kind()))
            .collect();
        let expected = match expectations {
            0 => String::new(),
            count => format!(
                "; {}",
                counted(count, "result as expected", "results as expected")
            ),
        };
        format!(
            "an empty database and {}, on {}{expected}",
            counted(names.len(), "fixture", "fixtures"),
            kinds.join(" and ")
        )
    }
}

fn crashes_report(part: Part) -> CheckReport {
    let identical = part.tried.saturating_sub(part.findings.len());
    let summary = match part.tried == part.of {
        true => format!("{} crash points, {identical} identical results", part.tried),
        false => format!(
            "{} of {} crash points (commits, and calls between them), {identical} identical results",
            part.tried, part.of
        ),
    };
    let summary = match part.findings.is_empty() {
        true => summary,
        false => format!("{} crash points", part.tried),
    };
    part.report(Check::Crashes, summary)
}

fn generated_report(part: Part, seed: u64) -> CheckReport {
    let summary = match part.tried {
        0 => "there are no tables before it".to_owned(),
        rows => format!(
            "{} in {}, seed {seed}",
            counted(rows, "row", "rows"),
            counted(part.of, "table", "tables")
        ),
    };
    part.report(Check::Generated, summary)
}

/// `NNNN_name`.
fn label(step: &StepFile) -> String {
    format!("{:04}_{}", step.index, step.name)
}
