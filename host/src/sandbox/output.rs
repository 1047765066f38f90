//! Where a component's words go: counted, cut into lines, and cleaned.

use std::sync::{Arc, Mutex, PoisonError};

use super::limits::Limits;
use crate::database;
use crate::output::{Level, printable};

/// Takes the finished lines, on the run's thread.
pub trait OutputWriter: Send + Sync {
    /// Takes one line.
    fn write(&self, level: Level, line: String);
}

/// Counts what a component writes, whether through `report` or through WASI's standard streams.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<Counted>>);

struct Counted {
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
        for line in text.split('\n') {
            counted.line(level, line)?;
        }
        Ok(())
    }
}

impl Counted {
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

/// The printable part of a line, of bearable length.
pub(super) fn cut(line: &str, most: usize) -> String {
    if line.len() <= most {
        return printable(line);
    }
    let end = line.floor_char_boundary(most);
    let kept = line.get(..end).unwrap_or_default();
    format!("{} … ({} bytes cut)", printable(kept), line.len() - end)
}
