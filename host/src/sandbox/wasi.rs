//! WASI with nothing granted: no files, no network, no environment, no arguments.
//!
//! Language runtimes insist on a few of its functions. Clocks show the run's recorded start, randomness comes from its
//! recorded seed, so that a rerun is the same run; the standard streams become output lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

use super::output::Output;
use crate::database;
use crate::output::Level;

/// What is recorded of a step's first start, and stays the same when it is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// The time that clocks show, in milliseconds since 1970.
    pub started_at: i64,
    /// Where randomness comes from.
    pub seed: i64,
}

/// A context that grants nothing.
pub(super) fn context(recorded: Recorded, output: &Output) -> WasiCtx {
    let seed = recorded.seed.cast_unsigned();
    WasiCtxBuilder::new()
        .wall_clock(RecordedClock(recorded.started_at))
        .monotonic_clock(Counter(AtomicU64::new(0)))
        .secure_random(StdRng::seed_from_u64(seed))
        .insecure_random(StdRng::seed_from_u64(seed.wrapping_add(1)))
        .insecure_random_seed(u128::from(seed))
        .stdout(Stream {
            output: output.clone(),
            is_error: false,
        })
        .stderr(Stream {
            output: output.clone(),
            is_error: true,
        })
        .build()
}

/// A wall clock that stands still.
struct RecordedClock(i64);

impl HostWallClock for RecordedClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }
}

/// A monotonic clock that advances by a millisecond each time somebody looks, so that waiting loops end.
struct Counter(AtomicU64);

impl HostMonotonicClock for Counter {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(1_000_000, Ordering::Relaxed)
    }
}

/// A standard stream that becomes output lines.
struct Stream {
    output: Output,
    is_error: bool,
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 would ask for it, and the host does not offer that.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Lines {
            output: self.output.clone(),
            is_error: self.is_error,
            partial: Vec::new(),
        })
    }
}

/// The longest unfinished line that is kept; more is a line of its own.
const PARTIAL_BYTES: usize = 8 << 10;

/// How much the component may pass in one write.
const WRITE_BYTES: usize = 64 << 10;

/// Collects bytes until a line is whole. Never full, never blocks: a step may be chatty up to its limit.
struct Lines {
    output: Output,
    is_error: bool,
    partial: Vec<u8>,
}

impl Lines {
    fn finish(&mut self, end: usize) -> Result<(), database::Error> {
        let line: Vec<u8> = self.partial.drain(..end).collect();
        let level = match self.is_error {
            true => Level::Warning,
            false => Level::Info,
        };
        self.output.write(level, &String::from_utf8_lossy(&line))
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let limit = |error| StreamError::Trap(wasmtime::Error::from(error));
        if self.is_error {
            self.output.remember(&bytes);
        }
        self.partial.extend_from_slice(&bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            self.finish(end + 1).map_err(limit)?;
        }
        if self.partial.len() > PARTIAL_BYTES {
            self.finish(self.partial.len()).map_err(limit)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.partial.is_empty() {
            // The component is gone; a limit reached now has nobody to stop.
            let _ = self.finish(self.partial.len());
        }
    }
}
