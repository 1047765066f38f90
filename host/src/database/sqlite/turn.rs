//! Room for others who want to write.
//!
//! SQLite keeps nobody in a queue: who finds the file locked looks again now and then, at last every 100 ms
//! (<https://www.sqlite.org/c3ref/busy_timeout.html>), and gives up after a while. A run that commits and begins again at once
//! would let nobody in, neither the application nor who wants to pause the run or to break its lease. So a session that has had
//! the lock for long stays away from it for a moment before it takes it again, where others may wait.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::other_connections::has_other_connections;

/// How long the lock is held, all in all, before others get their turn.
const HELD_AT_MOST: Duration = Duration::from_secs(1);

/// The same where somebody in this process is known to wait.
const HELD_AT_MOST_BESIDE: Duration = Duration::from_millis(100);

/// How long their turn is.
const ROOM: Duration = Duration::from_millis(110);

/// Those in this process who wait for the lock of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

/// One of them, until it is dropped.
pub(super) struct Waiter(Waiting);

impl Waiting {
    /// Takes note of one more.
    pub(super) fn enter(&self) -> Waiter {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiter(self.clone())
    }

    fn is_anybody(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a session has had the lock since others last had their turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    held: Duration,
    began: Option<Instant>,
    ended: Option<Instant>,
}

impl Turn {
    /// The session has the lock from now on.
    pub(super) fn begins(&mut self) {
        self.began = Some(Instant::now());
    }

    /// It has not any more.
    pub(super) fn ends(&mut self) {
        if let Some(began) = self.began.take() {
            self.held += began.elapsed();
            self.ended = Some(Instant::now());
        }
    }

    /// How long to stay away from the lock now.
    pub(super) fn room(&mut self, path: &Path, waiting: &Waiting) -> Option<Duration> {
        let since = self.ended?.elapsed();
        let is_long = match waiting.is_anybody() {
            true => self.held >= HELD_AT_MOST_BESIDE,
            false => self.held >= HELD_AT_MOST,
        };
        if since < ROOM && !is_long {
            return None;
        }
        self.held = Duration::ZERO;
        let room = ROOM.checked_sub(since)?;
        (waiting.is_anybody() || has_other_connections(path)).then_some(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(held: Duration) -> Turn {
        Turn {
            held,
            began: None,
            ended: Some(Instant::now()),
        }
    }

    #[test]
    fn who_waits_gets_room_from_who_has_written_for_long() {
        // Nobody can say whether others have a file open that is not there.
        let (path, nobody) = (Path::new("nowhere.db"), Waiting::default());
        assert_eq!(Turn::default().room(path, &nobody), None);
        assert_eq!(held(HELD_AT_MOST / 2).room(path, &nobody), None);
        let mut long = held(HELD_AT_MOST);
        assert!(long.room(path, &nobody).is_some());
        assert_eq!(long.room(path, &nobody), None, "it was given");
        let somebody = Waiting::default();
        let waiter = somebody.enter();
        assert!(held(HELD_AT_MOST / 2).room(path, &somebody).is_some());
        drop(waiter);
        assert_eq!(held(HELD_AT_MOST / 2).room(path, &somebody), None);
    }
}
