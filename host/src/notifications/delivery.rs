//! One receiver's queue, and the thread that empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::signature::{self, Secret};
use crate::webhook_client::{WebhookClient, WebhookError};

/// How many notifications wait for one receiver. More are dropped: they would be old when they arrive.
const QUEUE: usize = 100;

/// The longest pause between two tries.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Notifications by receiver and by what became of them.
pub type Counts = Family<Vec<(&'static str, String)>, Counter>;

/// What one delivery may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long one try may take, answer included.
    pub time: Duration,
    /// How often it is tried.
    pub attempts: u32,
    /// The pause before the second try; it doubles with each further one.
    pub first_delay: Duration,
}

/// What became of a notification.
#[derive(Clone, Copy)]
enum DeliveryOutcome {
    Delivered,
    Failed,
    Dropped,
}

/// Who receives.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// What it is called in metrics and logs: its address may be a secret.
    pub(super) name: String,
    /// Where to send.
    pub(super) url: String,
    /// What is sent along.
    pub(super) headers: Vec<(String, String)>,
    /// What signs it.
    pub(super) secret: Option<Secret>,
}

/// What is sent.
pub(super) struct Message {
    /// What it is about, for the logs.
    pub(super) event: &'static str,
    /// The run that it is about.
    pub(super) run: i64,
    pub(super) body: String,
}

/// One receiver.
pub(super) struct Delivery {
    receiver: Receiver,
    queue: SyncSender<Message>,
    /// How many notifications are queued or under way.
    open: Arc<AtomicUsize>,
    counts: Counts,
}

impl Delivery {
    pub(super) fn start(
        receiver: Receiver,
        post: &WebhookClient,
        limits: Limits,
        counts: &Counts,
    ) -> std::io::Result<Self> {
        for outcome in [
            DeliveryOutcome::Delivered,
            DeliveryOutcome::Failed,
            DeliveryOutcome::Dropped,
        ] {
            // So that the first one that is lost is seen as a rise.
            let _ = counts.get_or_create(&labels(&receiver, outcome));
        }
        let (queue, messages) = sync_channel(QUEUE);
        let sender = Sender {
            receiver: receiver.clone(),
            post: post.clone(),
            limits,
            counts: counts.clone(),
            open: Arc::default(),
        };
        let open = Arc::clone(&sender.open);
        std::thread::Builder::new()
            .name("webhook".to_owned())
            .spawn(move || sender.work(&messages))?;
        Ok(Self {
            receiver,
            queue,
            open,
            counts: counts.clone(),
        })
    }

    /// Queues a message; returns at once.
    pub(super) fn enqueue(&self, message: Message) {
        self.open.fetch_add(1, Ordering::SeqCst);
        if let Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) =
            self.queue.try_send(message)
        {
            self.open.fetch_sub(1, Ordering::SeqCst);
            count(&self.counts, &self.receiver, DeliveryOutcome::Dropped);
            tracing::warn!(
                webhook = self.receiver.name,
                event = message.event,
                run = message.run,
                "notice dropped: {QUEUE} others wait for this receiver"
            );
        }
    }

    /// Waits until nothing is open, or it is time to give up.
    pub(super) fn finish(&self, give_up: Instant) {
        while self.open.load(Ordering::SeqCst) > 0 && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(5));
        }
        let left = self.open.load(Ordering::SeqCst);
        if left > 0 {
            tracing::warn!(
                webhook = self.receiver.name,
                left,
                "notices were not delivered"
            );
        }
    }
}

/// Brings messages to one receiver, in their order.
struct Sender {
    receiver: Receiver,
    post: WebhookClient,
    limits: Limits,
    counts: Counts,
    open: Arc<AtomicUsize>,
}

impl Sender {
    fn work(&self, messages: &mpsc::Receiver<Message>) {
        for message in messages {
            let delivered = self.deliver(&message);
            let outcome = match &delivered {
                Ok(()) => {
                    tracing::info!(
                        webhook = self.receiver.name,
                        event = message.event,
                        run = message.run,
                        "notice delivered"
                    );
                    DeliveryOutcome::Delivered
                }
                Err(error) => {
                    tracing::warn!(
                        webhook = self.receiver.name,
                        event = message.event,
                        run = message.run,
                        %error,
                        "notice not delivered"
                    );
                    DeliveryOutcome::Failed
                }
            };
            count(&self.counts, &self.receiver, outcome);
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn deliver(&self, message: &Message) -> Result<(), WebhookError> {
        let body = &message.body;
        let id = signature::new_id();
        let mut attempt = 1;
        loop {
            let signed = signature::headers(&id, body, self.receiver.secret.as_ref());
            let own = self.receiver.headers.iter();
            let headers: Vec<(&str, String)> = own
                .map(|(name, value)| (name.as_str(), value.clone()))
                .chain(signed)
                .collect();
            let error = match self.post.send(&self.receiver.url, &headers, body) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if attempt >= self.limits.attempts || !error.may_pass() {
                return Err(error);
            }
            let delay = self
                .limits
                .first_delay
                .saturating_mul(1 << (attempt - 1).min(16));
            std::thread::sleep(delay.min(LONGEST_DELAY));
            attempt += 1;
        }
    }
}

fn labels(receiver: &Receiver, outcome: DeliveryOutcome) -> Vec<(&'static str, String)> {
    let outcome = match outcome {
        DeliveryOutcome::Delivered => "delivered",
        DeliveryOutcome::Failed => "failed",
        DeliveryOutcome::Dropped => "dropped",
    };
    vec![
        ("webhook", receiver.name.clone()),
        ("outcome", outcome.to_owned()),
    ]
}

fn count(counts: &Counts, receiver: &Receiver, outcome: DeliveryOutcome) {
    counts.get_or_create(&labels(receiver, outcome)).inc();
}
