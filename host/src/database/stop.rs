//! The one value that ends work: cancelled by the operator, or out of time.

use std::fmt;
use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};

use super::wait::{Wait, WaitListener};

/// Why work has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The operator said so.
    Cancelled,
    /// The deadline, set this long ahead, has passed.
    Deadline(Duration),
}

/// Shared by everything that works on one run: whoever may take long looks at it, every 10 ms or more often.
#[derive(Clone, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Ends this one, too.
    parent: Option<Stop>,
    cancelled: AtomicBool,
    cancelled_at: OnceLock<Instant>,
    deadline: Mutex<Option<(Instant, Duration)>>,
    changed: tokio::sync::Notify,
    /// Who hears what is waited for.
    listener: OnceLock<WaitListener>,
}

impl fmt::Debug for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Stop").field(&self.reason()).finish()
    }
}

impl Stop {
    /// A value that ends with this one, and has a deadline of its own.
    pub fn child(&self) -> Self {
        Self(Arc::new(Shared {
            parent: Some(self.clone()),
            ..Shared::default()
        }))
    }

    /// Says who hears what the work waits for. The first one who is named stays.
    pub fn on_wait(&self, listener: WaitListener) {
        let _ = self.0.listener.set(listener);
    }

    /// Tells what the work waits for.
    pub(super) fn tell(&self, wait: &Wait) {
        match (self.0.listener.get(), &self.0.parent) {
            (Some(listener), _) => listener(wait),
            (None, Some(parent)) => parent.tell(wait),
            (None, None) => wait.tell_any(),
        }
    }

    /// Ends the work. It cannot be taken back.
    pub fn cancel(&self) {
        self.0.cancelled_at.get_or_init(Instant::now);
        self.0.cancelled.store(true, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    /// Sets the deadline, counted from now, or takes it away.
    pub fn set_deadline(&self, ahead: Option<Duration>) {
        *self
            .0
            .deadline
            .lock()
            .unwrap_or_else(PoisonError::into_inner) =
            ahead.map(|duration| (Instant::now() + duration, duration));
    }

    /// Why to stop, when there is a reason to.
    pub fn reason(&self) -> Option<StopReason> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return Some(StopReason::Cancelled);
        }
        match self.deadline() {
            Some((at, duration)) if at <= Instant::now() => Some(StopReason::Deadline(duration)),
            _ => self.0.parent.as_ref().and_then(Self::reason),
        }
    }

    /// Whether the operator cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
            || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// For how long there has been a reason to stop.
    pub fn overdue(&self) -> Option<Duration> {
        let since = match self.reason()? {
            StopReason::Cancelled => self.0.cancelled_at.get().copied(),
            StopReason::Deadline(_) => self.deadline().map(|(at, _)| at),
        };
        since.map(|since| since.elapsed())
    }

    /// Waits until there is a reason to stop. May be dropped at any time.
    pub async fn stopped(&self) -> StopReason {
        let Some(parent) = &self.0.parent else {
            return self.stopped_itself().await;
        };
        tokio::select! {
            reason = self.stopped_itself() => reason,
            reason = Box::pin(parent.stopped()) => reason,
        }
    }

    async fn stopped_itself(&self) -> StopReason {
        loop {
            let changed = self.0.changed.notified();
            if let Some(reason) = self.reason() {
                return reason;
            }
            match self.deadline() {
                Some((at, _)) => {
                    let _ = tokio::time::timeout_at(at.into(), changed).await;
                }
                None => changed.await,
            }
        }
    }

    fn deadline(&self) -> Option<(Instant, Duration)> {
        *self
            .0
            .deadline
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
