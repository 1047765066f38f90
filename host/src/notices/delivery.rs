//! One receiver's queue, and the thread that empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::{Notice, Webhook, signature};
use crate::post::{Post, PostError};

/// How many notices wait for one receiver. More are dropped: old news is no news.
const QUEUE: usize = 100;

/// The longest pause between two tries.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Notices by receiver and by what became of them.
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

/// What became of a notice.
#[derive(Clone, Copy)]
enum Fate {
    Delivered,
    Failed,
    Dropped,
}

/// One receiver.
pub(super) struct Delivery {
    webhook: Webhook,
    queue: SyncSender<Arc<Notice>>,
    /// How many notices are queued or under way.
    open: Arc<AtomicUsize>,
    counts: Counts,
}

impl Delivery {
    pub(super) fn start(
        webhook: Webhook,
        post: &Post,
        limits: Limits,
        counts: &Counts,
    ) -> std::io::Result<Self> {
        for fate in [Fate::Delivered, Fate::Failed, Fate::Dropped] {
            // So that the first one that is lost is seen as a rise.
            let _ = counts.get_or_create(&labels(&webhook, fate));
        }
        let (queue, notices) = sync_channel(QUEUE);
        let courier = Courier {
            webhook: webhook.clone(),
            post: post.clone(),
            limits,
            counts: counts.clone(),
            open: Arc::default(),
        };
        let open = Arc::clone(&courier.open);
        std::thread::Builder::new()
            .name("webhook".to_owned())
            .spawn(move || courier.work(&notices))?;
        Ok(Self {
            webhook,
            queue,
            open,
            counts: counts.clone(),
        })
    }

    /// Queues a notice that the receiver wants to have; returns at once.
    pub(super) fn enqueue(&self, notice: &Arc<Notice>) {
        if !self.webhook.events.contains(&notice.event) {
            return;
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Arc::clone(notice))
        {
            self.open.fetch_sub(1, Ordering::SeqCst);
            count(&self.counts, &self.webhook, Fate::Dropped);
            tracing::warn!(
                webhook = self.webhook.name,
                event = notice.event.as_str(),
                run = notice.run,
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
                webhook = self.webhook.name,
                left,
                "notices were not delivered"
            );
        }
    }
}

/// Brings notices to one receiver, in their order.
struct Courier {
    webhook: Webhook,
    post: Post,
    limits: Limits,
    counts: Counts,
    open: Arc<AtomicUsize>,
}

impl Courier {
    fn work(&self, notices: &Receiver<Arc<Notice>>) {
        for notice in notices {
            let delivered = self.deliver(&notice);
            let fate = match &delivered {
                Ok(()) => Fate::Delivered,
                Err(error) => {
                    tracing::warn!(
                        webhook = self.webhook.name,
                        event = notice.event.as_str(),
                        run = notice.run,
                        %error,
                        "notice not delivered"
                    );
                    Fate::Failed
                }
            };
            count(&self.counts, &self.webhook, fate);
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn deliver(&self, notice: &Notice) -> Result<(), PostError> {
        let body = self.webhook.body.write(notice);
        let id = signature::new_id();
        let mut attempt = 1;
        loop {
            let headers = signature::headers(&id, &body, self.webhook.secret.as_ref());
            let error = match self.post.json(&self.webhook.url, &headers, &body) {
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

fn labels(webhook: &Webhook, fate: Fate) -> Vec<(&'static str, String)> {
    let fate = match fate {
        Fate::Delivered => "delivered",
        Fate::Failed => "failed",
        Fate::Dropped => "dropped",
    };
    vec![
        ("webhook", webhook.name.clone()),
        ("outcome", fate.to_owned()),
    ]
}

fn count(counts: &Counts, webhook: &Webhook, fate: Fate) {
    counts.get_or_create(&labels(webhook, fate)).inc();
}
