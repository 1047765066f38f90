//! What is looked at while the server works on something: whether the run has to end, who keeps it waiting, and whether it says
//! anything at all.

use std::io;
use std::time::{Duration, Instant};

use super::super::{Stop, Wait, Waited};
use super::connection::Connection;
use super::interruptions::Interruptions;
use super::locks::{self, Probe};
use super::pool::Postgres;

/// How long the answer to what is under way may take once the run has to end. The host itself is given more.
const ENDING: Duration = Duration::from_secs(3);

/// How often to look who has the target's lock.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);

/// What the server works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Work {
    /// Statements of a step, which may take as long as they like.
    #[default]
    Step,
    /// Rows on their way to the server.
    Copy,
    /// Statements of the host, which seldom take long.
    Host,
    /// A commit.
    Commit,
    /// The lock of the target, which nobody holds for long.
    TargetLock,
}

impl Work {
    fn as_str(self) -> &'static str {
        match self {
            Self::Step => "a statement of the step",
            Self::Copy => "what was sent to it",
            Self::Host => "a statement of the host itself",
            Self::Commit => "a COMMIT",
            Self::TargetLock => "the request for the target's lock",
        }
    }
}

/// What is known of the work that is under way.
pub(super) struct UnderWay {
    database: Postgres,
    stop: Stop,
    pub(super) work: Work,
    /// What the session is called.
    label: Option<String>,
    /// How long a commit may take that runs what a step has left for it.
    deadline: Option<Duration>,
    /// How long it may take without an answer of the server.
    pub(super) at_most: Duration,
    /// How long it may take, however much the server answers.
    pub(super) at_longest: Option<Duration>,
    interruptions: Interruptions,
    /// Who kept it waiting when that was looked at last.
    pub(super) holders: Option<String>,
    waited: Waited,
    probed: Instant,
    /// How long to wait before the next look from another connection: somebody may wait for a lock, and must still do so then.
    pause: Duration,
    told: Option<Instant>,
    ending: Option<Instant>,
}

impl UnderWay {
    pub(super) fn new(
        database: Postgres,
        stop: Stop,
        work: Work,
        label: Option<String>,
        lock_wait: Option<Duration>,
        deadline: Option<Duration>,
        connection: &Connection,
    ) -> Self {
        let now = Instant::now();
        let lock_wait = lock_wait.unwrap_or(database.0.options.lock_timeout);
        let at_most = match work {
            Work::TargetLock => database.target_lock_timeout(),
            _ => connection.wire.longest_silence,
        };
        Self {
            database,
            stop,
            work,
            label,
            deadline,
            at_most,
            at_longest: None,
            interruptions: Interruptions::new(connection.canceller.clone()),
            holders: None,
            waited: Waited::new(),
            probed: now,
            pause: lock_wait.mul_f32(0.6),
            told: None,
            ending: None,
        }
    }

    /// Looks; an error says why not to wait any longer. `process` is the server's, once that is known.
    pub(super) fn look(&mut self, process: Option<i64>) -> io::Result<()> {
        self.waited.looks();
        let looked = self.look_now(process);
        self.waited.has_looked();
        looked
    }

    fn look_now(&mut self, process: Option<i64>) -> io::Result<()> {
        if self.stop.reason().is_some() {
            let since: &Instant = self.ending.get_or_insert_with(Instant::now);
            if since.elapsed() > ENDING {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the run has to end, and the server does not answer",
                ));
            }
            if matches!(self.work, Work::Step | Work::Copy | Work::TargetLock) {
                self.interruptions.interrupt(&self.database, process);
                return Ok(());
            }
        }
        if self.work == Work::TargetLock {
            self.look_at_target_lock();
            return Ok(());
        }
        if self.work == Work::Commit && self.deadline.is_some_and(|most| self.waited.time() > most)
        {
            // The server has cancelled it, and it has gone on: a trigger can catch that.
            self.interruptions.interrupt(&self.database, process);
            return Ok(());
        }
        if self
            .at_longest
            .is_some_and(|most| self.waited.time() > most)
        {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "the server has not come to the end of its answer in {:?}",
                    self.waited.time()
                ),
            ));
        }
        if self.probed.elapsed() > self.pause {
            let is_late = Wait::is_worth_telling(self.waited.time(), self.told);
            let probe = locks::probe(&self.database, process, self.label.as_deref(), is_late);
            self.probed = Instant::now();
            self.tell_silence(&probe);
            if let Probe::Waits(holders) = probe {
                self.holders = Some(holders);
            }
        }
        Ok(())
    }

    /// Says that nothing is heard of the server. A statement of a step may take long: of it that is said only when the
    /// server does not seem to be at it.
    fn tell_silence(&mut self, probe: &Probe) {
        let is_silent = match probe {
            Probe::Waits(_) => false,
            Probe::IsAtWork => !matches!(self.work, Work::Step | Work::Copy),
            // A server that takes rows waits for the next ones now and then.
            Probe::IsNot => self.work != Work::Copy,
            Probe::NoAnswer => true,
        };
        if is_silent {
            let what = self.work.as_str();
            self.tell(&format!("it has not answered {what}"));
        }
    }

    fn look_at_target_lock(&mut self) {
        if self.probed.elapsed() < LOCK_INTERVAL {
            return;
        }
        let holder = locks::end_stalled_holder(&self.database);
        self.probed = Instant::now();
        match holder {
            Some(holder) => {
                self.tell(&format!("{holder} has the lock of the target"));
                self.holders = Some(holder);
            }
            None => self.tell(&format!("it has not answered {}", self.work.as_str())),
        }
    }

    fn tell(&mut self, why: &str) {
        let waited = self.waited.time();
        if !Wait::is_worth_telling(waited, self.told) {
            return;
        }
        self.told = Some(Instant::now());
        self.stop.tell(&Wait {
            whom: self.database.0.name.clone(),
            why: why.to_owned(),
            waited,
            at_most: self.at_most,
        });
    }
}
