//! A run in another host, followed to its end.
//!
//! The stream of events tells of it as it happens. It is not relied on: proxies hold streams back, and a newer host may say
//! what this program does not understand. So the run is also asked for whenever nothing has come for a while, and whoever
//! follows it ends at a signal, whatever it waits for.

use std::num::NonZero;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::stream::Received;
use super::told::Told;
use super::{Client, Error, Result};
use crate::catalog::{index_label, step_label};
use crate::database::Stop;
use crate::engine::{
    Command, Event, Extent, Failure, Observer, Order, Overview, Replacement, Report, State,
    StepReference,
};
use crate::journal::Outcome;

/// How long to wait before asking again for a run that is not accepted yet.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the stream of events may take to begin. Behind a proxy that holds it back it does not begin at all.
const STREAM_WAIT: Duration = Duration::from_secs(3);

/// How often the run is asked for while nothing comes.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long the stream may take to tell of an end that the run itself has told.
const LATE: Duration = Duration::from_secs(1);

/// How often in a row the host may fail to answer.
const FAILURES: u32 = 5;

/// How long another host may take to end a run that it was told to end.
const DEATH_WAIT: Duration = Duration::from_secs(10);

/// How long the answer to a command may take once the operator has had enough.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

impl Client {
    /// Starts a command and follows its run to the end. `stop` cancels it.
    pub async fn run(
        &self,
        order: Order,
        wait: bool,
        observer: &dyn Observer,
        stop: &Stop,
    ) -> Result<Report> {
        // Before the run begins, so that nothing of it is missed.
        let mut stream = self.stream();
        let mut first = None;
        tokio::select! {
            received = timeout(STREAM_WAIT, stream.recv()) => first = received.ok().flatten(),
            _ = stop.stopped() => {}
        }
        if let Some(Received::Lost(error)) = first {
            return Err(error);
        }
        let Some(run) = self.begin(order, wait, observer, stop).await? else {
            let state = self.aside(Client::overview).await?.state;
            return Ok(report(None, Outcome::Done, Some(state), None));
        };
        let stream = match first {
            Some(_) => Some(stream),
            None => {
                observer.notify(&Event::Warning {
                    message: format!(
                        "no events come from {}: a proxy may hold them back, so the run is asked for every {} seconds instead",
                        self.base,
                        INTERVAL.as_secs()
                    ),
                });
                None
            }
        };
        let following = Following {
            client: self,
            observer,
            run,
            stream,
            is_ours: false,
            has_heard: false,
            last_line: 0,
            failures: 0,
            is_cancelled: false,
            not_cancelled: None,
            elsewhere: None,
            ended_steps: 0,
            cancelled_at: None,
        };
        let followed = following.follow_to_end(stop).await;
        followed.map_err(|error| Error::NotFollowed {
            run,
            message: error.to_string(),
        })
    }

    /// Sends the command, again while another run is in progress and `wait` says so. None when there is nothing to do.
    async fn begin(
        &self,
        order: Order,
        wait: bool,
        observer: &dyn Observer,
        stop: &Stop,
    ) -> Result<Option<i64>> {
        loop {
            let asked = order.clone();
            let mut answer = self.ask_aside(move |client| client.start(&asked));
            let answered = tokio::select! {
                answered = &mut answer => answered,
                _ = stop.stopped() => match timeout(CANCEL_WAIT, answer).await {
                    Ok(answered) => answered,
                    Err(_) => Ok(Err(self.unreachable("it has not answered"))),
                },
            };
            let refused = match answered.unwrap_or_else(|_| Err(self.unreachable("no answer"))) {
                Ok(run) => return Ok(run),
                Err(Error::Refused {
                    status: 409,
                    detail,
                }) => Error::Refused {
                    status: 409,
                    detail,
                },
                Err(error @ Error::Unreachable { .. }) => {
                    return Err(Error::NotAnswered {
                        message: error.to_string(),
                    });
                }
                Err(error) => return Err(error),
            };
            if !wait || stop.is_cancelled() {
                return Err(refused);
            }
            let overview = self.aside(Client::overview).await?;
            let Some(lease) = overview.lease else {
                return Err(refused);
            };
            observer.notify(&Event::waiting_for(lease, overview.pause.as_ref()));
            tokio::select! {
                () = sleep(PAUSE) => {}
                _ = stop.stopped() => return Err(refused),
            }
        }
    }

    fn start(&self, order: &Order) -> Result<Option<i64>> {
        #[derive(Deserialize)]
        struct Accepted {
            run: Option<i64>,
        }
        let (to, steps) = match &order.extent {
            Extent::All => (None, None),
            Extent::To(step) => (Some(step), None),
            Extent::Steps(count) => (None, Some(*count)),
        };
        let body = json!(NewRun {
            command: order.command,
            verbose: order.verbose,
            to,
            steps,
            out_of_order: order.out_of_order,
            allow_missing: order.allowances.missing,
            allow_changed: order.allowances.changed,
            replacement: Some(order.replacement).filter(|wanted| *wanted != Replacement::Refuse),
        });
        let key = format!("{:032x}", rand::random::<u128>());
        Ok(self.post::<Accepted>("runs", &body, Some(&key))?.run)
    }

