//! Log lines as text: one entry is one line, and what belongs to it stands in lines that cannot be taken for entries.
//!
//! Much of what is logged was written by others: output of steps, statements, messages of the database.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::shown::FURTHER_LINE;
use crate::output::printable;

/// Standard error, for entries.
pub(super) struct LogLines;

impl<'w> MakeWriter<'w> for LogLines {
    type Writer = Entry;

    fn make_writer(&'w self) -> Entry {
        Entry
    }
}

/// Takes one entry by each write, as the subscriber hands them over.
pub(super) struct Entry;

impl Write for Entry {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(shown(entry).as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shown(entry: &[u8]) -> String {
    let text = String::from_utf8_lossy(entry);
    let lines: Vec<String> = text.trim_end().lines().map(printable).collect();
    lines.join(&format!("\n{FURTHER_LINE}")) + "\n"
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn an_entry_is_one_line_and_what_continues_it() {
        assert_eq!(shown(b"a\tb\n"), "a\tb\n");
        assert_eq!(
            shown("one\r\ntwo\u{202e}\x1b[2K\nthree\n\n".as_bytes()),
            "one\n    | two[2K\n    | three\n"
        );
    }
}
