//! Baselines, made of the steps that they stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::scratch::{ScratchDatabase, ScratchServer};
use super::{Error, Rehearsal, parallel};
use crate::catalog::{Catalog, Digests, SqlStep, SquashedStep, StepFile, StepKind, baseline_name};
use crate::database::{Access, Capabilities, Database as _, Location, Stop, Values};
use crate::engine::{Command, Engine, Order, StepReference, Unobserved};
use crate::journal::Outcome;

/// The line that lets a file say which of its characters stand for a value.
const PLACEHOLDERS: &str = "-- wasmigrate:placeholders\n";

/// The schema in which tables are made where nobody says another.
const USUAL_SCHEMA: &str = "public";

/// A baseline that was made.
#[derive(Clone, Debug)]
pub struct Squashed {
    /// The steps that it stands for, in order.
    pub steps: Vec<String>,
    /// What its file is called.
    pub file_name: String,
    /// What the file is to hold.
    pub text: String,
}

impl Rehearsal {
    /// Makes a baseline of the steps up to this one: what they come to on an empty database, as the database's own tool or form
    /// writes it. Where there is an earlier baseline, that database begins with it. The target of the settings, where there is one, says the
    /// schema. Blocks; must not be called from within an asynchronous runtime.
    pub fn squash(&self, through: &StepReference, name: &str) -> Result<Squashed, Error> {
        let server = match &self.postgres {
            Some(url) => ScratchServer::on_server(self.server(url)?),
            None => ScratchServer::of_files(self.limits())?,
        };
        let server = Arc::new(server);
        let catalog = Catalog::scan(&self.migrations, server.kind(), &self.seeds())?;
        let last = self.last(&catalog, through)?;
        catalog.refuse_unbuilt(last.index)?;
        let file_name =
            baseline_name(last, name, server.kind().as_str()).map_err(Error::Settings)?;
        if let Some(there) = catalog.baselines.get(&last.index) {
            return Err(Error::Settings(format!(
                "cannot make `{file_name}`: `{}` stands for the steps up to {} already; remove it first to make it anew",
                there.file.file_name,
                last.label()
            )));
        }
        let mut up_to_it = catalog.clone();
        up_to_it.keep_baselines(Some(last.index));
        let schema = self.schema_of_target()?;
        let database = server.make_in(schema.as_deref())?;
        let capabilities = database.database().capabilities();
        for file in files_that_run(&up_to_it, last.index) {
            self.refuse_placeholders(file, &capabilities)?;
        }
        let squashed = squashed_steps(&up_to_it, last.index)?;
        let engine = self.engine()?.with_baselines(Some(last.index));
        run(&engine, &database, last.index, &self.stop).map_err(|why| {
            let lacks_role = why.contains("role \"") && why.contains("does not exist");
            let hint = match lacks_role {
                true => {
                    "; roles are of the whole server: make it on this one first, with CREATE ROLE"
                }
                false => "",
            };
            Error::Setup(format!(
                "the steps up to {} do not run on an empty database, which a baseline must: {why}{hint}",
                last.label()
            ))
        })?;
        let dump = database.dump(schema.as_deref()).map_err(|error| {
            Error::Setup(format!("cannot write down what the steps come to: {error}"))
        })?;
        let mut text = "-- For new databases: what these steps come to.\n".to_owned();
        for step in &squashed {
            text.push_str(&step.line());
        }
        let content = escaped(&dump, &capabilities)?;
        if content != dump {
            text.push_str(PLACEHOLDERS);
        }
        text.push('\n');
        text.push_str(&content);
        // What it is read as must be what was written.
        let read = SqlStep::parse(&file_name, text.as_bytes())?;
        if read.finalize.is_some() || read.reset.is_some() {
            return Err(Error::Setup(
                "what the steps come to holds a line that begins a section of a step: write the baseline by hand"
                    .to_owned(),
            ));
        }
        Ok(Squashed {
            steps: squashed.iter().map(SquashedStep::label).collect(),
            file_name,
            text,
        })
    }

