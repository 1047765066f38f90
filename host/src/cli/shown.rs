//! What is written, without what steers a terminal: names of files, what a service behind `--host` says, and much else was
//! written by others.

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

/// A document of JSON that says the same, with such characters as escapes.
pub(super) fn json(document: &str) -> String {
    if !document.contains(steers) {
        return document.to_owned();
    }
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        match steers(character) {
            // All of them are in the first plane.
            true => shown.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => shown.push(character),
        }
    }
    shown
}

/// A document without the indexes of steps that have no number: they are made from names, and larger than what many programs
/// that read JSON take for a whole number.
pub(super) fn without_large_indexes(document: String) -> String {
    /// The end of a name; in a text, the quote has a backslash before it.
    const NAME: &str = "index\":";
    let mut shown = String::new();
    let mut rest = document.as_str();
    while let Some((before, after)) = rest.split_once(NAME) {
        let end = after.find(|letter: char| !letter.is_ascii_digit());
        let (number, following) = after.split_at(end.unwrap_or(after.len()));
        let is_large = number
            .parse()
            .is_ok_and(|index: u64| i64::try_from(index).is_err());
        shown.push_str(before);
        shown.push_str(NAME);
        shown.push_str(if is_large { "null" } else { number });
        rest = following;
    }
    match shown.is_empty() {
        true => document,
        false => shown + rest,
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
        let escaped = super::json("{\"a\":\"\u{202e}b\u{9b}\"}");
        assert_eq!(escaped, "{\"a\":\"\\u202eb\\u009b\"}");
    }
}
