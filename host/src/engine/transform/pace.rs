//! How fast a transformation goes: the size of chunks, the operator's limit on the rate, and what is left to do.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::Pace;

/// The first chunk's rows, and the bounds for those that follow.
const FIRST_CHUNK: usize = 1_000;
pub(super) const SMALLEST_CHUNK: usize = 50;
const LARGEST_CHUNK: usize = 50_000;

/// The weight of the newest chunk in the smoothed time of a row, as batch optimisers for background migrations have it:
/// <https://docs.gitlab.com/development/database/batched_background_migrations/#batch-optimization>
const NEWEST: f64 = 0.3;

/// How many of the last measurements the time left is told from.
const REMEMBERED: usize = 60;

/// How many rows the next chunk has: as many as fit the time, which is smoothed, and at most twice or half as many as
/// before.
pub(super) struct ChunkSize {
    target: Duration,
    largest: usize,
    pub(super) rows: usize,
    seconds_of_row: Option<f64>,
}

impl ChunkSize {
    /// Chunks that take about `target`, and are no more than a fifth of a second's rows where there is a limit on those.
    pub(super) fn new(target: Duration, most_rows_per_second: Option<u64>) -> Self {
        let largest = within_limit(LARGEST_CHUNK, most_rows_per_second);
        Self {
            target,
            largest,
            rows: FIRST_CHUNK.min(largest),
            seconds_of_row: None,
        }
    }

    /// Takes note of how long a chunk took.
    pub(super) fn adapt(&mut self, rows: usize, took: Duration) {
        if rows == 0 {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let now = took.as_secs_f64() / rows as f64;
        let smoothed = self
            .seconds_of_row
            .map_or(now, |before| (1.0 - NEWEST) * before + NEWEST * now);
        self.seconds_of_row = Some(smoothed);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded below"
        )]
        let fit = (self.target.as_secs_f64() / smoothed.max(1e-9)) as usize;
        self.rows = fit
            .clamp(self.rows / 2, self.rows * 2)
            .clamp(SMALLEST_CHUNK.min(self.largest), self.largest);
    }
}

/// How many rows may be taken at once: as many as are `wanted`, but no more than a fifth of a second's where there is a limit.
pub(super) fn within_limit(wanted: usize, most_rows_per_second: Option<u64>) -> usize {
    let fifth = most_rows_per_second.map(|rows| usize::try_from(rows / 5).unwrap_or(usize::MAX));
    fifth.map_or(wanted, |fifth| fifth.clamp(1, wanted))
}

/// How long so many rows take where there is a limit.
pub(in crate::engine) fn time_of(rows: usize, most_rows_per_second: Option<u64>) -> Duration {
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    most_rows_per_second.map_or(Duration::ZERO, |most| {
        Duration::from_secs_f64(rows as f64 / most.max(1) as f64)
    })
}

/// Keeps all workers together below a rate.
pub(super) struct Throttle {
    most_rows_per_second: Option<u64>,
    /// From when on the next rows may be taken.
    free_at: Mutex<Instant>,
}

impl Throttle {
    pub(super) fn new(most_rows_per_second: Option<u64>) -> Self {
        Self {
            most_rows_per_second,
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// How long to wait before so many rows are taken.
    pub(super) fn reserve(&self, rows: usize) -> Duration {
        if !self.is_limited() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (*free_at).max(now);
        *free_at = from + time_of(rows, self.most_rows_per_second);
        from - now
    }

    /// Whether there is a limit.
    pub(super) fn is_limited(&self) -> bool {
        self.most_rows_per_second.is_some()
    }

    /// How long to wait before the next rows are taken.
    pub(super) fn wait(&self) -> Duration {
        self.reserve(0)
    }
}

/// The rates that were measured lately, and what they say about the time that is left.
pub(super) struct Rates {
    measured_at: Instant,
    done: u64,
    rates: VecDeque<f64>,
}

impl Rates {
    pub(super) fn new(done: u64) -> Self {
        Self {
            measured_at: Instant::now(),
            done,
            rates: VecDeque::new(),
        }
    }

    /// Measures the rate since the last time.
    pub(super) fn measure(&mut self, done: u64, total: u64) -> Pace {
        let now = Instant::now();
        let seconds = now.duration_since(self.measured_at).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = done.saturating_sub(self.done) as f64 / seconds.max(1e-9);
        self.measured_at = now;
        self.done = done;
        if self.rates.len() == REMEMBERED {
            self.rates.pop_front();
        }
        self.rates.push_back(rate);
        Pace {
            rows_per_second: rate.round(),
            seconds_left: self.left(total.saturating_sub(done)),
            ..Pace::default()
        }
    }

    /// From the tenth part of the fastest and the slowest measurements; nothing before there are some.
    fn left(&self, rows: u64) -> Option<(u64, u64)> {
        let mut sorted: Vec<f64> = self.rates.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let tenth = sorted.len() / 10;
        let slow = sorted.get(tenth).copied().filter(|rate| *rate > 0.0)?;
        let fast = sorted.iter().rev().nth(tenth).copied()?;
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        let left = |rate: f64| (rows as f64 / rate).ceil() as u64;
        (sorted.len() >= 3).then(|| (left(fast), left(slow)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_grow_to_the_target_and_shrink_when_rows_become_slow() {
        let mut size = ChunkSize::new(Duration::from_millis(200), None);
        for _ in 0..10 {
            size.adapt(size.rows, Duration::from_micros(10 * size.rows as u64));
        }
        assert_eq!(size.rows, 20_000);
        let before = size.rows;
        size.adapt(size.rows, Duration::from_secs(20));
        assert_eq!(size.rows, before / 2, "no faster than by half");
        for _ in 0..100 {
            size.adapt(size.rows, Duration::from_millis(10 * size.rows as u64));
        }
        assert_eq!(size.rows, SMALLEST_CHUNK);
    }

    #[test]
    fn a_limit_on_the_rate_bounds_the_chunks() {
        let mut size = ChunkSize::new(Duration::from_millis(200), Some(100));
        assert_eq!(size.rows, 20);
        size.adapt(20, Duration::from_micros(1));
        assert_eq!(size.rows, 20);
    }

    #[test]
    fn the_throttle_spreads_rows_over_time() {
        let throttle = Throttle::new(Some(1_000));
        assert_eq!(throttle.reserve(500), Duration::ZERO);
        let wait = throttle.reserve(500);
        assert!(wait > Duration::from_millis(450) && wait <= Duration::from_millis(500));
        assert_eq!(Throttle::new(None).reserve(usize::MAX), Duration::ZERO);
    }
}