    /// The step that is meant.
    fn last<'c>(
        &self,
        catalog: &'c Catalog,
        through: &StepReference,
    ) -> Result<&'c StepFile, Error> {
        let named = catalog.numbered().map(|step| (step.index, &*step.name));
        let last = through
            .find(named)
            .and_then(|index| catalog.steps.get(&index));
        last.ok_or_else(|| {
            let squashed = catalog.baselines.values().find(|baseline| {
                let named = baseline.squashed.iter();
                let named = named.map(|step| (step.index, &*step.name));
                through.find(named).is_some()
            });
            match squashed {
                Some(baseline) => Error::Settings(format!(
                    "the file of {through} is not there any more: it is in `{}`",
                    baseline.file.file_name
                )),
                None => Error::NoStep {
                    name: through.as_text(),
                    directory: self.migrations.clone(),
                },
            }
        })
    }

    /// Refuses a step whose text depends on values, which the baseline would have for good.
    fn refuse_placeholders(
        &self,
        file: &StepFile,
        capabilities: &Capabilities,
    ) -> Result<(), Error> {
        if file.kind != StepKind::Sql {
            return Ok(());
        }
        let (bytes, _) = Digests::forgetful().read(file)?;
        let step = SqlStep::of(file, &bytes)?;
        if !self.config.placeholders && !step.placeholders {
            return Ok(());
        }
        let none = BTreeMap::new();
        let values = values(&none, capabilities);
        for section in [&step.migrate, &step.finalize].into_iter().flatten() {
            // What would be replaced has no value here.
            if let Err(found) = values.put_into(&section.text, &mut BTreeSet::new()) {
                return Err(Error::Settings(format!(
                    "`{}`, line {}, takes a value from the settings, and a baseline would have the one of now for good: write the \
                     baseline by hand, or squash the steps before it",
                    file.file_name,
                    section.first_line + found.line - 1
                )));
            }
        }
        Ok(())
    }

    /// The schema in which the target has its tables, where that is not the usual one.
    pub(super) fn schema_of_target(&self) -> Result<Option<String>, Error> {
        let url = &self.config.database;
        if url.is_empty() {
            return Ok(None);
        }
        let Location::Server(target) = self.locate(url)? else {
            return Ok(None);
        };
        let asked = parallel::wait(async {
            let session = target.open(Access::Read, &Stop::default()).await?;
            Ok::<_, crate::database::Error>(session.own_schema().map(str::to_owned))
        })?;
        let schema = asked.map_err(|error| {
            Error::Setup(format!(
                "cannot ask {} for its schema, in which the baseline is to make its objects: {error}",
                target.name()
            ))
        })?;
        Ok(schema.filter(|schema| !schema.is_empty() && schema != USUAL_SCHEMA))
    }
}

/// The files that run on a new database up to this place.
fn files_that_run(catalog: &Catalog, last: u64) -> Vec<&StepFile> {
    let earlier = catalog.baseline().map(|baseline| &baseline.file);
    let from = earlier.map(|file| file.index);
    let is_after = |index: u64| from.is_none_or(|from| index > from);
    let steps = catalog
        .numbered()
        .filter(|step| step.index <= last && is_after(step.index));
    earlier.into_iter().chain(steps).collect()
}

/// The steps up to this place: those that are there, and those that are in an earlier baseline.
fn squashed_steps(catalog: &Catalog, last: u64) -> Result<Vec<SquashedStep>, Error> {
    let mut squashed = BTreeMap::new();
    if let Some(earlier) = catalog.baseline() {
        for step in &earlier.squashed {
            squashed.insert(step.index, step.clone());
        }
        if earlier.squashed.is_empty() {
            // What it stands for nobody knows; that it is in this one is known.
            squashed.insert(earlier.file.index, squashed_step(&earlier.file)?);
        }
    }
    for file in catalog.numbered().filter(|step| step.index <= last) {
        squashed.insert(file.index, squashed_step(file)?);
    }
    Ok(squashed.into_values().collect())
}

fn squashed_step(file: &StepFile) -> Result<SquashedStep, Error> {
    let (bytes, digest) = Digests::forgetful().read(file)?;
    let finalizes = match file.kind {
        // What a component or a script has to finalize only its run tells.
        StepKind::Wasm | StepKind::JavaScript | StepKind::TypeScript | StepKind::Python => true,
        StepKind::Sql => SqlStep::of(file, &bytes)?.finalize.is_some(),
    };
    Ok(SquashedStep {
        index: file.index,
        name: file.name.clone(),
        digest: Some(digest),
        finalizes,
    })
}

fn values<'v>(none: &'v BTreeMap<String, String>, capabilities: &'v Capabilities) -> Values<'v> {
    Values {
        values: none,
        other: "",
        line_ends: capabilities.line_ends,
        strings_may_escape: capabilities.strings_may_escape,
        has_standard_strings: true,
    }
}

/// What was written down so that nothing in it stands for a value.
fn escaped(dump: &str, capabilities: &Capabilities) -> Result<String, Error> {
    let none = BTreeMap::new();
    let values = values(&none, capabilities);
    let failed = |why: &str| {
        Error::Setup(format!(
            "what the steps come to holds the characters `${{` where they cannot be told from a value: {why}; write the baseline \
             by hand"
        ))
    };
    let escaped = values.escape(dump).map_err(|error| failed(&error.why))?;
    let read = values.put_into(&escaped, &mut BTreeSet::new());
    match read.map_err(|error| failed(&error.why))? == dump {
        true => Ok(escaped),
        false => Err(failed("it is read as something else")),
    }
}

/// Runs the steps up to this one, to their finalize; the error says why that did not succeed.
pub(super) fn run(
    engine: &Engine,
    database: &ScratchDatabase,
    last: u64,
    stop: &Stop,
) -> Result<(), String> {
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
