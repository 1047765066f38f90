//! What is written, without what steers a terminal: names of files, what a service behind `--host` says, and much else was
//! written by others.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::output::steers;

/// What stands before each further line of a text, so that no message of others looks like a line of the host's own.
pub(super) const FURTHER_LINE: &str = "    | ";

/// A text without what steers a terminal, but for the colours that the host itself gives, and with its further lines marked.
pub(super) fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.trim_end_matches(['\r', '\n']);
    while let Some(character) = rest.chars().next() {
        let length = match style(rest) {
            Some(length) => length,
            None => character.len_utf8(),
        };
        let (taken, after) = rest.split_at(length);
        if character == '\n' {
            shown.push('\n');
            shown.push_str(FURTHER_LINE);
        } else if length > character.len_utf8() || !steers(character) {
            shown.push_str(taken);
        }
        rest = after;
    }
    shown
}

/// A document of JSON, in which such characters are escapes.
pub(super) fn json(document: &impl Serialize) -> serde_json::Result<String> {
    let mut shown = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut shown, Shown);
    document.serialize(&mut serializer)?;
    Ok(String::from_utf8_lossy(&shown).into_owned())
}

/// How a document is written.
struct Shown;

impl Formatter for Shown {
    /// Steps that have no number have an index that is made from their name, and larger than what many programs that read JSON take
    /// for a whole number. Nothing else is so large.
    fn write_u64<W: ?Sized + Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        match i64::try_from(value) {
            Ok(value) => write!(writer, "{value}"),
            Err(_) => writer.write_all(b"null"),
        }
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((place, character)) = rest.char_indices().find(|(_, found)| steers(*found)) {
            let (before, after) = rest.split_at(place);
            // All of them are in the first plane.
            write!(writer, "{before}\\u{:04x}", u32::from(character))?;
            rest = after.get(character.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// How long the sequence at the beginning is that sets a colour or takes it back, when there is one.
fn style(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    // Not those that hide a text.
    let is_visible = !parameters
        .get(..end)?
        .split(';')
        .any(|number| number == "8");
    (parameters.get(end..)?.starts_with('m') && is_visible).then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_but_colours_goes_through() {
        for (given, expected) in [
            ("plain\n\ttext\n", "plain\n    | \ttext"),
            ("\u{1b}[1;32mgreen\u{1b}[0m", "\u{1b}[1;32mgreen\u{1b}[0m"),
            ("\u{1b}[2Jcleared", "[2Jcleared"),
            ("\u{1b}[8mhidden", "[8mhidden"),
            ("\u{1b}]0;title\u{7}", "]0;title"),
            ("a\rb\u{9b}1m\u{202e}c\u{1b}", "ab1mc"),
        ] {
            assert_eq!(super::text(given), expected);
        }
    }

    #[test]
    fn documents_hold_no_steering_and_no_numbers_that_are_too_large() {
        let index = u64::MAX - 1;
        let document = serde_json::json!({ "index": index, "more": [i64::MAX, -1], "text": "\u{202e}b\u{9b}\n\"é" });
        assert_eq!(
            super::json(&document).unwrap(),
            r#"{"index":null,"more":[9223372036854775807,-1],"text":"\u202eb\u009b\n\"é"}"#
        );
    }
}
