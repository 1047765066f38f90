//! Baselines: made of the steps that they stand for, and proven to come to the same.

use std::sync::Arc;
use std::time::Instant;

use super::checks::told;
use super::report::{Check, Finding, Part, StepReport, skipped};
use super::scratch::{ScratchDatabase, ScratchServer};
use super::snapshot::{Words, counted, differences};
use super::trial::{kind_name, snapshot};
use super::{Error, Rehearsal, milliseconds, parallel};
use crate::catalog::{Catalog, SQUASHED, StepFile};
use crate::database::Stop;
use crate::engine::{Command, Engine, Order, StepReference, Unobserved};
use crate::journal::Outcome;

const WORDS: Words = Words {
    extra: "is there with the baseline alone",
    missing: "is missing with the baseline",
};

/// A baseline that was made.
#[derive(Clone, Debug)]
pub struct Squashed {
    /// The steps that it stands for, in order.
    pub steps: Vec<String>,
    /// The name of the last of their files.
    pub last: String,
    /// What the file is to hold.
    pub text: String,
}

impl Rehearsal {
    /// Makes a baseline of the steps up to this one: what they come to on an empty database, as the database's own tool or form
    /// writes it. Blocks; must not be called from within an asynchronous runtime.
    pub fn squash(&self, through: &StepReference) -> Result<Squashed, Error> {
        let server = match &self.postgres {
            Some(url) => ScratchServer::on_server(self.server(url)?),
            None => ScratchServer::of_files(self.limits())?,
        };
        let server = Arc::new(server);
        let catalog = Catalog::scan(&self.migrations, server.kind(), &self.seeds())?;
        let named = catalog.numbered().map(|step| (step.index, &*step.name));
        let last = through
            .find(named)
            .and_then(|index| catalog.steps.get(&index));
        let last = last.ok_or_else(|| Error::NoStep {
            name: through.as_text(),
            directory: self.migrations.clone(),
        })?;
        let steps: Vec<String> = catalog
            .numbered()
            .filter(|step| step.index <= last.index)
            .map(StepFile::label)
            .collect();
        let database = server.make()?;
        run(&self.engine()?, &database, last.index, &self.stop).map_err(|why| {
            Error::Setup(format!(
                "the steps up to {} do not run on an empty database, which a baseline must: {why}",
                last.label()
            ))
        })?;
        let dump = database.dump().map_err(|error| {
            Error::Setup(format!("cannot write down what the steps come to: {error}"))
        })?;
        let mut text = "-- For new databases: what these steps come to.\n".to_owned();
        for step in &steps {
            text.push_str(&format!("{SQUASHED}{step}\n"));
        }
        text.push('\n');
        text.push_str(&dump);
        Ok(Squashed {
            steps,
            last: last.file_name.clone(),
            text,
        })
    }

    /// Lays what the baseline gives beside what the steps give for which it stands; none where there is no baseline.
    pub(super) fn prove_baseline(
        &self,
        servers: &[Arc<ScratchServer>],
    ) -> Result<Option<StepReport>, Error> {
        let began = Instant::now();
        let mut part = Part::default();
        let mut proven: Option<(StepFile, usize)> = None;
        for server in servers {
            let catalog = Catalog::scan(&self.migrations, server.kind(), &self.seeds())?;
            let Some(baseline) = &catalog.baseline else {
                continue;
            };
            let included = catalog.for_a_new_database().included.len();
            if !catalog.steps.contains_key(&baseline.index) {
                let why = "the steps that it stands for are not there any more";
                return Ok(Some(StepReport {
                    step: baseline.label(),
                    checks: vec![skipped(Check::Baseline, why)],
                }));
            }
            part.tried += 1;
            part.findings.extend(self.compare(server, baseline)?);
            proven = Some((baseline.clone(), included));
        }
        let Some((baseline, included)) = proven else {
            return Ok(None);
        };
        part.milliseconds = milliseconds(began.elapsed());
        let summary = format!(
            "schema, rows and sequences are those of {}",
            counted(included, "step", "steps")
        );
        Ok(Some(StepReport {
            step: baseline.label(),
            checks: vec![part.report(Check::Baseline, summary)],
        }))
    }

    fn compare(
        &self,
        server: &Arc<ScratchServer>,
        baseline: &StepFile,
    ) -> Result<Option<Finding>, Error> {
        let finding = |message: String, advice: &str| {
            Ok(Some(Finding {
                place: kind_name(server.kind()).to_owned(),
                message,
                details: Vec::new(),
                advice: advice.to_owned(),
            }))
        };
        let (by_steps, by_baseline) = (server.make()?, server.make()?);
        if let Err(why) = run(&self.engine()?, &by_steps, baseline.index, &self.stop) {
            let message =
                format!("the steps that it stands for do not run on an empty database: {why}");
            return finding(message, "let them make what they need");
        }
        let engine = self.engine()?.with_baselines();
        if let Err(why) = run(&engine, &by_baseline, baseline.index, &self.stop) {
            return finding(
                format!("it does not run: {why}"),
                "correct it, or make it anew with `wasmigrate squash`",
            );
        }
        let expected = snapshot(&*by_steps.database())?;
        let found = snapshot(&*by_baseline.database())?;
        let different = differences(&expected, &found, WORDS);
        match different.is_empty() {
            true => Ok(None),
            false => finding(
                told(&different),
                "let the baseline do all that the steps do, or make it anew with `wasmigrate squash`",
            ),
        }
    }
}

/// Runs the steps up to this one, to their finalize; the error says why that did not succeed.
fn run(engine: &Engine, database: &ScratchDatabase, last: u64, stop: &Stop) -> Result<(), String> {
    if stop.is_cancelled() {
        return Err("cancelled".to_owned());
    }
    let engine = engine.on(database.database(), Some(last));
    let order = Order::new(Command::Finalize);
    let ended = parallel::wait(engine.run(order, Arc::new(Unobserved), &Stop::default()));
    let report = ended
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    database.disconnect();
    match (report.outcome, report.failure) {
        (Outcome::Done, _) => Ok(()),
        (_, Some(failure)) => Err(failure.to_string()),
        (outcome, None) => Err(format!("the run ended as {}", outcome.as_str())),
    }
}
