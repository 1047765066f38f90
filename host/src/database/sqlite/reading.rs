//! SQLite's words: where the statements of a script begin and end.
//!
//! The rules are those of `src/tokenize.c` and `src/complete.c`. SQLite itself reads each statement again; this only keeps
//! it from being given the whole rest of the script each time.

use std::ops::Range;

use super::super::{Error, ErrorKind, ScriptError};

/// A statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// All of its text, with the comments before it and its semicolon.
    pub(super) text: Range<usize>,
    /// From its first word to its last.
    pub(super) at: Range<usize>,
    /// Its first words, in lower case and without quotes.
    pub(super) words: Vec<String>,
    /// The first place that asks for a value from outside.
    pub(super) parameter: Option<Range<usize>>,
}

impl Piece {
    /// Its first words.
    pub(super) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }
}

/// How many words tell what a statement is.
const WORDS_THAT_TELL: usize = 8;

/// The statements of a script. What holds nothing but comments is none.
pub(super) fn split(script: &str) -> Result<Vec<Piece>, ScriptError> {
    let mut tokens = Tokens {
        text: script,
        at: 0,
        unclosed: None,
    };
    let mut pieces = Vec::new();
    let mut begun = 0;
    let mut found: Option<Piece> = None;
    // The last two words of a trigger's body.
    let mut before = ["", ""];
    for at in tokens.by_ref() {
        let word = script.get(at.clone()).unwrap_or_default();
        if word != ";" {
            let piece = found.get_or_insert_with(|| Piece {
                text: begun..script.len(),
                at: at.clone(),
                words: Vec::new(),
                parameter: None,
            });
            piece.at.end = at.end;
            if piece.words.len() < WORDS_THAT_TELL {
                piece.words.push(plain(word));
            }
            if piece.parameter.is_none() && begins_parameter(script, &at) {
                let after = script.get(at.end..).unwrap_or_default().bytes();
                let length = match word {
                    "?" | ":" | "@" => after.take_while(is_in_word).count(),
                    _ => 0,
                };
                piece.parameter = Some(at.start..at.end + length);
            }
        }
        let is_end = word == ";"
            && found.as_ref().is_none_or(|piece| {
                let ends_body = before[0] == ";" && before[1].eq_ignore_ascii_case("end");
                ends_body || !makes_a_trigger(&piece.words())
            });
        before = [before[1], word];
        if is_end {
            if let Some(mut piece) = found.take() {
                piece.text.end = at.end;
                pieces.push(piece);
            }
            begun = at.end;
        }
    }
    if let Some((what, at)) = tokens.unclosed {
        let line = script.get(at..).unwrap_or_default().lines().next();
        let at = at..at + line.map_or(0, str::len);
        let why = format!("{what} begins here and never ends");
        return Err(ScriptError::at(
            script,
            at,
            Error::new(ErrorKind::Syntax, why),
        ));
    }
    pieces.extend(found);
    Ok(pieces)
}

/// All words of a statement, in lower case and without quotes.
pub(super) fn words(script: &str, piece: &Piece) -> Vec<String> {
    let text = script.get(piece.at.clone()).unwrap_or_default();
    let tokens = Tokens {
        text,
        at: 0,
        unclosed: None,
    };
    tokens
        .map(|at| plain(text.get(at).unwrap_or_default()))
        .collect()
}

/// Whether a word begins what stands for a value from outside: `?`, `?1`, `:name`, `@name`, `$name`.
fn begins_parameter(script: &str, at: &Range<usize>) -> bool {
    let is_named = || {
        let before = script.as_bytes().get(..at.start).unwrap_or_default();
        let after = script.as_bytes().get(at.end);
        before.last() != Some(&b':') && after.is_some_and(is_in_word)
    };
    match script.get(at.clone()).unwrap_or_default() {
        "?" => true,
        ":" | "@" => is_named(),
        word => word.len() > 1 && word.starts_with('$'),
    }
}

fn makes_a_trigger(words: &[&str]) -> bool {
    let words = match words {
        ["explain", "query", "plan", rest @ ..] | ["explain", rest @ ..] => rest,
        words => words,
    };
    matches!(
        words,
        ["create", "trigger", ..] | ["create", "temp" | "temporary", "trigger", ..]
    )
}

