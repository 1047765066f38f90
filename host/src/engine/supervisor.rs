//! Runs in the background, and what is known of the current one.
//!
//! A [`Supervisor`] gives each run a thread of its own, accepts one command at a time, and passes on what the run tells:
//! to whoever subscribes, and to those who ask later. What is committed is read from the journal, so that every host
//! says the same; only what a running step has not committed yet is known to its own host alone.

mod renewal;
mod turns;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, broadcast, oneshot, watch};

use super::event::{Event, Observer, Statement, Unobserved};
use super::event_buffer::{EventBuffer, Numbered};
use super::extent::Extent;
use super::failure::{Blame, Failure};
use super::live::Live;
use super::order::Order;
use super::{Applied, ApplyError, ApplyOrder, Engine, Overview, Rehearsal, RunError, StepDetails};
use crate::database::Stop;
use crate::journal::{self, Outcome, OutputLine};
use renewal::CurrentEngine;
use turns::Turns;

pub use renewal::Renewal;

/// How often changed rows are transformed anew while a finalize is awaited.
const DRAIN_INTERVAL: Duration = Duration::from_secs(2);

/// What became of a command.
#[derive(Debug)]
pub enum Started {
    /// A run has begun.
    Run(Arc<Live>),
    /// There was nothing to do.
    Nothing,
}

/// Starts runs of one engine and knows the current one.
pub struct Supervisor {
    engine: CurrentEngine,
    /// Held while a command is being accepted, so that of two the second sees what became of the first. The run's thread
    /// holds it, because whoever asked may go meanwhile.
    accepting: Arc<tokio::sync::Mutex<()>>,
    /// Whether no command is accepted any more.
    is_winding_up: AtomicBool,
    /// Ends the newest run, also before it was accepted.
    newest_stop: Mutex<Stop>,
    live: Mutex<Option<Arc<Live>>>,
    events: EventBuffer,
    /// Hears everything besides those who subscribe.
    observer: Arc<dyn Observer>,
    turns: Turns,
    rehearsing: Arc<tokio::sync::Mutex<()>>,
    elsewhere: watch::Sender<u64>,
}

