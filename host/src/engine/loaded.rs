//! Steps, read from their files and made ready to run.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::event::{Event, Observer};
use super::failure::{Blame, Failure};
use super::program::{self, Answers, Circumstances, Program};
use super::sql_step::Refused;
use super::step_output::StepIdentity;
use super::transaction::StepTransaction;
use super::{Engine, Options, sql_step};
use crate::catalog::{Digests, StepFile, StepKind};
use crate::database::{Database, Stop};
use crate::journal::Phase;
use crate::sandbox::{self, Component, Sandbox};

/// A step, loaded and checked.
pub(super) struct Loaded {
    pub(super) step: StepIdentity,
    pub(super) program: Program,
    /// Why it never runs to its end, as far as its text tells.
    pub(super) refusal: Option<Failure>,
    /// Why it cannot be reset, as far as its text tells.
    pub(super) bars_reset: Option<Failure>,
    /// Whether its `migrate` runs in a transaction.
    pub(super) transactional: bool,
    /// How many rows it said it will go through.
    pub(super) rows: Option<u64>,
    /// Whether it must be asked again when the steps before it are done.
    pub(super) deferred: bool,
}

impl Loaded {
    /// Whether it is SQL whose `migrate` runs outside a transaction. Of a component only a call can tell.
    pub(super) fn is_outside(&self) -> bool {
        matches!(&self.program, Program::Sql(sql) if !sql.transactional)
    }

    /// Whether its `migrate` is SQL that is over at once, after steps that have `made` these tables.
    pub(super) fn is_brief(&self, database: &dyn Database, made: &mut BTreeSet<String>) -> bool {
        let is_brief = match &self.program {
            Program::Sql(sql) if !self.deferred => program::section(sql, Phase::Migrate)
                .is_some_and(|section| database.is_brief(&section.text, made)),
            _ => false,
        };
        if !is_brief {
            // Nobody knows what it has done to them.
            made.clear();
        }
        is_brief
    }

    /// Asks the step whether it could run, within the deadline. See [`Program::inquire`].
    pub(super) async fn inquire(
        &self,
        engine: &Engine,
        transaction: StepTransaction,
        circumstances: Circumstances,
        stop: &Stop,
    ) -> (Result<Answers, Failure>, StepTransaction) {
        stop.set_deadline(Some(engine.deadline()));
        let sandbox = engine.started_sandbox();
        let asked = self
            .program
            .inquire(sandbox, transaction, circumstances, stop)
            .await;
        stop.set_deadline(None);
        asked
    }

    /// Runs the phase that the transaction is for, and checks what the database would leave unchecked, within the
    /// deadline.
    pub(super) async fn perform(
        &self,
        engine: &Engine,
        transaction: StepTransaction,
        stop: &Stop,
    ) -> (Result<(), Failure>, StepTransaction) {
        stop.set_deadline(Some(engine.deadline()));
        let sandbox = engine.started_sandbox();
        let (mut result, mut transaction) = self.program.perform(sandbox, transaction, stop).await;
        if result.is_ok() {
            let verified = transaction.session.verify().await;
            result = verified.map_err(Failure::from_database);
        }
        stop.set_deadline(None);
        (result, transaction)
    }

    /// The same for a step that shares its transaction, where what was done is looked at before the commit of all.
    pub(super) async fn run(
        &self,
        engine: &Engine,
        transaction: StepTransaction,
        stop: &Stop,
    ) -> (Result<(), Failure>, StepTransaction) {
        stop.set_deadline(Some(engine.deadline()));
        let sandbox = engine.started_sandbox();
        let ran = self.program.perform(sandbox, transaction, stop).await;
        stop.set_deadline(None);
        ran
    }
}

/// Reads steps and makes programs of them, on all cores; returns them in the same order. Of several failures it returns
/// that of the first step.
pub(super) fn load(
    engine: &Engine,
    files: &[&StepFile],
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Vec<Loaded>, Failure> {
    let digests = engine.remembered_digests();
    let has_components = files.iter().any(|file| file.kind != StepKind::Sql);
    let sandbox = match has_components {
        true => Some(engine.sandbox()?),
        false => None,
    };
    let loader = Loader {
        sandbox,
        digests,
        database: &*engine.database,
        options: &engine.options,
        observer,
        stop,
        started: AtomicUsize::new(0),
        of: files.len(),
    };
    let loaded: Vec<Result<Loaded, Failure>> = files
        .par_iter()
        .map(|file| match stop.reason() {
            Some(reason) => Err(Failure::from_sandbox(sandbox::Error::Stopped(reason))),
            None => loader.load(file),
        })
        .collect();
    digests.save();
    if let Some(why) = sandbox.and_then(Sandbox::cache_problem) {
        observer.notify(&Event::Warning {
            message: format!(
                "compiled components are not kept, and are compiled again each time: {why}"
            ),
        });
    }
    loaded.into_iter().collect()
}

fn program(file: &StepFile, component: Component<StepTransaction>) -> Result<Program, Failure> {
    match component.is_transformation() {
        true if !file.role.has_phases() => Err(Failure::new(
            "incompatible",
            Blame::Step,
            format!(
                "a transformation cannot be {}, because it has a finalize",
                file.role.called()
            ),
        )),
        true => Ok(Program::Transformation(component)),
        false => Ok(Program::Component(component)),
    }
}

struct Loader<'l> {
    /// Started when there are components among the steps.
    sandbox: Option<&'l Sandbox<StepTransaction>>,
    digests: &'l Digests,
    database: &'l dyn Database,
    options: &'l Options,
    observer: &'l dyn Observer,
    stop: &'l Stop,
    started: AtomicUsize,
    of: usize,
}

