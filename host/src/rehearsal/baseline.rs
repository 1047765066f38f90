//! Baselines, proven to come to the same as the steps that they stand for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::checks::told;
use super::declarations::{Declarations, except};
use super::report::{Check, Finding, Part, StepReport, skipped};
use super::scratch::ScratchServer;
use super::snapshot::{Words, counted, differences};
use super::squash::run;
use super::trial::{kind_name, snapshot};
use super::{Error, Rehearsal, milliseconds};
use crate::catalog::{Baseline, Catalog, SquashedStep};
use crate::database::{Database as _, Kind, Location};

const WORDS: Words = Words {
    extra: "is there with the baseline alone",
    missing: "is missing with the baseline",
};

impl Rehearsal {
    /// Lays what the baseline gives beside what the steps give for which it stands; none where there is no baseline.
    pub(super) fn prove_baseline(
        &self,
        servers: &[Arc<ScratchServer>],
    ) -> Result<Vec<StepReport>, Error> {
        let began = Instant::now();
        let mut part = Part::default();
        let mut reports = Vec::new();
        let mut proven: Option<(Baseline, usize)> = None;
        let mut looked_at = Vec::new();
        for server in servers {
            let catalog = Catalog::scan(&self.migrations, server.kind(), &self.seeds())?;
            let Some(baseline) = catalog.baseline() else {
                continue;
            };
            looked_at.push(baseline.file.file_name.clone());
            let begins = match Begins::of(&catalog, baseline) {
                Begins::Nowhere => {
                    let why = "the steps that it stands for are not there any more";
                    reports.push(not_checked(baseline, why));
                    continue;
                }
                Begins::WithSteps => None,
                Begins::WithBaseline(earlier) => Some(earlier),
            };
            part.tried += 1;
            part.findings
                .extend(self.compare(server, &catalog, baseline, begins)?);
            let included = catalog.fitting(std::iter::empty()).passed_over().len();
            proven = Some((baseline.clone(), included));
        }
        if let Some((baseline, included)) = proven {
            part.milliseconds = milliseconds(began.elapsed());
            let summary = format!(
                "schema, rows and sequences are those of {}",
                counted(included, "step", "steps")
            );
            reports.push(StepReport {
                step: baseline.file.label(),
                checks: vec![part.report(Check::Baseline, summary)],
            });
        }
        // One of another database was not tried, which is easily overlooked.
        let others = Kind::ALL.into_iter();
        for kind in others.filter(|kind| servers.iter().all(|server| server.kind() != *kind)) {
            // They may say that they are for one kind alone.
            let Ok(catalog) = Catalog::scan(&self.migrations, kind, &self.seeds()) else {
                continue;
            };
            let baseline = catalog.baseline().filter(|baseline| {
                self.is_target_of(kind) || !looked_at.contains(&baseline.file.file_name)
            });
            if let Some(baseline) = baseline {
                let why = format!(
                    "NOT checked on {}, for which it is: say `--on {}`",
                    kind_name(kind),
                    kind.as_str()
                );
                reports.push(not_checked(baseline, why));
            }
        }
        Ok(reports)
    }

    /// Whether the target of the settings is a database of this kind.
    fn is_target_of(&self, kind: Kind) -> bool {
        let url = &self.config.database;
        let location = Location::parse(url, &self.config.database_settings());
        let kind_of = |location| match location {
            Location::File(database) => database.kind(),
            Location::Server(database) => database.kind(),
        };
        !url.is_empty() && location.is_ok_and(|location| kind_of(location) == kind)
    }

    /// What is declared to differ from run to run, beside the baseline and beside the steps for which it stands.
    fn volatile_up_to(
        &self,
        catalog: &Catalog,
        baseline: &Baseline,
    ) -> Result<BTreeSet<String>, Error> {
        let steps = catalog.steps.range(..=baseline.file.index);
        let steps = steps.map(|(_, step)| step.label());
        let squashed = baseline.squashed.iter().map(SquashedStep::label);
        let labels: BTreeSet<String> = steps
            .chain(squashed)
            .chain([baseline.file.label()])
            .collect();
        let mut volatile = BTreeSet::new();
        for label in labels {
            let declared = Declarations::read(&self.migrations, &label)?;
            volatile.extend(declared.volatile().iter().cloned());
        }
        Ok(volatile)
    }

    fn compare(
        &self,
        server: &Arc<ScratchServer>,
        catalog: &Catalog,
        baseline: &Baseline,
        begins: Option<u64>,
    ) -> Result<Option<Finding>, Error> {
        let finding = |message: String, advice: &str| {
            Ok(Some(Finding {
                place: kind_name(server.kind()).to_owned(),
                message,
                details: Vec::new(),
                advice: advice.to_owned(),
            }))
        };
        // A target that cannot be asked is taken for a usual one.
        let schema = match server.has_schemas() {
            true => self.schema_of_target().unwrap_or_default(),
            false => None,
        };
        let make = || server.make_in(schema.as_deref());
        let (by_steps, by_baseline) = (make()?, make()?);
        let last = baseline.file.index;
        let engine = self.engine()?.with_baselines(begins);
        if let Err(why) = run(&engine, &by_steps, last, &self.stop) {
            let message =
                format!("the steps that it stands for do not run on an empty database: {why}");
            return finding(message, "let them make what they need");
        }
        let engine = self.engine()?.with_baselines(Some(last));
        if let Err(why) = run(&engine, &by_baseline, last, &self.stop) {
            return finding(
                format!("it does not run: {why}"),
                "correct it, or make it anew with `wasmigrate squash`",
            );
        }
        let expected = snapshot(&*by_steps.database())?;
        let found = snapshot(&*by_baseline.database())?;
        let mut different = differences(&expected, &found, WORDS);
        except(&mut different, &self.volatile_up_to(catalog, baseline)?);
        match different.is_empty() {
            true => Ok(None),
            false => finding(
                told(&different),
                "let the baseline do all that the steps do, or make it anew with `wasmigrate squash`; what must hold a time or a \
                 random value is named in `volatile` of the .test.toml of a step that it stands for",
            ),
        }
    }
}

fn not_checked(baseline: &Baseline, why: impl Into<String>) -> StepReport {
    StepReport {
        step: baseline.file.label(),
        checks: vec![skipped(Check::Baseline, why)],
    }
}

/// With what a database begins that is to come to the same as a baseline.
enum Begins {
    WithSteps,
    /// With an earlier baseline, up to this place, in which some of the steps are alone.
    WithBaseline(u64),
    /// Some of the steps are in no file any more.
    Nowhere,
}

impl Begins {
    fn of(catalog: &Catalog, baseline: &Baseline) -> Self {
        if !catalog.lacks_squashed_steps() {
            return Self::WithSteps;
        }
        let last = baseline.file.index;
        let Some(earlier) = last.checked_sub(1) else {
            return Self::Nowhere;
        };
        let mut before = catalog.clone();
        before.keep_baselines(Some(earlier));
        let is_there = |index: u64| catalog.steps.contains_key(&index) || before.is_squashed(index);
        let mut steps = baseline.squashed.iter();
        match before.baseline().is_some()
            && steps.all(|step| is_there(step.index))
            && is_there(last)
        {
            true => Self::WithBaseline(earlier),
            false => Self::Nowhere,
        }
    }
}
