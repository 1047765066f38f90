//! The hosts, and what can happen to them.

use super::server::{Commit, Journal, Pending, Process, Refused, STEPS, Server, StepState, Write};
use super::{Protocol, StepKind};
use crate::engine::recover::Acknowledged;
use crate::engine::state::{self, Command, Facts, Verdict};
use crate::journal;

/// How much may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Connections that are lost.
    pub(super) cuts: u8,
    pub(super) host_deaths: u8,
    pub(super) server_crashes: u8,
    /// Leases that run out while their holders live.
    pub(super) false_deaths: u8,
    /// How many runs there may be.
    pub(super) runs: usize,
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Host {
    /// How often it has died.
    life: u8,
    run: Option<Run>,
}

/// What a host knows of its run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Run {
    token: u8,
    /// What it believes the journal to say.
    journal: Journal,
    /// What was acknowledged to it.
    acknowledged: Vec<Write>,
    /// Which statements outside a transaction it has seen done.
    statements: [bool; STEPS],
    link: Link,
    has_failed: bool,
}

/// A host's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Link {
    Idle,
    /// It waits for an answer.
    Waiting,
    Lost,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) server: Server,
    pub(super) hosts: Vec<Host>,
    pub(super) left: Budget,
    /// Whether a host has said of something that it was done, and it could still be lost.
    pub(super) has_lied: bool,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A host begins a run.
    Acquire(u8),
    /// A host begins a run, and never hears of it.
    AcquireUnheard(u8),
    /// A host asks for its next commit.
    Ask(u8),
    /// The server does what it was asked for.
    Commit(usize),
    /// A host's connection is lost; what it asked for last goes on.
    Cut(u8),
    /// A host's connection is lost before what it asked for arrives, or it is ended.
    CutBefore(u8),
    /// A host finds out what is left after it lost its connection.
    Recover(u8),
    Die(u8),
    /// The server goes down, and so many commits are left.
    Crash(usize),
    /// The lease of a living host runs out.
    Expire,
    /// A host finds nothing left to do but to end a dead host's run.
    EndDead,
}

impl World {
    pub(super) fn actions(&self, protocol: &Protocol, actions: &mut Vec<Action>) {
        let server = &self.server;
        for (number, host) in (0..).zip(&self.hosts) {
            match &host.run {
                None => {
                    if self.is_free() && self.has_work() && server.runs() < self.left.runs {
                        actions.push(Action::Acquire(number));
                        if self.left.cuts > 0 {
                            actions.push(Action::AcquireUnheard(number));
                        }
                    }
                    continue;
                }
                Some(run) => match run.link {
                    Link::Idle => actions.push(Action::Ask(number)),
                    Link::Lost if protocol.rules.recovers => actions.push(Action::Recover(number)),
                    Link::Lost => actions.push(Action::Ask(number)),
                    Link::Waiting => {}
                },
            }
            if self.left.cuts > 0 && !matches!(&host.run, Some(run) if run.link == Link::Lost) {
                actions.push(Action::Cut(number));
                actions.push(Action::CutBefore(number));
            }
            if self.left.host_deaths > 0 {
                actions.push(Action::Die(number));
            }
        }
        actions.extend((0..server.pending.len()).map(Action::Commit));
        if self.left.server_crashes > 0 && !server.log.is_empty() {
            actions.extend((server.flushed..=server.log.len()).map(Action::Crash));
        }
        let holder = server.journal().holder;
        let has_idle = self.hosts.iter().any(|host| host.run.is_none());
        if has_idle && self.is_free() && holder.is_some() && !self.has_work() {
            actions.push(Action::EndDead);
        }
        if self.left.false_deaths > 0
            && !server.is_expired
            && holder.is_some_and(|holder| self.lives(holder))
        {
            actions.push(Action::Expire);
        }
    }

    /// Whether a process that holds the lease is at work.
    fn lives(&self, process: Process) -> bool {
        let host = self.hosts.get(usize::from(process.host));
        host.is_some_and(|host| host.life == process.life && host.run.is_some())
    }

    /// Whether the lease may be taken.
    fn is_free(&self) -> bool {
        let holder = self.server.journal().holder;
        self.server.is_expired || !holder.is_some_and(|holder| self.lives(holder))
    }

