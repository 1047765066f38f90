//! Who the steps of a run are, and what one says in one phase: its lines, and the messages of the database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::event::{Event, Observer};
use super::run_output::{RunOutput, Untold};
use crate::catalog::{Role, StepKind};
use crate::database::Listener;
use crate::journal::{self, Lease, OutputLine, Phase};
use crate::output::{Level, MOST_TEXT, cut};
use crate::sandbox::OutputWriter;

/// How many messages of the database are kept in one phase of a step. Stops a flood in the journal.
const MOST_MESSAGES: u32 = 1_000;

/// How many bytes of them are.
const MOST_HEARD_BYTES: u64 = 1 << 20;

/// What all transactions of a run share.
pub(super) struct RunContext {
    /// The run, in whose name lines are kept; none in a rehearsal.
    pub(super) run: Option<i64>,
    /// The right to commit; none in a rehearsal, which never does.
    pub(super) lease: Option<Lease>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) settings: Arc<BTreeMap<String, String>>,
    pub(super) output: Arc<RunOutput>,
    /// The tenant whose files run; none for the target itself.
    pub(super) tenant: Option<String>,
    /// Whether the steps are files for a target with tenants.
    pub(super) is_tenancy: bool,
}

impl RunContext {
    /// The same for one who works for the run beside others, in transactions of its own that are repeated when they are lost.
    pub(super) fn of_worker(&self) -> Self {
        Self {
            run: self.run,
            lease: self.lease.clone(),
            observer: Arc::clone(&self.observer),
            settings: Arc::clone(&self.settings),
            output: Arc::new(self.output.of_repeated_work()),
            tenant: self.tenant.clone(),
            is_tenancy: self.is_tenancy,
        }
    }

    /// The run's number; 0 in a rehearsal.
    pub(super) fn run(&self) -> i64 {
        self.run.unwrap_or(0)
    }
}

/// Which step it is.
#[derive(Clone, Debug)]
pub(super) struct StepIdentity {
    pub(super) index: u64,
    pub(super) name: String,
    /// `NNNN_name`.
    pub(super) label: String,
    pub(super) kind: StepKind,
    pub(super) digest: String,
    pub(super) role: Role,
    /// Who has signed it, where it needs a signature of its own; one a line.
    pub(super) signer: Option<String>,
    /// Whether it may not run outside a transaction, because nobody has signed it who must for that.
    pub(super) is_inside_only: bool,
}

/// Takes what a step says in one phase.
pub(super) struct StepOutput {
    context: Arc<RunContext>,
    index: u64,
    label: String,
    /// The file that it is, where there are tenants.
    file: Option<String>,
    phase: Phase,
    /// Whether what says it may be repeated before it is committed, and say it again: nobody is told of it before that.
    is_repeated: bool,
    /// How many messages of the database were heard.
    heard: AtomicU32,
    /// How many bytes they had.
    heard_bytes: AtomicU64,
}

impl StepOutput {
    pub(super) fn new(context: &Arc<RunContext>, step: &StepIdentity, phase: Phase) -> Arc<Self> {
        Arc::new(Self::of(context, step, phase))
    }

    /// The same of work that may be repeated before it is committed: its lines are told of when they are.
    pub(super) fn of_repeated_work(
        context: &Arc<RunContext>,
        step: &StepIdentity,
        phase: Phase,
    ) -> Arc<Self> {
        Arc::new(Self {
            // A rehearsal never commits.
            is_repeated: context.run.is_some(),
            ..Self::of(context, step, phase)
        })
    }

    fn of(context: &Arc<RunContext>, step: &StepIdentity, phase: Phase) -> Self {
        Self {
            context: Arc::clone(context),
            index: step.index,
            label: step.label.clone(),
            file: context.is_tenancy.then(|| step.name.clone()),
            phase,
            is_repeated: false,
            heard: AtomicU32::new(0),
            heard_bytes: AtomicU64::new(0),
        }
    }
}

impl Listener for StepOutput {
    fn hear(&self, level: Level, message: &str) {
        for line in message.lines() {
            let line = cut(line, MOST_TEXT);
            let bytes = line.len() as u64;
            let heard = self.heard_bytes.fetch_add(bytes, Ordering::Relaxed);
            let rest = match self.heard.load(Ordering::Relaxed) {
                ..MOST_MESSAGES if heard.saturating_add(bytes) <= MOST_HEARD_BYTES => {
                    self.heard.fetch_add(1, Ordering::Relaxed);
                    self.write(level, line);
                    continue;
                }
                ..MOST_MESSAGES => format!("{} KiB", MOST_HEARD_BYTES >> 10),
                MOST_MESSAGES => format!("{MOST_MESSAGES} things"),
                _ => return,
            };
            // Nothing more is kept.
            self.heard.store(MOST_MESSAGES + 1, Ordering::Relaxed);
            let rest = format!("the database says more than {rest}; the rest is not kept");
            self.write(Level::Warning, rest);
            return;
        }
    }
}

impl OutputWriter for StepOutput {
    fn write(&self, level: Level, line: String) {
        let mut line = OutputLine {
            sequence: 0,
            index: Some(self.index),
            phase: self.phase,
            written_at: journal::now(),
            level,
            line,
            tenant: self.context.tenant.clone(),
            file: self.file.clone(),
        };
        if self.is_repeated {
            let untold = Untold {
                step: self.label.clone(),
                observer: Arc::clone(&self.context.observer),
            };
            return self.context.output.add_untold(line, untold);
        }
        // A rehearsal never commits.
        let is_kept = self.context.run.is_some();
        line.sequence = self.context.output.add(line.clone(), is_kept);
        self.context.observer.notify(&Event::Output {
            step: self.label.clone(),
            line,
        });
    }
}
