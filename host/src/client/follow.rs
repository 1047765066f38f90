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
use super::{Client, Error, Result};
use crate::catalog::index_label;
use crate::database::Stop;
use crate::engine::{
    Blame, Command, Event, Extent, Failure, Observer, Order, Overview, Replacement, Report, State,
    StepReference,
};
use crate::journal::{Outcome, OutputLine, RunRecord};

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
            last_line: 0,
            failures: 0,
            is_cancelled: false,
            not_cancelled: None,
            is_elsewhere: false,
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
    /// The number of the last line that was shown.
    last_line: i64,
    /// How often in a row the host did not answer.
    failures: u32,
    is_cancelled: bool,
    /// Why the host did not cancel it.
    not_cancelled: Option<Error>,
    /// Whether the host that answers is known not to run it.
    is_elsewhere: bool,
}

/// What the host says of the run when it is asked.
struct Told {
    /// None while it is running.
    outcome: Option<Outcome>,
    failure: Option<Failure>,
    state: Option<State>,
    lines: Vec<OutputLine>,
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
                            if ended.is_none() && let Some(error) = self.not_cancelled.take() {
                                return Err(error);
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

    /// Takes note of where the target stands when the stream begins, again after it was cut off: maybe to another process, which
    /// has no events of the run.
    fn look(&mut self, overview: &Overview) {
        let last = overview.last_run.as_ref();
        self.is_ours = last.is_some_and(|last| last.id == self.run);
        let is_here = overview.running.is_some() || !overview.is_at_work_on(self.run);
        if let (false, false, Some(lease)) = (is_here, self.is_elsewhere, &overview.lease) {
            self.is_elsewhere = true;
            self.observer.notify(&Event::Warning {
                message: format!(
                    "run {} is not one of the host that answers at {}, which was started anew or answers in the place of {}: that \
                     one is taken for dead when its lease runs out, in {} s if it is not renewed",
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
        }
        if !self.is_ours {
            return None;
        }
        if let Event::Output { line, .. } = event {
            self.last_line = self.last_line.max(line.sequence);
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
        let wants_lines = self.stream.is_none();
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

impl Client {
    /// What the host says of a run, with its lines after the one numbered `after`.
    fn told(&self, run: i64, after: Option<i64>) -> Result<Told> {
        let entry: crate::engine::HistoryEntry = self.get(&format!("runs/{run}"))?;
        let mut lines = Vec::new();
        if let Some(mut after) = after {
            loop {
                let (page, next) = self.output(run, after)?;
                if page.is_empty() {
                    break;
                }
                lines.extend(page);
                after = next;
            }
        }
        let state = match entry.run.outcome {
            Some(_) => Some(self.overview()?.state),
            None => None,
        };
        Ok(Told {
            outcome: entry.run.outcome,
            failure: match &entry.run.error {
                Some(error) => Failure::from_json(error),
                None => interruption(&entry.run),
            },
            state,
            lines,
        })
    }
}

/// Why a run was interrupted of which the journal knows no more than that.
fn interruption(run: &RunRecord) -> Option<Failure> {
    (run.outcome == Some(Outcome::Interrupted)).then(|| {
        let message = format!(
            "run {} was interrupted: {}, which ran it, has died or lost its lease; run the command again",
            run.id, run.host
        );
        Failure::new("lease", Blame::Operator, message)
    })
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
