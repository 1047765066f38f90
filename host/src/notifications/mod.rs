//! Notifications: webhooks for those who do not watch.
//!
//! [`Notifications`] hears every event of a run and makes a [`Notification`] of the few that matter. Each webhook has a bounded
//! queue and a thread of its own (`delivery`), so that no receiver, however slow, delays a run or another receiver. `body`
//! writes what is sent, `signature` proves to the receiver who sent it. A [`FinalizeGate`] is asked, and waited for, only where
//! the operator has set one. [`Summaries`] send in numbers what each apply over the migrator API did. This room decides nothing
//! of what may run when.

mod body;
mod delivery;
mod gate;
mod signature;
mod summary;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::{Event, Observer, State};
use crate::journal::{self, Outcome, ReleaseRecord};
use crate::output::rfc3339;
use crate::webhook_client::WebhookClient;
use delivery::{Delivery, Message, Receiver};

pub use body::{Body, Format, Template};
pub use delivery::{Counts, Limits};
pub use gate::FinalizeGate;
pub use signature::Secret;
pub use summary::{Summaries, Summary, SummaryTemplate, SummaryWebhook};

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// A run began.
    Started,
    /// A run did what it was asked to.
    Finished,
    /// A run ended otherwise: it failed, was refused by a step, cancelled or interrupted.
    Failed,
    /// All steps are migrated, and wait for somebody to finalize them.
    WaitingForFinalize,
    /// A run has reported nothing for a long time.
    Stalled,
}

impl NotificationKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Started,
        Self::Finished,
        Self::Failed,
        Self::WaitingForFinalize,
        Self::Stalled,
    ];

    /// Its name, as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::WaitingForFinalize => "waiting_for_finalize",
            Self::Stalled => "stalled",
        }
    }
}

/// What is sent.
#[derive(Clone, Debug, Serialize)]
pub struct Notification {
    /// What it is about.
    pub event: NotificationKind,
    /// The same in words.
    pub text: String,
    /// When it happened, in UTC: <https://www.rfc-editor.org/rfc/rfc3339>
    pub time: String,
    /// The target's name.
    pub target: String,
    /// Who runs it: machine and process id.
    pub host: String,
    /// The run's number.
    pub run: i64,
    /// The command.
    pub command: String,
    /// The target's state, once the run has ended.
    pub state: Option<State>,
    /// How the run ended.
    pub outcome: Option<Outcome>,
    /// The step that failed, or that is silent.
    pub step: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// How long the run took, or has taken so far.
    pub milliseconds: u64,
    /// The release that its steps are of, with its digest; none where they are of a directory.
    pub release: Option<String>,
    /// Who has signed that.
    pub signers: Vec<String>,
}

/// One receiver.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What it is called in metrics and logs: its address may be a secret.
    pub name: String,
    /// Where to send.
    pub url: String,
    /// What to send it.
    pub events: Vec<NotificationKind>,
    /// What is sent.
    pub body: Body,
    /// What signs it.
    pub secret: Option<Secret>,
}

/// Sends the receivers what runs do.
pub struct Notifications {
    target: String,
    /// After which silence a run is stalled.
    stalled_after: Duration,
    receivers: Vec<(Webhook, Delivery)>,
    counts: Counts,
    run: Mutex<Option<RunningRun>>,
}

/// What is known of the current run.
struct RunningRun {
    number: i64,
    command: String,
    release: Option<Box<ReleaseRecord>>,
    began: Instant,
    step: Option<String>,
    last_heard: Instant,
    is_stalled: bool,
}

impl Notifications {
    /// Starts a thread for each receiver, and one that looks for runs that are stalled; none without receivers.
    pub fn start(
        target: &str,
        webhooks: Vec<Webhook>,
        stalled_after: Duration,
        limits: Limits,
    ) -> std::io::Result<Arc<Self>> {
        let counts = Counts::default();
        let mut receivers = Vec::with_capacity(webhooks.len());
        if !webhooks.is_empty() {
            // Not for nobody: it reads the system's certificates.
            let post = WebhookClient::new(limits.time);
            for webhook in webhooks {
                let receiver = Receiver {
                    name: webhook.name.clone(),
                    url: webhook.url.clone(),
                    headers: Vec::new(),
                    secret: webhook.secret.clone(),
                };
                let delivery = Delivery::start(receiver, &post, limits, &counts)?;
                receivers.push((webhook, delivery));
            }
        }
        let notices = Arc::new(Self {
            target: target.to_owned(),
            stalled_after,
            receivers,
            counts,
            run: Mutex::default(),
        });
        if !notices.receivers.is_empty() {
            let watched = Arc::downgrade(&notices);
            std::thread::Builder::new()
                .name("stalled".to_owned())
                .spawn(move || watch(&watched, stalled_after))?;
        }
        Ok(notices)
    }

