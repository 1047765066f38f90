//! The server: a log of commits, of which a part is on the disk.

use crate::journal;

/// How many steps there are.
pub(super) const STEPS: usize = 2;

/// A process of a host. One that was started again is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) host: u8,
    pub(super) life: u8,
}

/// What a commit writes, with what it does beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Write {
    /// A run, and the lease for it.
    Start,
    /// The first part of what a step does, and from where it can be continued.
    Checkpoint(usize),
    /// What a step does, or the rest of it, and its record.
    Step(usize),
    /// That a step outside a transaction is about to run.
    Started(usize),
    /// What such a step does. Nothing else commits with it.
    Statement(usize),
    /// That it is done.
    Done(usize),
    /// The finalize of all steps, and their records.
    Finalize,
    /// The end of a run; whether all was done.
    End(bool),
}

/// One commit, under the token and by the process that took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Commit {
    pub(super) token: u8,
    pub(super) process: Process,
    pub(super) write: Write,
}

/// What the server was asked to commit and has not committed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub(super) commit: Commit,
    /// Whether its client still waits for the answer.
    pub(super) has_client: bool,
}

/// What the journal says of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum StepState {
    #[default]
    Absent,
    /// Written down as begun, outside a transaction.
    Started,
    /// Done as far as its checkpoint.
    Checkpointed,
    Migrated,
    Finalized,
}

/// What the journal says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Journal {
    pub(super) token: u8,
    pub(super) holder: Option<Process>,
    pub(super) steps: [StepState; STEPS],
    pub(super) has_failed: bool,
}

impl Journal {
    /// Whether it is in the state that a write expects.
    fn expects(&self, write: Write) -> bool {
        let step = |step: usize| self.steps.get(step).copied().unwrap_or_default();
        match write {
            Write::Checkpoint(index) | Write::Started(index) => step(index) == StepState::Absent,
            Write::Step(index) => {
                matches!(step(index), StepState::Absent | StepState::Checkpointed)
            }
            Write::Done(index) => step(index) == StepState::Started,
            Write::Finalize => self.steps.iter().all(|step| *step == StepState::Migrated),
            Write::Start => self.holder.is_none(),
            Write::Statement(_) => true,
            Write::End(_) => self.holder.is_some(),
        }
    }

    /// What the program's journal would say of a step.
    pub(super) fn state_of(&self, step: usize) -> Option<journal::StepState> {
        match self.steps.get(step)? {
            StepState::Absent => None,
            StepState::Started | StepState::Checkpointed => Some(journal::StepState::Started),
            StepState::Migrated => Some(journal::StepState::Migrated),
            StepState::Finalized => Some(journal::StepState::Finalized),
        }
    }

    pub(super) fn note(&mut self, commit: Commit) {
        let (at, state) = match commit.write {
            Write::Start => {
                self.token = commit.token;
                self.holder = Some(commit.process);
                return;
            }
            Write::End(is_done) => {
                self.holder = None;
                self.has_failed = !is_done;
                return;
            }
            Write::Statement(_) => return,
            Write::Finalize => {
                // What is not migrated is not found.
                for step in &mut self.steps {
                    if *step == StepState::Migrated {
                        *step = StepState::Finalized;
                    }
                }
                return;
            }
            Write::Step(index) | Write::Done(index) => (index, StepState::Migrated),
            Write::Started(index) => (index, StepState::Started),
            Write::Checkpoint(index) => (index, StepState::Checkpointed),
        };
        if let Some(step) = self.steps.get_mut(at) {
            *step = state;
        }
    }
}

/// Why a commit was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Somebody else has the lease.
    Fenced,
    /// The journal is not in the state that was expected.
    Unexpected,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) log: Vec<Commit>,
    /// How many commits are on the disk.
    pub(super) flushed: usize,
    pub(super) pending: Vec<Pending>,
    /// Whether the lease has run out although its holder lives.
    pub(super) is_expired: bool,
}