    /// Whether there is something to do, by the program's own state machine.
    fn has_work(&self) -> bool {
        let steps = self.server.journal().steps;
        let facts = Facts {
            running: None,
            failed: None,
            pending: steps.iter().any(|step| *step < StepState::Migrated),
            unfinalized: steps.contains(&StepState::Migrated),
        };
        matches!(
            state::command(state::observe(facts), Command::Finalize, facts.pending),
            Verdict::Start(_)
        )
    }

    pub(super) fn is_done(&self) -> bool {
        let journal = self.server.journal();
        journal.holder.is_none()
            && journal
                .steps
                .iter()
                .all(|step| *step == StepState::Finalized)
    }

    /// Whether nothing can happen any more although something is left to do.
    pub(super) fn is_stuck(&self, protocol: &Protocol) -> bool {
        let mut actions = Vec::new();
        self.actions(protocol, &mut actions);
        actions.is_empty() && !self.is_done() && self.server.runs() < self.left.runs
    }

    pub(super) fn act(&mut self, protocol: &Protocol, action: Action) {
        let rules = &protocol.rules;
        match action {
            Action::Acquire(number) | Action::AcquireUnheard(number) => {
                let process = self.process(number);
                let (token, ended) = self.server.start(process, rules);
                for host in ended {
                    if let Some(run) = self.run(host) {
                        run.link = Link::Lost;
                    }
                }
                let journal = self.server.journal();
                if let Action::AcquireUnheard(_) = action {
                    self.left.cuts -= 1;
                } else if let Some(host) = self.hosts.get_mut(usize::from(number)) {
                    host.run = Some(Run {
                        token,
                        journal,
                        acknowledged: Vec::new(),
                        statements: [false; STEPS],
                        link: Link::Idle,
                        has_failed: false,
                    });
                }
            }
            Action::Ask(number) => {
                let process = self.process(number);
                let journal = self.server.journal();
                let Some(host) = self.hosts.get_mut(usize::from(number)) else {
                    return;
                };
                if let Some(run) = &mut host.run {
                    let write = run.next(protocol);
                    let token = run.token;
                    // Its session says whose it is, and only then is the fence looked at: whoever takes over ends it.
                    let is_statement = matches!(write, Write::Statement(_));
                    if is_statement
                        && rules.fences_statements
                        && !rules.lets(&journal, token, process)
                    {
                        host.run = None;
                        return;
                    }
                    run.link = Link::Waiting;
                    self.server.pending.push(Pending {
                        commit: Commit {
                            token,
                            process,
                            write,
                        },
                        has_client: true,
                    });
                }
            }
            Action::Commit(place) => {
                let pending = self.server.pending.remove(place);
                let answer = self.server.commit(pending.commit, rules);
                if pending.has_client {
                    self.answer(pending.commit, answer);
                }
            }
            Action::Cut(number) | Action::CutBefore(number) => {
                self.left.cuts -= 1;
                let process = self.process(number);
                self.disconnect(process, action == Action::Cut(number));
                if let Some(run) = self.run(number) {
                    run.link = Link::Lost;
                }
            }
            Action::Recover(number) => self.recover(number, protocol),
            Action::Die(number) => {
                self.left.host_deaths -= 1;
                let process = self.process(number);
                self.disconnect(process, true);
                if let Some(host) = self.hosts.get_mut(usize::from(number)) {
                    host.life += 1;
                    host.run = None;
                }
            }
            Action::Crash(kept) => {
                self.left.server_crashes -= 1;
                self.server.crash(kept);
                for run in self.hosts.iter_mut().filter_map(|host| host.run.as_mut()) {
                    run.link = Link::Lost;
                }
            }
            Action::EndDead => self.server.end_dead(),
            Action::Expire => {
                self.left.false_deaths -= 1;
                self.server.is_expired = true;
            }
        }
    }

    fn process(&self, number: u8) -> Process {
        let host = self.hosts.get(usize::from(number));
        Process {
            host: number,
            life: host.map_or(0, |host| host.life),
        }
    }

    fn run(&mut self, number: u8) -> Option<&mut Run> {
        self.hosts.get_mut(usize::from(number))?.run.as_mut()
    }

