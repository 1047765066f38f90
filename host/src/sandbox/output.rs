//! Where a component's words go: counted, cut into lines, and cleaned.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::Limits;
use crate::database;
use crate::output::{Level, cut};

/// Takes the finished lines, on the run's thread.
pub trait OutputWriter: Send + Sync {
    /// Takes one line.
    fn write(&self, level: Level, line: String);
}

/// Counts what a component writes, whether through `report` or through WASI's standard streams.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<Counted>>);

/// What is kept of a component's last words.
const LAST_LINES: usize = 20;
const LAST_BYTES: usize = 4 << 10;

struct Counted {
    /// The end of what the component wrote to its standard error, or as errors, since it was last entered.
    last: VecDeque<u8>,
    writer: Arc<dyn OutputWriter>,
    lines: u64,
    bytes: u64,
    max_lines: u64,
    max_bytes: u64,
    max_line_bytes: usize,
}

impl Output {
    pub(super) fn new(writer: Arc<dyn OutputWriter>, limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Counted {
            last: VecDeque::new(),
            writer,
            lines: 0,
            bytes: 0,
            max_lines: limits.output_lines,
            max_bytes: limits.output_bytes,
            max_line_bytes: usize::try_from(limits.output_line_bytes).unwrap_or(usize::MAX),
        })))
    }

    /// Writes a text of one or more lines. The error is the limit that it goes over.
    pub(super) fn write(&self, level: Level, text: &str) -> Result<(), database::Error> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = text.strip_suffix('\n').unwrap_or(text);
        if level == Level::Error {
            counted.remember(text.as_bytes());
            counted.remember(b"\n");
        }
        for line in text.split('\n') {
            counted.line(level, line)?;
        }
        Ok(())
    }

    /// Keeps the end of what a component writes to its standard error.
    pub(super) fn remember(&self, bytes: &[u8]) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.remember(bytes);
    }

    /// Forgets what was written before a call: it does not explain how the call ended.
    pub(super) fn forget(&self) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.last.clear();
    }

    /// The last lines that the component wrote to its standard error, or as errors.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = counted.last.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(|line| cut(line, counted.max_line_bytes));
        let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
        let first = lines.len().saturating_sub(LAST_LINES);
        lines.into_iter().skip(first).collect()
    }
}

impl Counted {
    fn remember(&mut self, bytes: &[u8]) {
        let end = bytes.len().saturating_sub(LAST_BYTES);
        self.last.extend(bytes.iter().skip(end));
        let excess = self.last.len().saturating_sub(LAST_BYTES);
        self.last.drain(..excess);
    }

    fn line(&mut self, level: Level, line: &str) -> Result<(), database::Error> {
        if self.lines >= self.max_lines {
            return Err(database::Error::limit(
                "limits.output_lines",
                self.max_lines,
                "the step writes too much output",
            ));
        }
        let line = cut(line, self.max_line_bytes);
        let bytes = self.bytes + line.len() as u64;
        if bytes > self.max_bytes {
            return Err(database::Error::limit(
                "limits.output_bytes",
                self.max_bytes,
                "the step writes too much output",
            ));
        }
        self.lines += 1;
        self.bytes = bytes;
        self.writer.write(level, line);
        Ok(())
    }
}