impl Supervisor {
    /// A supervisor of an engine, which must not wait for other hosts: whoever asks hears that they are at work. The observer
    /// hears every event, however many there are at once.
    pub fn new(
        engine: Engine,
        renewal: Option<Arc<dyn Renewal>>,
        observer: Arc<dyn Observer>,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine: CurrentEngine::new(engine, renewal),
            observer,
            accepting: Arc::default(),
            is_winding_up: AtomicBool::new(false),
            newest_stop: Mutex::default(),
            live: Mutex::default(),
            events: EventBuffer::default(),
            turns: Turns::default(),
            rehearsing: Arc::default(),
            elsewhere: watch::Sender::default(),
        })
    }

    /// The current run of this process.
    pub fn live(&self) -> Option<Arc<Live>> {
        lock(&self.live).clone()
    }

    /// Starts a command in the background; returns as soon as its run is accepted, or it is certain that there will be
    /// none. `permit` is asked first, while no other command can begin. May be dropped; an accepted run continues.
    pub async fn start<E: From<RunError>>(
        self: &Arc<Self>,
        order: Order,
        permit: impl FnOnce(&Overview) -> Result<(), E>,
    ) -> Result<Started, E> {
        let accepting = Arc::clone(&self.accepting).lock_owned().await;
        let mut overview = self.overview().await?;
        if let Some(live) = self.live() {
            if overview.state.is_running() {
                permit(&overview)?;
                return Err(
                    RunError::Refused("a run is in progress; wait for its end".to_owned()).into(),
                );
            }
            // Its last commit is done, and its thread about to end.
            live.ended().await;
            overview = self.overview().await?;
        }
        let stop = Stop::default();
        *lock(&self.newest_stop) = stop.clone();
        // Looked at after that, so that a stop which comes now is either seen here or ends the run.
        if self.is_winding_up.load(Ordering::SeqCst) {
            return Err(RunError::Refused("the service is stopping".to_owned()).into());
        }
        if self.engine.renew(&stop).await? {
            overview = self.overview().await?;
        }
        permit(&overview)?;
        let (sender, answer) = oneshot::channel();
        let accepted = Accepted {
            sender,
            _accepting: accepting,
        };
        let supervisor = Arc::clone(self);
        std::thread::Builder::new()
            .name("run".to_owned())
            .spawn(move || supervisor.run(order, stop, accepted))
            .map_err(|error| RunError::Refused(format!("cannot start a thread: {error}")))?;
        match answer.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(RunError::Refused("the run ended before it began".to_owned()).into()),
        }
    }

    /// Applies the pending files for tenants, and waits for the end, after every run before it, here or elsewhere. May be dropped;
    /// what has begun continues.
    pub async fn apply(self: &Arc<Self>, order: ApplyOrder) -> Result<Applied, ApplyError> {
        let refused = |why: String| ApplyError::Run(RunError::Refused(why));
        let accepting = loop {
            let accepting = Arc::clone(&self.accepting).lock_owned().await;
            match self.live() {
                None => break accepting,
                Some(live) => {
                    drop(accepting);
                    live.ended().await;
                }
            }
        };
        let stop = Stop::default();
        *lock(&self.newest_stop) = stop.clone();
        // Looked at after that, as for a command.
        if self.is_winding_up.load(Ordering::SeqCst) {
            return Err(refused("the service is stopping".to_owned()));
        }
        let (sender, answer) = oneshot::channel();
        let accepted = Accepted {
            // Nobody waits for its beginning.
            sender: oneshot::channel().0,
            _accepting: accepting,
        };
        let supervisor = Arc::clone(self);
        std::thread::Builder::new()
            .name("run".to_owned())
            .spawn(move || {
                let engine = supervisor.engine.now();
                let applied = supervisor.on_thread(stop, accepted, async |observer, stop| {
                    engine.apply(order, observer, stop).await
                });
                // Whoever asked may have gone.
                let _ = sender.send(applied.0.map_err(ApplyError::Run).flatten());
            })
            .map_err(|error| refused(format!("cannot start a thread: {error}")))?;
        match answer.await {
            Ok(applied) => applied,
            Err(_) => Err(refused("the apply ended before its time".to_owned())),
        }
    }

    /// Where the target stands.
    pub async fn overview(self: &Arc<Self>) -> Result<Overview, RunError> {
        let live = self.live();
        let overview = self.ask(async |engine| engine.overview().await).await?;
        Ok(Self::with_progress(overview, live))
    }

    /// The same for a probe: what is wrong with the text of pending files is not looked for.
    pub async fn glance(self: &Arc<Self>) -> Result<Overview, RunError> {
        let live = self.live();
        // It is never closed.
        let turn = Arc::clone(&self.turns.probes).acquire_owned().await;
        let overview = self.ask_in_turn(turn, async |engine| engine.glance().await);
        Ok(Self::with_progress(overview.await?, live))
    }

    fn with_progress(mut overview: Overview, live: Option<Arc<Live>>) -> Overview {
        if let Some(live) = live.filter(|live| overview.is_at_work_on(live.run)) {
            overview.rows = live.rows();
            overview.running = Some(live.running());
        }
        overview
    }

    /// The output of a run: at most `most` lines after the one numbered `after`, those that are not committed yet included as
    /// far as their numbers are known.
    pub async fn output(
        self: &Arc<Self>,
        run: i64,
        after: i64,
        most: u32,
    ) -> Result<Vec<OutputLine>, RunError> {
        // First what is not committed: what is committed meanwhile is then found in the journal.
        let uncommitted = match self.live().filter(|live| live.run == run) {
            Some(live) => live.lines(after, most),
            None => Vec::new(),
        };
        let mut lines = self
            .ask(async move |engine| engine.output(run, after, most).await)
            .await?;
        let last = lines.last().map_or(after, |line| line.sequence);
        if lines.len() < most as usize {
            lines.extend(uncommitted.into_iter().filter(|line| line.sequence > last));
            lines.truncate(most as usize);
        }
        Ok(lines)
    }

    /// Runs the pending steps in a transaction that is rolled back, after those who asked for the same before.
    pub async fn rehearse(self: &Arc<Self>, extent: Extent) -> Result<Rehearsal, RunError> {
        let turn = Arc::clone(&self.rehearsing).lock_owned().await;
        self.ask_in_turn(turn, async move |engine| {
            engine
                .rehearse(&extent, Arc::new(Unobserved), &Stop::default())
                .await
        })
        .await
    }

    /// Asks the engine something that does not take long, as soon as few others do.
    pub async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl AsyncFnOnce(&Engine) -> Result<T, RunError> + Send + 'static,
    ) -> Result<T, RunError> {
        // It is never closed.
        let turn = Arc::clone(&self.turns.questions).acquire_owned().await;
        self.ask_in_turn(turn, question).await
    }

    /// Asks the engine something whose answer takes as long as whoever asked takes to hear it.
    pub async fn ask_at_length<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl AsyncFnOnce(&Engine) -> Result<T, RunError> + Send + 'static,
    ) -> Result<T, RunError> {
        // It is never closed.
        let turn = Arc::clone(&self.turns.long_questions).acquire_owned().await;
        self.ask_in_turn(turn, question).await
    }

    /// Asks the engine something for which it reads files.
    pub async fn ask_about_files<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl AsyncFnOnce(&Engine) -> Result<T, RunError> + Send + 'static,
    ) -> Result<T, RunError> {
        // It is never closed.
        let turn = Arc::clone(&self.turns.questions_about_files)
            .acquire_owned()
            .await;
        self.ask_in_turn(turn, question).await
    }

    /// What is known of one step; none when there is none with this index.
    pub async fn step(self: &Arc<Self>, index: u64) -> Result<Option<StepDetails>, RunError> {
        // It is never closed.
        let turn = Arc::clone(&self.turns.descriptions).acquire_owned().await;
        self.ask_in_turn(turn, async move |engine| engine.step(index).await)
            .await
    }

    /// Asks the engine something, on a thread where it may take its time. It keeps its turn to the end, though whoever asked
    /// may go before.
    async fn ask_in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        turn: impl Send + 'static,
        question: impl AsyncFnOnce(&Engine) -> Result<T, RunError> + Send + 'static,
    ) -> Result<T, RunError> {
        let supervisor = Arc::clone(self);
        let answered = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            on_this_thread(question(&supervisor.engine.now()))?
        });
        answered
            .await
            .unwrap_or_else(|error| Err(RunError::Refused(format!("cannot answer: {error}"))))
    }

    /// All events from now on, and those that were kept after the one numbered `after`; none of these when some were
    /// forgotten since.
    pub fn subscribe(&self, after: u64) -> (Option<Vec<Numbered>>, broadcast::Receiver<Numbered>) {
        self.events.subscribe(after)
    }

    /// The number of the newest event.
    pub fn newest_event(&self) -> u64 {
        self.events.newest()
    }

    /// Cancels the current run or the one about to begin, waits for its end, and accepts nothing more.
    pub async fn wind_up(&self) {
        self.is_winding_up.store(true, Ordering::SeqCst);
        lock(&self.newest_stop).cancel();
        let _accepted = self.accepting.lock().await;
        if let Some(live) = self.live() {
            live.ended().await;
        }
    }

    /// Computes anew what the application changes while a finalize is awaited; never ends. May be dropped.
    pub async fn keep_drained(self: Arc<Self>) {
        let mut told = None;
        loop {
            tokio::time::sleep(DRAIN_INTERVAL).await;
            let mut next = self.live().is_none().then_some(Duration::ZERO);
            while let Some(wait) = next
                && !self.is_winding_up.load(Ordering::SeqCst)
            {
                tokio::time::sleep(wait).await;
                let drained = self.ask(async |engine| engine.drain(&Stop::default()).await);
                let failure = match drained.await {
                    Ok(more) => {
                        next = more.filter(|_| self.live().is_none());
                        None
                    }
                    Err(error) => {
                        next = None;
                        Some(error.to_string())
                    }
                };
                if failure != told
                    && let Some(failure) = &failure
                {
                    tracing::warn!("cannot transform changed rows before the finalize: {failure}");
                }
                told = failure;
            }
        }
    }

    /// The life of one run's thread.
    fn run(self: Arc<Self>, order: Order, stop: Stop, accepted: Accepted) {
        let engine = self.engine.now();
        let (result, accepted) = self.on_thread(stop, accepted, async |observer, stop| {
            engine.run(order, observer, stop).await
        });
        if let Some(accepted) = accepted {
            // Whoever asked may have gone.
            let _ = accepted
                .sender
                .send(result.and_then(|result| result).map(|_| Started::Nothing));
        }
    }

    /// Runs what becomes a run to its end, on its own thread, as the live one. Gives back whoever waits to hear that it was
    /// accepted, when it was not.
    fn on_thread<T>(
        self: &Arc<Self>,
        stop: Stop,
        accepted: Accepted,
        work: impl AsyncFnOnce(Arc<dyn Observer>, &Stop) -> T,
    ) -> (Result<T, RunError>, Option<Accepted>) {
        let (ended, is_ended) = watch::channel(false);
        let reporter = Arc::new(Reporter {
            supervisor: Arc::clone(self),
            stop: stop.clone(),
            ended: is_ended,
            accepted: Mutex::new(Some(accepted)),
        });
        let observer: Arc<dyn Observer> = Arc::clone(&reporter) as _;
        // What a broken thread leaves is thrown away, or read anew from the journal.
        let worked = catch_unwind(AssertUnwindSafe(|| on_this_thread(work(observer, &stop))));
        let result = worked.unwrap_or_else(|panic| Err(self.broke_down(&*panic)));
        *lock(&self.live) = None;
        ended.send_replace(true);
        let accepted = reporter.accepted().take();
        (result, accepted)
    }

    /// Ends the run whose thread broke down, so that the next may begin.
    fn broke_down(&self, panic: &(dyn Any + Send)) -> RunError {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = format!(
            "the host broke down: {}; please report this",
            text.unwrap_or("a panic without words")
        );
        let failure = Failure::new("host", Blame::Host, message);
        if let Some(live) = self.live() {
            let engine = self.engine.now();
            let ended = on_this_thread(engine.end_broken_run(live.run, &failure));
            if let Err(error) = ended.flatten() {
                tracing::warn!(
                    "the end of run {} could not be written down: {error}",
                    live.run
                );
            }
            let state = on_this_thread(engine.overview()).flatten();
            let event = Event::RunEnded {
                run: live.run,
                outcome: Outcome::Failed,
                state: state.ok().map(|overview| overview.state),
                failure: Some(Box::new(failure.clone())),
            };
            // It may be an observer who broke it.
            let told = catch_unwind(AssertUnwindSafe(|| self.observer.notify(&event)));
            if told.is_err() {
                tracing::error!("an observer broke down when run {} ended", live.run);
            }
            self.events.publish(event, journal::now());
        }
        RunError::Step(Box::new(failure))
    }
}