    /// Cancels a run; why that is not possible, when it has ended by itself or is not one of the host that answers.
    fn cancel(&self, run: i64) -> Result<Option<Error>> {
        let path = format!("runs/{run}/cancel");
        match self.post::<serde_json::Value>(&path, &json!({}), None) {
            Ok(_) => Ok(None),
            Err(refused @ Error::Refused { status: 409, .. }) => Ok(Some(refused)),
            Err(error) => Err(error),
        }
    }

    /// Asks on a thread of its own, so that signals are heard meanwhile.
    fn ask_aside<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> Result<T> + Send + 'static,
    ) -> oneshot::Receiver<Result<T>> {
        let (sender, answer) = oneshot::channel();
        let client = self.clone();
        // Nobody may be waiting any more.
        std::thread::spawn(move || _ = sender.send(ask(&client)));
        answer
    }

    /// The same for what is answered soon.
    async fn aside<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.impatient().ask_aside(ask).await;
        answer.unwrap_or_else(|_| Err(self.unreachable("no answer")))
    }
}

/// A command to start. It says no more than what was asked for: a service of an earlier version knows no more.
#[derive(Serialize)]
struct NewRun<'o> {
    command: Command,
    verbose: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'o StepReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<NonZero<usize>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    out_of_order: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_missing: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replacement: Option<Replacement>,
}

/// One who follows a run.
struct Following<'f> {
    client: &'f Client,
    observer: &'f dyn Observer,
    run: i64,
    /// None when it does not work.
    stream: Option<mpsc::Receiver<Received>>,
    /// Whether what the stream tells is about the run.
    is_ours: bool,
    /// Whether it has told that the run began.
    has_heard: bool,
    /// The number of the last line that was shown.
    last_line: i64,
    /// How often in a row the host did not answer.
    failures: u32,
    is_cancelled: bool,
    /// Why the host did not cancel it.
    not_cancelled: Option<Error>,
    /// The host that runs it, when that is not the one that answers.
    elsewhere: Option<String>,
    /// How many ends of steps were shown.
    ended_steps: usize,
    /// When it was told to end in another host.
    cancelled_at: Option<Instant>,
}