impl Server {
    pub(super) fn journal(&self) -> Journal {
        let mut journal = Journal::default();
        self.log.iter().for_each(|commit| journal.note(*commit));
        journal
    }

    /// Takes the lease for a process; the one that had it is dead, or was declared so. Returns the new token, and the hosts
    /// whose sessions were ended.
    pub(super) fn start(&mut self, process: Process, rules: &super::Rules) -> (u8, Vec<u8>) {
        let journal = self.journal();
        // Its transactions are ended, too, but that may fail: the fence must hold them. For a statement there is no fence.
        let mut ended = Vec::new();
        if rules.labels_statements {
            self.pending.retain(|pending| {
                let is_statement = matches!(pending.commit.write, Write::Statement(_));
                if is_statement && pending.has_client {
                    ended.push(pending.commit.process.host);
                }
                !is_statement
            });
        }
        let token = journal.token + 1;
        self.log.push(Commit {
            token,
            process,
            write: Write::Start,
        });
        if rules.flushes_start {
            self.flushed = self.log.len();
        }
        self.is_expired = false;
        (token, ended)
    }

    /// Ends the run of a host that is dead, or was declared so, and takes its lease away.
    pub(super) fn end_dead(&mut self) {
        let journal = self.journal();
        self.log.extend(journal.holder.map(|process| Commit {
            token: journal.token,
            process,
            write: Write::End(false),
        }));
        self.flushed = self.log.len();
        self.is_expired = false;
    }

    /// Does what was asked for, if the journal allows it.
    pub(super) fn commit(&mut self, commit: Commit, rules: &super::Rules) -> Result<(), Refused> {
        let journal = self.journal();
        if !matches!(commit.write, Write::Statement(_)) {
            if !rules.lets(&journal, commit.token, commit.process) {
                return Err(Refused::Fenced);
            }
            if rules.compares && !journal.expects(commit.write) {
                return Err(Refused::Unexpected);
            }
        }
        self.log.push(commit);
        if matches!(commit.write, Write::End(_)) {
            self.flushed = self.log.len();
        }
        Ok(())
    }

    /// Forgets what is not on the disk, but for the first of it.
    pub(super) fn crash(&mut self, kept: usize) {
        self.log.truncate(kept);
        self.flushed = self.log.len();
        self.pending.clear();
    }

    pub(super) fn runs(&self) -> usize {
        self.count(|write| write == Write::Start)
    }

    fn count(&self, is_one: impl Fn(Write) -> bool) -> usize {
        self.log
            .iter()
            .filter(|commit| is_one(commit.write))
            .count()
    }

    pub(super) fn happened_once(&self) -> bool {
        let is_once = |write: Write| self.count(|other| other == write) <= 1;
        let steps =
            (0..STEPS).all(|step| is_once(Write::Step(step)) && is_once(Write::Checkpoint(step)));
        steps && is_once(Write::Finalize)
    }

    /// Whether each thing happened after all that has to come before it.
    pub(super) fn is_in_order(&self) -> bool {
        let mut journal = Journal::default();
        self.log.iter().all(|commit| {
            let is_right = match commit.write {
                Write::Step(index) | Write::Checkpoint(index) | Write::Started(index) => journal
                    .steps
                    .iter()
                    .take(index)
                    .all(|step| *step >= StepState::Migrated),
                Write::Statement(index) => journal.steps.get(index) == Some(&StepState::Started),
                Write::Finalize => journal
                    .steps
                    .iter()
                    .all(|step| *step == StepState::Migrated),
                _ => true,
            };
            journal.note(*commit);
            is_right
        })
    }

    /// Whether nothing of a run came after the beginning of the next, and each run has one process.
    pub(super) fn has_one_runner(&self) -> bool {
        let mut now: Option<(u8, Process)> = None;
        self.log.iter().all(|commit| {
            if commit.write == Write::Start {
                now = Some((commit.token, commit.process));
            }
            now == Some((commit.token, commit.process))
        })
    }
}