/// A word in lower case and without its quotes.
fn plain(word: &str) -> String {
    let inner = word.strip_prefix(['"', '\'', '`', '[']).unwrap_or(word);
    let inner = inner.strip_suffix(['"', '\'', '`', ']']).unwrap_or(inner);
    inner.to_ascii_lowercase()
}

/// The places of words, without comments.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
    /// What is never ended, and where it begins.
    unclosed: Option<(&'static str, usize)>,
}

impl Tokens<'_> {
    fn rest(&self) -> &[u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn length_of_run(&self, is_in: impl Fn(&u8) -> bool) -> usize {
        let rest = self.rest();
        rest.iter()
            .position(|byte| !is_in(byte))
            .unwrap_or(rest.len())
    }

    fn skip_comments(&mut self) {
        loop {
            self.at += self.length_of_run(|byte| b" \t\n\x0c\r".contains(byte));
            let rest = self.rest();
            if rest.starts_with(b"\xef\xbb\xbf") {
                self.at += 3;
            } else if rest.starts_with(b"--") {
                self.at += self.length_of_run(|byte| *byte != b'\n');
            } else if rest.starts_with(b"/*") {
                let inner = self.text.get(self.at + 2..).unwrap_or_default();
                match inner.find("*/") {
                    Some(length) => self.at += 2 + length + 2,
                    None => self.never_ends("a comment `/*`"),
                }
            } else {
                return;
            }
        }
    }

    fn never_ends(&mut self, what: &'static str) {
        self.unclosed.get_or_insert((what, self.at));
        self.at = self.text.len();
    }

    /// Takes what stands between quotes, which are doubled inside.
    fn take_quoted(&mut self, quote: u8, what: &'static str) {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        loop {
            match bytes.get(end) {
                None => return self.never_ends(what),
                Some(byte) if *byte == quote && bytes.get(end + 1) == Some(&quote) => end += 2,
                Some(byte) if *byte == quote => break,
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
    }
}

impl Iterator for Tokens<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        self.skip_comments();
        let start = self.at;
        let first = *self.rest().first()?;
        match first {
            b'\'' => self.take_quoted(first, "a string"),
            b'"' | b'`' => self.take_quoted(first, "a name in quotes"),
            b'[' => match self.rest().iter().position(|byte| *byte == b']') {
                Some(length) => self.at += length + 1,
                None => self.never_ends("a name in brackets"),
            },
            _ if is_in_word(&first) => self.at += self.length_of_run(is_in_word),
            _ => self.at += 1,
        }
        Some(start..self.at)
    }
}

fn is_in_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(script: &str) -> Vec<&str> {
        let pieces = split(script).unwrap();
        pieces.into_iter().map(|piece| &script[piece.at]).collect()
    }

    #[test]
    fn statements_end_where_sqlite_says() {
        for (script, expected) in [
            ("a; -- b;\r c;\n;;/* d; */ e", &["a", "e"][..]),
            (
                "a ';''' \"b;\" `c;` [d;]; e",
                &["a ';''' \"b;\" `c;` [d;]", "e"],
            ),
            (
                "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 3; END; b",
                &[
                    "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 3; END",
                    "b",
                ],
            ),
            ("BEGIN; a; END; b", &["BEGIN", "a", "END", "b"]),
            (" -- a\n", &[]),
        ] {
            assert_eq!(statements(script), expected, "{script}");
        }
    }

    #[test]
    fn all_of_a_script_is_in_its_statements() {
        let script = "-- a\nb; -- c\n;/* d */ e ;f";
        let texts: Vec<&str> = split(script)
            .unwrap()
            .into_iter()
            .map(|piece| &script[piece.text])
            .collect();
        assert_eq!(texts, ["-- a\nb;", "/* d */ e ;", "f"]);
    }

    #[test]
    fn what_never_ends_is_told_with_its_line() {
        for script in ["a;\n/* b", "a;\n'b''", "a;\n\"b", "a;\n[b"] {
            let error = split(script).unwrap_err();
            assert_eq!(error.line, 2, "{script}");
            assert!(error.error.message.ends_with("never ends"), "{script}");
        }
    }
}