impl Following<'_> {
    async fn follow_to_end(mut self, stop: &Stop) -> Result<Report> {
        let mut due = Instant::now() + INTERVAL;
        // How it ended, as the run itself has told, while the stream is still awaited.
        let mut ended: Option<Report> = None;
        loop {
            tokio::select! {
                received = receive(&mut self.stream) => match received {
                    Some(Received::Lost(error)) if error.is_final() => return Err(error),
                    Some(Received::Unknown) => due = Instant::now(),
                    Some(Received::Lost(_)) | None => self.stream = None,
                    Some(Received::Overview(overview)) => {
                        self.look(&overview);
                        due = Instant::now();
                    }
                    Some(Received::Event(event)) => {
                        if let Some(report) = self.show(&event) {
                            return Ok(report);
                        }
                        // Those of other runs say nothing of this one.
                        if self.is_ours {
                            due = Instant::now() + INTERVAL;
                        }
                    }
                },
                _ = stop.stopped(), if !self.is_cancelled => {
                    self.is_cancelled = true;
                    let run = self.run;
                    self.not_cancelled = self.client.aside(move |client| client.cancel(run)).await?;
                    if self.not_cancelled.is_some() {
                        due = Instant::now();
                    }
                    self.cancelled_at = Some(Instant::now());
                }
                () = sleep_until(due) => {
                    if let Some(report) = ended {
                        // The stream has not told.
                        self.observer.notify(&Event::RunEnded {
                            run: self.run,
                            outcome: report.outcome,
                            state: report.state,
                            failure: report.failure.clone().map(Box::new),
                        });
                        return Ok(report);
                    }
                    match self.ask(stop).await {
                        Ok(told) => {
                            self.failures = 0;
                            ended = self.take(told);
                            if ended.is_none() {
                                self.give_up()?;
                            }
                        }
                        Err(error) if error.is_final() => return Err(error),
                        // The stream tells how it ends.
                        Err(Error::Refused { .. }) if self.stream.is_some() && self.is_ours => {}
                        Err(error) => {
                            self.failures += 1;
                            if self.is_cancelled || self.failures >= FAILURES {
                                return Err(error);
                            }
                        }
                    }
                    due = Instant::now() + match (&ended, &self.stream) {
                        (Some(_), None) => Duration::ZERO,
                        (Some(_), Some(_)) => LATE,
                        (None, _) => INTERVAL,
                    };
                }
            }
        }
    }

    /// Whether the stream tells of the run: that of another host than the one that runs it does not.
    fn is_told(&self) -> bool {
        self.stream.is_some() && self.elsewhere.is_none() && self.has_heard
    }

    /// Whether nothing more is heard of a run that was cancelled.
    fn give_up(&mut self) -> Result<()> {
        if let Some(error) = self.not_cancelled.take() {
            return Err(error);
        }
        let is_late = self
            .cancelled_at
            .is_some_and(|at| at.elapsed() > DEATH_WAIT);
        match &self.elsewhere {
            Some(holder) if is_late => Err(Error::Refused {
                status: 409,
                detail: format!(
                    "run {} was told to end, and {holder}, which runs it, is not heard of",
                    self.run
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Takes note of where the target stands when the stream begins, again after it was cut off: maybe to another process, which
    /// has no events of the run.
    fn look(&mut self, overview: &Overview) {
        let last = overview.last_run.as_ref();
        self.is_ours = last.is_some_and(|last| last.id == self.run);
        let is_here = overview.running.is_some() || !overview.is_at_work_on(self.run);
        let lease = overview.lease.as_ref().filter(|_| !is_here);
        if let (Some(lease), None) = (lease, &self.elsewhere) {
            self.elsewhere = Some(lease.holder.clone());
            self.observer.notify(&Event::Warning {
                message: format!(
                    "run {} is not one of the host that answers at {}, but of {}: what it does is shown once it is committed; if it has \
                     died, its run ends when its lease runs out, in {} s if it is not renewed",
                    self.run,
                    self.client.address(),
                    lease.holder,
                    lease.expires_in.max(0) / 1_000 + 1
                ),
            });
        }
    }

    /// Passes an event of the run on; how it ended, when it is its end.
    fn show(&mut self, event: &Event) -> Option<Report> {
        if let Event::RunStarted { run, .. } = event {
            self.is_ours = *run == self.run;
            self.has_heard |= self.is_ours;
        }
        if !self.is_ours {
            return None;
        }
        match event {
            // Shown when the run was asked for.
            Event::Output { line, .. } if (1..=self.last_line).contains(&line.sequence) => {
                return None;
            }
            Event::Output { line, .. } => self.last_line = self.last_line.max(line.sequence),
            Event::StepEnded { .. } => self.ended_steps += 1,
            _ => {}
        }
        self.observer.notify(event);
        match event {
            Event::RunEnded {
                outcome,
                state,
                failure,
                ..
            } => {
                let failure = failure.as_ref().map(|failure| (**failure).clone());
                Some(report(Some(self.run), *outcome, *state, failure))
            }
            _ => None,
        }
    }

    /// Asks for the run, and for its new lines where no stream brings them. A signal is heard meanwhile.
    async fn ask(&self, stop: &Stop) -> Result<Told> {
        let (run, after) = (self.run, self.last_line);
        let wants_lines = !self.is_told();
        let told = self
            .client
            .aside(move |client| client.told(run, wants_lines.then_some(after)));
        tokio::select! {
            told = told => told,
            _ = stop.stopped(), if !self.is_cancelled => Ok(Told {
                outcome: None,
                failure: None,
                state: None,
                lines: Vec::new(),
                attempts: Vec::new(),
            }),
        }
    }

    /// Shows what the host said of the run; how it ended, when it has.
    fn take(&mut self, told: Told) -> Option<Report> {
        for line in told.lines {
            self.last_line = line.sequence;
            let step = line.index.map(index_label);
            self.observer.notify(&Event::Output {
                step: step.unwrap_or_default(),
                line,
            });
        }
        if !self.is_told() {
            for attempt in told.attempts.iter().skip(self.ended_steps) {
                self.observer.notify(&Event::StepEnded {
                    step: step_label(attempt.index, &attempt.name),
                    phase: attempt.phase,
                    outcome: attempt.outcome,
                    milliseconds: attempt.ended_at - attempt.started_at,
                    rolled_back: false,
                });
            }
            self.ended_steps = self.ended_steps.max(told.attempts.len());
        }
        let outcome = told.outcome?;
        Some(report(Some(self.run), outcome, told.state, told.failure))
    }
}

/// What comes next; never anything when there is no stream.
async fn receive(stream: &mut Option<mpsc::Receiver<Received>>) -> Option<Received> {
    match stream {
        Some(stream) => stream.recv().await,
        None => std::future::pending().await,
    }
}

fn report(
    run: Option<i64>,
    outcome: Outcome,
    state: Option<State>,
    failure: Option<Failure>,
) -> Report {
    Report {
        run,
        outcome,
        state,
        failure,
    }
}