    /// Takes a process's connection away; what it has asked for goes on, or never arrived.
    fn disconnect(&mut self, process: Process, goes_on: bool) {
        if !goes_on {
            self.server
                .pending
                .retain(|pending| pending.commit.process != process || !pending.has_client);
        }
        for pending in &mut self.server.pending {
            if pending.commit.process == process {
                pending.has_client = false;
            }
        }
    }

    fn answer(&mut self, commit: Commit, answer: Result<(), Refused>) {
        let is_durable = self.server.flushed == self.server.log.len();
        let is_whole = self.server.journal().steps == [StepState::Finalized; STEPS];
        let Some(host) = self.hosts.get_mut(usize::from(commit.process.host)) else {
            return;
        };
        let Some(run) = host.run.as_mut() else { return };
        run.link = Link::Idle;
        match (answer, commit.write) {
            (Err(Refused::Fenced), _) | (Err(Refused::Unexpected), Write::End(_)) => {
                host.run = None;
            }
            (Err(Refused::Unexpected), _) => run.has_failed = true,
            (Ok(()), Write::End(is_done)) => {
                host.run = None;
                self.has_lied |= is_done && !(is_durable && is_whole);
            }
            (Ok(()), Write::Statement(index)) => {
                if let Some(statement) = run.statements.get_mut(index) {
                    *statement = true;
                }
            }
            (Ok(()), write) => {
                run.journal.note(commit);
                run.acknowledged.push(write);
            }
        }
    }

    /// What a host does after it lost its connection.
    fn recover(&mut self, number: u8, protocol: &Protocol) {
        let process = self.process(number);
        if protocol.rules.ends_lost {
            self.server
                .pending
                .retain(|pending| pending.commit.process != process);
        }
        let server = &self.server;
        let journal = server.journal();
        let Some(host) = self.hosts.get_mut(usize::from(number)) else {
            return;
        };
        let Some(run) = host.run.as_mut() else { return };
        if !protocol.rules.lets(&journal, run.token, process) {
            // Another host has the lease, or this run's end came through.
            host.run = None;
            return;
        }
        let has_gap = run
            .acknowledged()
            .gap(|step| journal.state_of(*step))
            .is_some();
        run.has_failed |= has_gap && protocol.rules.stops_at_gap;
        if protocol.rules.stops_at_gap || !has_gap {
            run.journal = journal;
        }
        run.statements = [false; STEPS];
        run.link = Link::Idle;
    }
}

impl Run {
    /// What was acknowledged of each step, as the program keeps it.
    fn acknowledged(&self) -> Acknowledged<usize> {
        let mut acknowledged = Acknowledged::default();
        for write in &self.acknowledged {
            match write {
                Write::Step(step) | Write::Done(step) => {
                    acknowledged.note(*step, Some(journal::StepState::Migrated));
                }
                Write::Finalize => {
                    for step in 0..STEPS {
                        acknowledged.note(step, Some(journal::StepState::Finalized));
                    }
                }
                // What a checkpoint lost is done again from the one before it.
                Write::Checkpoint(_) | Write::Started(_) => {}
                Write::Start | Write::Statement(_) | Write::End(_) => {}
            }
        }
        acknowledged
    }

    /// What is to be done next.
    fn next(&self, protocol: &Protocol) -> Write {
        if self.has_failed {
            return Write::End(false);
        }
        let steps = self
            .journal
            .steps
            .iter()
            .zip(protocol.steps)
            .zip(self.statements);
        for (index, ((step, kind), statement)) in steps.enumerate() {
            match (step, kind) {
                (StepState::Absent, StepKind::Whole) => return Write::Step(index),
                (StepState::Absent, StepKind::WithCheckpoint) => return Write::Checkpoint(index),
                (StepState::Absent, StepKind::Outside) => return Write::Started(index),
                (StepState::Started, _) if !statement => return Write::Statement(index),
                (StepState::Started, _) => return Write::Done(index),
                (StepState::Checkpointed, _) => return Write::Step(index),
                (StepState::Migrated | StepState::Finalized, _) => {}
            }
        }
        match self.journal.steps.contains(&StepState::Migrated) {
            true => Write::Finalize,
            false => Write::End(true),
        }
    }
}
