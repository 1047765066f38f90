//! What all who work on one run of tenants share, and how one of them runs a task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::failed::outcome_of;
use super::forged::Announced;
use super::snapshot::File;
use super::work::{Schedule, Task};
use super::{FileFailure, TenancyOptions, Tenant, name};
use crate::catalog::{Section, SqlStep, StepKind};
use crate::database::{Session, Stop, substitute};
use crate::engine::Engine;
use crate::engine::event::Observer;
use crate::engine::failure::{Blame, Failure};
use crate::engine::loaded::Loaded;
use crate::engine::program::{Circumstances, Program};
use crate::engine::run_output::RunOutput;
use crate::engine::step_output::RunContext;
use crate::engine::transaction::StepTransaction;
use crate::journal::{self, AppliedRecord, AttemptRecord, Lease, Phase, StepState};

/// What all who work on one run share.
pub(super) struct TenancyContext<'c> {
    pub(super) engine: &'c Engine,
    pub(super) options: &'c TenancyOptions,
    pub(super) files: &'c [File],
    /// The numbers of the files in the journal.
    pub(super) ids: &'c [i64],
    /// The files that are to be run, by their places.
    pub(super) loaded: BTreeMap<usize, Loaded>,
    pub(super) tenants: Vec<Tenant>,
    /// The tenants that the target knows to have a file of their own.
    pub(super) known: &'c BTreeSet<String>,
    /// The schemas that were not there when the run began.
    pub(super) absent_schemas: BTreeSet<String>,
    /// The tenants whose own files were not there when the run began, where a run that fails leaves none.
    pub(super) absent: Vec<usize>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stop: &'c Stop,
    /// None in a dry run.
    pub(super) lease: Option<Lease>,
    /// The number of what was applied last.
    pub(super) last_applied: AtomicI64,
    pub(super) announced: Announced,
    /// The runs before it whose host was cut off.
    pub(super) interrupted: Vec<i64>,
    /// Whether a new tenant takes over a schema, which must exist.
    pub(super) adopts_schema: bool,
    /// Whether a new tenant was one before, so that its schema may exist.
    pub(super) comes_back: bool,
}

/// What a task left.
pub(super) struct Performed {
    pub(super) result: Result<AppliedRecord, Failure>,
    pub(super) session: Box<dyn Session>,
}