impl Loader<'_> {
    fn load(&self, file: &StepFile) -> Result<Loaded, Failure> {
        let label = file.label();
        let (mut refusal, mut bars_reset) = (None, None);
        let loaded = match self.sandbox {
            Some(sandbox) if file.kind == StepKind::Wasm => {
                self.load_component(sandbox, file, &label)
            }
            Some(sandbox) if file.kind.is_script() => self.load_script(sandbox, file, &label),
            _ => self.load_sql(file, &mut refusal, &mut bars_reset),
        };
        let (program, digest) = loaded.map_err(|failure| failure.of(&label, Phase::Prepare))?;
        let told = |refused: Refused| {
            let phase = refused.phase;
            refused.into_failure().of(&label, phase)
        };
        Ok(Loaded {
            step: StepIdentity {
                index: file.index,
                name: file.name.clone(),
                label: label.clone(),
                kind: file.kind,
                digest,
                role: file.role,
                signer: self.signer(file),
                is_inside_only: self
                    .options
                    .release
                    .as_ref()
                    .is_some_and(|release| release.inside_only.contains(&file.file_name)),
            },
            program,
            refusal: refusal.map(told),
            bars_reset: bars_reset.map(told),
            transactional: true,
            rows: None,
            deferred: false,
        })
    }

    /// Who has signed a file of a release, where it needs a signature of its own.
    fn signer(&self, file: &StepFile) -> Option<String> {
        let release = self.options.release.as_ref()?;
        let signers = release.step_signers.get(&file.file_name)?;
        Some(signers.join("\n"))
    }

    fn load_sql(
        &self,
        file: &StepFile,
        refusal: &mut Option<Refused>,
        bars_reset: &mut Option<Refused>,
    ) -> Result<(Program, String), Failure> {
        let (bytes, digest) = self.read(file)?;
        let read = sql_step::read(self.database, self.options, file, &bytes)
            .map_err(|error| Failure::from_catalog(&error))?;
        (*refusal, *bars_reset) = (read.refusal, read.bars_reset);
        if let Some(remark) = read.remark {
            let message = format!("{} {remark}", file.label());
            self.observer.notify(&Event::Warning { message });
        }
        Ok((Program::Sql(read.step), digest))
    }

    fn load_component(
        &self,
        sandbox: &Sandbox<StepTransaction>,
        file: &StepFile,
        label: &str,
    ) -> Result<(Program, String), Failure> {
        let known = self
            .digests
            .recall(file)
            .map_err(|error| Failure::from_catalog(&error))?;
        // What was compiled before need not be read again: the digest alone says what will run.
        if let Some(digest) = known
            && let Some(component) = sandbox.recall(&digest).map_err(Failure::from_sandbox)?
        {
            self.tell(label, false);
            return Ok((program(file, component)?, digest));
        }
        let (bytes, digest) = self.read(file)?;
        self.tell(label, !sandbox.is_compiled(&digest));
        let component = sandbox
            .load(&bytes, &digest, self.stop)
            .map_err(Failure::from_sandbox)?;
        Ok((program(file, component)?, digest))
    }

    fn load_script(
        &self,
        sandbox: &Sandbox<StepTransaction>,
        file: &StepFile,
        label: &str,
    ) -> Result<(Program, String), Failure> {
        let script = self
            .digests
            .script(file)
            .map_err(|error| Failure::from_catalog(&error))?;
        self.tell(label, !sandbox.has_runner(file.kind == StepKind::Python));
        let component = sandbox
            .load_script(&script.modules(), &self.options.settings, self.stop)
            .map_err(Failure::from_sandbox)?;
        Ok((program(file, component)?, script.digest))
    }

    fn read(&self, file: &StepFile) -> Result<(Vec<u8>, String), Failure> {
        self.digests
            .read(file)
            .map_err(|error| Failure::from_catalog(&error))
    }

    fn tell(&self, label: &str, compiling: bool) {
        self.observer.notify(&Event::Loading {
            step: label.to_owned(),
            number: self.started.fetch_add(1, Ordering::Relaxed) + 1,
            of: self.of,
            compiling,
        });
    }
}
