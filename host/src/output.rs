//! Lines of output: how much they matter, and what is safe to show.

use serde::{Deserialize, Serialize};

/// How much a line of output matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Shown on request only.
    Debug,
    /// What the operator may want to know.
    Info,
    /// What the operator should look at.
    Warning,
    /// What went wrong.
    Error,
}

impl Level {
    /// The spelling in the journal and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    pub(crate) fn from_journal(name: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(|level| level.as_str() == name)
    }
}

/// The line without what could steer a terminal or hide text in it: control characters but for tabs, and the Unicode
/// characters that turn the direction of writing.
pub(crate) fn printable(line: &str) -> String {
    line.chars()
        .filter(|character| {
            *character == '\t'
                || !(character.is_control()
                    || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        })
        .collect()
}

/// The printable part of a line, of bearable length.
pub(crate) fn cut(line: &str, most: usize) -> String {
    if line.len() <= most {
        return printable(line);
    }
    let end = line.floor_char_boundary(most);
    let kept = line.get(..end).unwrap_or_default();
    format!("{} … ({} bytes cut)", printable(kept), line.len() - end)
}

/// What is kept of a text that somebody else wrote, such as a database's message: it may quote a whole value.
pub(crate) const MOST_TEXT: usize = 8 << 10;

/// A text that somebody else wrote, of bearable length; its lines stay.
pub(crate) fn shortened(text: String) -> String {
    if text.len() <= MOST_TEXT {
        return text;
    }
    let end = text.floor_char_boundary(MOST_TEXT);
    let kept = text.get(..end).unwrap_or_default();
    format!("{kept} … ({} bytes cut)", text.len() - end)
}

/// A time in milliseconds since 1970, in UTC: <https://www.rfc-editor.org/rfc/rfc3339>
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| String::new(), |time| time.to_string())
}