impl<'c> TenancyContext<'c> {
    pub(super) fn file(&self, task: &Task) -> Option<&'c File> {
        self.files.get(task.file)
    }

    pub(super) fn tenant(&self, task: &Task) -> Option<&Tenant> {
        self.tenants.get(task.tenant?)
    }

    /// The run's number; 0 in a dry run.
    pub(super) fn run(&self) -> i64 {
        self.lease.as_ref().map_or(0, |lease| lease.run)
    }

    /// What the steps of one tenant share.
    pub(super) fn context(
        &self,
        tenant: Option<&Tenant>,
        output: &Arc<RunOutput>,
    ) -> Arc<RunContext> {
        let mut settings = Arc::clone(&self.engine.options.settings);
        if let Some(tenant) = tenant {
            let own = Arc::make_mut(&mut settings);
            own.insert("tenant".to_owned(), tenant.name.clone());
            own.insert("schema".to_owned(), tenant.schema.clone());
        }
        Arc::new(RunContext {
            run: self.lease.as_ref().map(|lease| lease.run),
            lease: self.lease.clone(),
            observer: Arc::clone(&self.observer),
            settings,
            output: Arc::clone(output),
            tenant: tenant.map(|tenant| tenant.name.clone()),
            is_tenancy: true,
        })
    }

    /// The row of a task before it runs.
    pub(super) fn record(&self, task: &Task) -> AppliedRecord {
        if let Some(record) = &task.record {
            return match record.state {
                // Whoever ends what was begun has migrated it.
                StepState::Started => AppliedRecord {
                    run: self.run(),
                    ..record.clone()
                },
                StepState::Migrated | StepState::Finalized => record.clone(),
            };
        }
        let file = self.file(task);
        let record = AppliedRecord {
            id: self.last_applied.fetch_add(1, Ordering::Relaxed) + 1,
            source: self.ids.get(task.file).copied().unwrap_or_default(),
            tenant: self
                .tenant(task)
                .map(|tenant| tenant.name.clone())
                .unwrap_or_default(),
            is_script: file.is_some_and(|file| !file.kind().runs_once()),
            run: self.run(),
            state: StepState::Started,
            started_at: journal::now(),
            seed: crate::engine::transaction::seed(),
            migrated_at: None,
            finalized_at: None,
            finalized_by: None,
        };
        self.announced.row(&record);
        record
    }

    /// Runs the phases of a task in the open transaction, whose look before the commit is left to the caller. Returns its
    /// row as it is then.
    pub(super) async fn perform(
        &self,
        context: &Arc<RunContext>,
        mut session: Box<dyn Session>,
        task: &Task,
        attempt: u32,
        stop: &Stop,
    ) -> Performed {
        let loaded = self.loaded.get(&task.file);
        let is_idle = |loaded: &Loaded| !task.phases.iter().any(|phase| loaded.program.has(*phase));
        if loaded.is_some_and(is_idle) {
            let mut record = self.record(task);
            finish(&mut record, task.phases, self.run());
            return Performed {
                result: Ok(record),
                session,
            };
        }
        let schema = match loaded.map(|loaded| &loaded.program) {
            Some(Program::Sql(_)) | None => None,
            Some(_) => self.tenant(task).map(|tenant| &*tenant.schema),
        };
        if let Err(error) = session.enter_schema(schema).await {
            let failure = Failure::from_database(error);
            let result = Err(self.say(failure, task, Phase::Migrate, stop));
            return Performed { result, session };
        }
        self.perform_outside(context, session, task, attempt, stop)
            .await
    }

    /// The same where there is no transaction, in a session that nobody has used.
    pub(super) async fn perform_outside(
        &self,
        context: &Arc<RunContext>,
        mut session: Box<dyn Session>,
        task: &Task,
        attempt: u32,
        stop: &Stop,
    ) -> Performed {
        let mut record = self.record(task);
        let Some(loaded) = self.loaded.get(&task.file) else {
            let failure = Failure::new("host", Blame::Host, "a file was not loaded");
            return Performed {
                result: Err(failure),
                session,
            };
        };
        let mut result = Ok(());
        for phase in task.phases {
            let has_it = *phase == Phase::Migrate || loaded.step.role.has_phases();
            if !loaded.program.has(*phase) || !has_it {
                continue;
            }
            (result, session) = self
                .phase(
                    context, session, task, loaded, *phase, attempt, &record, stop,
                )
                .await;
            if let Err(failure) = result {
                let failure = self.say(failure, task, *phase, stop);
                return Performed {
                    result: Err(failure),
                    session,
                };
            }
        }
        finish(&mut record, task.phases, self.run());
        Performed {
            result: result.map(|()| record),
            session,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all of them say what runs")]
    async fn phase(
        &self,
        context: &Arc<RunContext>,
        session: Box<dyn Session>,
        task: &Task,
        loaded: &Loaded,
        phase: Phase,
        attempt: u32,
        record: &AppliedRecord,
        stop: &Stop,
    ) -> (Result<(), Failure>, Box<dyn Session>) {
        let mut transaction =
            StepTransaction::open(context, session, &loaded.step, phase, None, attempt, None);
        transaction.record.started_at = record.started_at;
        transaction.record.seed = record.seed;
        let rendered = match &loaded.program {
            Program::Sql(sql) => match self.render(sql, task, phase) {
                Ok(rendered) => rendered.map(Program::Sql),
                Err(failure) => return (Err(failure), transaction.session),
            },
            _ => None,
        };
        let program = rendered.as_ref().unwrap_or(&loaded.program);
        let sandbox = self.engine.started_sandbox();
        stop.set_deadline(Some(self.engine.deadline()));
        let is_component = matches!(program, Program::Component(_));
        if is_component && phase == Phase::Migrate {
            let (answers, back) = program
                .inquire(sandbox, transaction, Circumstances::First, stop)
                .await;
            transaction = back;
            let answers = answers.and_then(|answers| match answers.transactional {
                true => Ok(()),
                false => Err(refuse_outside(loaded)),
            });
            if let Err(failure) = answers {
                stop.set_deadline(None);
                return (Err(failure), transaction.session);
            }
        }
        let (mut result, mut transaction) = program.perform(sandbox, transaction, stop).await;
        if result.is_ok() && is_component {
            // So that a failure is reported for the file that caused it.
            let settled = transaction.session.settle().await;
            result = settled.map_err(Failure::from_database);
        }
        stop.set_deadline(None);
        (result, transaction.session)
    }

    /// The file's SQL with the placeholder replaced; none when there is none in it.
    pub(super) fn render(
        &self,
        sql: &SqlStep,
        task: &Task,
        phase: Phase,
    ) -> Result<Option<SqlStep>, Failure> {
        let placeholder = &self.options.sources.placeholder;
        let section = match phase {
            Phase::Finalize => &sql.finalize,
            Phase::Reset => &sql.reset,
            Phase::Prepare | Phase::Migrate => &sql.migrate,
        };
        let Some(section) = section.as_ref().filter(|section| {
            !placeholder.is_empty() && section.text.contains(placeholder.as_str())
        }) else {
            return Ok(None);
        };
        let own;
        let tenant = match self.tenant(task) {
            Some(tenant) => tenant,
            None => {
                own = self.of_directory(task)?;
                &own
            }
        };
        let text = substitute(
            &section.text,
            self.engine.database.capabilities().line_ends,
            placeholder,
            &tenant.in_code,
            &tenant.name,
            &tenant.schema,
        );
        let section = Some(Section {
            text: text.into_owned(),
            first_line: section.first_line,
            file_name: section.file_name.clone(),
        });
        let mut rendered = SqlStep {
            summary: String::new(),
            transactional: sql.transactional,
            placeholders: sql.placeholders,
            notes: sql.notes.clone(),
            migrate: None,
            finalize: None,
            reset: None,
            reset_is_empty: false,
            is_undone_outside: false,
        };
        match phase {
            Phase::Finalize => rendered.finalize = section,
            Phase::Reset => rendered.reset = section,
            Phase::Prepare | Phase::Migrate => rendered.migrate = section,
        }
        Ok(Some(rendered))
    }

    /// Whether the placeholder for the schema is in any section of a file.
    pub(super) fn has_placeholder(&self, sql: &SqlStep) -> bool {
        let placeholder = &*self.options.sources.placeholder;
        let sections = [&sql.migrate, &sql.finalize, &sql.reset].into_iter();
        !placeholder.is_empty()
            && sections
                .flatten()
                .any(|section| section.text.contains(placeholder))
    }

    /// What stands for the schema in a file for the target itself: the base name of its directory.
    pub(super) fn of_directory(&self, task: &Task) -> Result<Tenant, Failure> {
        let placeholder = &self.options.sources.placeholder;
        let base_name = self.file(task).map_or("", |file| file.source.base_name());
        name::check(base_name).map_err(|_| {
            Failure::new(
                "files",
                Blame::Operator,
                format!(
                    "`{placeholder}` stands for the base name of the directory, and `{base_name}` cannot be a schema's name: \
                     rename the directory"
                ),
            )
        })?;
        Ok(Tenant::new(
            base_name,
            self.engine.database.capabilities().tenants,
            &Default::default(),
        ))
    }

    /// The failure, said of its file and tenant.
    pub(super) fn say(&self, failure: Failure, task: &Task, phase: Phase, stop: &Stop) -> Failure {
        let failure = match stop.is_cancelled() {
            true => Failure {
                is_kept: failure.is_kept,
                ..Failure::cancelled()
            },
            false => failure,
        };
        failure.of(&self.label(task), phase)
    }

    /// The file and the tenant of a task, as they are shown.
    pub(super) fn label(&self, task: &Task) -> String {
        let file = self.file(task).map(File::label).unwrap_or_default();
        match self.tenant(task) {
            Some(tenant) => format!("{file} for {}", tenant.name),
            None => file,
        }
    }

    /// A try at a task that failed, for the journal.
    pub(super) fn attempt(
        &self,
        task: &Task,
        attempt: u32,
        began_at: i64,
        failure: &Failure,
    ) -> Option<AttemptRecord> {
        let file = self.file(task)?;
        Some(AttemptRecord {
            run: self.run(),
            index: file.index,
            name: file.source.key.clone(),
            digest: file.digest.clone(),
            phase: failure.phase.unwrap_or(Phase::Migrate),
            attempt,
            outcome: outcome_of(failure),
            started_at: began_at,
            ended_at: journal::now(),
            error: Some(failure.to_json()),
            tenant: self.tenant(task).map(|tenant| tenant.name.clone()),
        })
    }

    /// The failure with the file and the tenant that it is of.
    pub(super) fn file_failure(&self, task: &Task, failure: Failure) -> FileFailure {
        let file = self.file(task);
        FileFailure {
            key: file.map(|file| file.source.key.clone()).unwrap_or_default(),
            message: failure.message.clone(),
            failure,
        }
    }
}

impl TenancyContext<'_> {
    /// Whether one of the files that are to be migrated runs outside a transaction.
    pub(super) fn runs_outside(&self, schedule: &Schedule) -> bool {
        let is_outside = |task: &Task| {
            let loaded = self.loaded.get(&task.file);
            task.phases.contains(&Phase::Migrate) && loaded.is_some_and(Loaded::is_outside)
        };
        schedule.tasks().any(is_outside)
    }

    /// A failure that is of no file.
    pub(super) fn unnamed(&self, failure: Failure) -> FileFailure {
        FileFailure {
            key: failure.step.clone().unwrap_or_default(),
            message: failure.message.clone(),
            failure,
        }
    }
}

/// The row as it is when this run has done these phases.
pub(super) fn finish(record: &mut AppliedRecord, phases: &[Phase], run: i64) {
    for phase in phases {
        match phase {
            Phase::Migrate => {
                record.state = StepState::Migrated;
                record.migrated_at = Some(journal::now());
            }
            Phase::Finalize => {
                record.state = StepState::Finalized;
                record.finalized_at = Some(journal::now());
                record.finalized_by = Some(run);
            }
            Phase::Prepare | Phase::Reset => {}
        }
    }
}

/// Refuses what cannot run together with anything else.
pub(super) fn refuse_outside(loaded: &Loaded) -> Failure {
    let what = match loaded.step.kind {
        StepKind::Sql => format!(
            "`{}` runs outside a transaction (`-- wasmigrate:no-transaction`), which cannot be a part of one: run it with \
             `--parallel N`",
            loaded.step.name
        ),
        StepKind::Wasm | StepKind::JavaScript | StepKind::TypeScript | StepKind::Python => format!(
            "`{}` says that it runs outside a transaction, which a component that runs for tenants cannot: put its statements into a \
             file of SQL with `-- wasmigrate:no-transaction`",
            loaded.step.name
        ),
    };
    Failure::new("refused", Blame::Operator, what)
}