/// Who waits to hear that a run was accepted; until then, no other is.
struct Accepted {
    sender: oneshot::Sender<Result<Started, RunError>>,
    _accepting: OwnedMutexGuard<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a future of the engine to its end: its sessions must not change threads.
pub(super) fn on_this_thread<F: Future>(future: F) -> Result<F::Output, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| RunError::Refused(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}

/// Passes on what a run tells.
struct Reporter {
    supervisor: Arc<Supervisor>,
    stop: Stop,
    ended: watch::Receiver<bool>,
    /// None once the run was accepted.
    accepted: Mutex<Option<Accepted>>,
}

impl Reporter {
    fn accepted(&self) -> MutexGuard<'_, Option<Accepted>> {
        lock(&self.accepted)
    }
}

impl Observer for Reporter {
    fn notify(&self, event: &Event) {
        if let Event::RunStarted { run, .. } = event {
            let output = self.supervisor.engine.now().output_of(*run);
            let live = Live::new(*run, self.stop.clone(), self.ended.clone(), output);
            let live = Arc::new(live);
            *lock(&self.supervisor.live) = Some(Arc::clone(&live));
            if let Some(accepted) = self.accepted().take() {
                let _ = accepted.sender.send(Ok(Started::Run(live)));
            }
        }
        let at = journal::now();
        if let Some(live) = self.supervisor.live() {
            live.note(event, at);
        }
        self.supervisor.observer.notify(event);
        self.supervisor.events.publish(event.clone(), at);
    }

    fn hears_statements(&self) -> bool {
        self.supervisor.observer.hears_statements()
    }

    fn statement(&self, statement: &Statement<'_>) {
        self.supervisor.observer.statement(statement);
    }
}

mod elsewhere;
#[cfg(test)]
mod tests;
