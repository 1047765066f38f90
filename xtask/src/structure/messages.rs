//! The page of messages must quote what the host says.

use std::fs;

use super::{root, sources};

/// The page whose headings of the third level are messages. In them, `…` stands for what differs.
const PAGE: &str = "docs/troubleshooting.md";

/// What databases, libraries and the system say, in their own words.
const FROM_OTHERS: &[&str] = &[
    ": unknown field `",
    "cannot run inside a transaction block",
    "permission denied for schema wasmigrate",
    "Expected request with `Content-Type: application/json`",
    "io: Connection refused",
];

/// Parts that are shorter would be found anywhere.
const SHORTEST: usize = 12;

/// A source file with its texts as they are shown: each in one piece, without escapes.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        shown.push_str(before);
        rest = match after.strip_prefix('\n') {
            Some(continued) => continued.trim_start(),
            None => after,
        };
    }
    shown.push_str(rest);
    shown
}

#[test]
fn every_message_that_is_explained_is_one_of_the_hosts() {
    let said: Vec<String> = sources(&["host/src"])
        .iter()
        .map(|source| shown(&source.text))
        .collect();
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let mut unknown = Vec::new();
    let mut messages = 0;
    for (number, line) in (1..).zip(page.lines()) {
        let Some(message) = line.strip_prefix("### ") else {
            continue;
        };
        messages += 1;
        for part in message.split('…') {
            let is_ours = |text: &String| text.contains(part.trim());
            if part.trim().len() >= SHORTEST
                && !FROM_OTHERS.contains(&part.trim())
                && !said.iter().any(is_ours)
            {
                unknown.push(format!("{PAGE}:{number}: {part}"));
            }
        }
    }
    assert!(messages > 0, "{PAGE} explains no message");
    assert!(
        unknown.is_empty(),
        "the host says nothing of this; correct the heading, or name it in `FROM_OTHERS`:\n{}",
        unknown.join("\n")
    );
}