    /// How many notifications were delivered, failed or dropped.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Waits until everything is delivered or given up, but no longer than `limit`.
    pub fn finish(&self, limit: Duration) {
        let give_up = Instant::now() + limit;
        for (_, delivery) in &self.receivers {
            delivery.finish(give_up);
        }
    }

    fn send(&self, run: &RunningRun, kind: NotificationKind, text: String, about: Details) {
        let release = run.release.as_ref();
        let notice = Notification {
            event: kind,
            text,
            time: rfc3339(journal::now()),
            target: self.target.clone(),
            host: journal::holder(),
            run: run.number,
            command: run.command.clone(),
            state: about.state,
            outcome: about.outcome,
            step: about.step,
            error: about.error,
            milliseconds: u64::try_from(run.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            release: release.map(|release| release.reference.clone()),
            signers: release.map_or_else(Vec::new, |release| release.signers.clone()),
        };
        let interested = |(webhook, _): &&(Webhook, Delivery)| webhook.events.contains(&kind);
        for (webhook, delivery) in self.receivers.iter().filter(interested) {
            delivery.enqueue(Message {
                event: kind.as_str(),
                run: notice.run,
                body: webhook.body.write(&notice),
            });
        }
    }

    fn send_end(&self, run: &RunningRun, event: &Event) {
        let Event::RunEnded {
            outcome,
            state,
            failure,
            ..
        } = event
        else {
            return;
        };
        let (number, command, target) = (run.number, &run.command, &self.target);
        let about = Details {
            state: *state,
            outcome: Some(*outcome),
            step: failure.as_ref().and_then(|failure| failure.step.clone()),
            error: failure.as_ref().map(|failure| failure.message.clone()),
        };
        let now = state.map_or("not known", State::as_str);
        if *outcome != Outcome::Done {
            let why = failure
                .as_ref()
                .map_or_else(String::new, |failure| format!(": {failure}"));
            let text = format!(
                "{command} of {target} was not done (run {number} {}), the state is {now}{why}",
                outcome.as_str()
            );
            return self.send(run, NotificationKind::Failed, text, about);
        }
        let seconds = run.began.elapsed().as_secs_f64();
        let text = format!(
            "{command} of {target} is done (run {number}, {seconds:.1} s), the state is {now}"
        );
        self.send(run, NotificationKind::Finished, text, about.clone());
        if *state == Some(State::FinalizationRequired) {
            let text = format!("{target} is migrated and waits for `finalize` (run {number})");
            self.send(run, NotificationKind::WaitingForFinalize, text, about);
        }
    }

    /// Sends that a run has been silent for too long, once in a silence.
    fn look_for_silence(&self) {
        let mut guard = self.lock();
        let Some(run) = guard
            .as_mut()
            .filter(|run| !run.is_stalled && run.last_heard.elapsed() >= self.stalled_after)
        else {
            return;
        };
        run.is_stalled = true;
        let about = Details {
            step: run.step.clone(),
            ..Details::default()
        };
        let text = format!(
            "{} of {} (run {}) has made no progress for {} s{}",
            run.command,
            self.target,
            run.number,
            run.last_heard.elapsed().as_secs(),
            run.step
                .as_ref()
                .map_or_else(String::new, |step| format!(", at {step}")),
        );
        self.send(run, NotificationKind::Stalled, text, about);
    }

    fn lock(&self) -> MutexGuard<'_, Option<RunningRun>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What only some notifications say.
#[derive(Clone, Default)]
struct Details {
    state: Option<State>,
    outcome: Option<Outcome>,
    step: Option<String>,
    error: Option<String>,
}

impl Observer for Notifications {
    fn notify(&self, event: &Event) {
        let mut guard = self.lock();
        match event {
            Event::RunStarted {
                run,
                command,
                steps,
                release,
            } => {
                let run = guard.insert(RunningRun {
                    number: *run,
                    command: command.clone(),
                    release: release.clone(),
                    began: Instant::now(),
                    step: None,
                    last_heard: Instant::now(),
                    is_stalled: false,
                });
                let text = format!(
                    "{command} of {} has begun: run {}, {steps} step{}",
                    self.target,
                    run.number,
                    if *steps == 1 { "" } else { "s" },
                );
                self.send(run, NotificationKind::Started, text, Details::default());
            }
            Event::RunEnded { .. } => {
                if let Some(run) = guard.take() {
                    self.send_end(&run, event);
                }
            }
            event => {
                if let Some(run) = guard.as_mut() {
                    run.last_heard = Instant::now();
                    run.is_stalled = false;
                    if let Event::StepStarted { step, .. } = event {
                        run.step = Some(step.clone());
                    }
                }
            }
        }
    }
}

/// Looks for runs that are stalled, for as long as somebody holds the notifications.
fn watch(notices: &Weak<Notifications>, stalled_after: Duration) {
    let interval = (stalled_after / 10).clamp(Duration::from_millis(10), Duration::from_secs(1));
    while let Some(notices) = notices.upgrade() {
        notices.look_for_silence();
        drop(notices);
        std::thread::sleep(interval);
    }
}
