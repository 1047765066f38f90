//! PostgreSQL's words: enough of its grammar to tell where a statement ends and how it begins.
//!
//! <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>

use std::ops::Range;

/// What kind of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key word, or a name without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string, quoted either way.
    String,
    /// A number.
    Number,
    /// One character of anything else.
    Symbol,
}

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) at: Range<usize>,
}

impl Token<'_> {
    /// Whether it is this key word.
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is this character.
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// The name that it is, as the catalog spells it.
    pub(super) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_lowercase()),
            Kind::Quoted => {
                let inner = self.text.strip_prefix('"')?;
                Some(
                    inner
                        .strip_suffix('"')
                        .unwrap_or(inner)
                        .replace("\"\"", "\""),
                )
            }
            _ => None,
        }
    }
}

/// The words of a text, without comments.
pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_comments(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches(char::is_whitespace).len();
            self.at += blank;
            let rest = self.rest();
            if rest.starts_with("--") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += length_of_comment(rest);
            } else if blank == 0 {
                return;
            }
        }
    }
}

/// Whether a text has this key word.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    Tokens::new(text).any(|token| token.is(word))
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_comments();
        let rest = self.rest();
        let first = rest.chars().next()?;
        let (kind, length) = if let Some(length) = length_of_string(rest) {
            (Kind::String, length)
        } else if first == '"' {
            (Kind::Quoted, length_of_quoted(rest, '"', false))
        } else if is_start_of_word(first) {
            (
                Kind::Word,
                rest.find(|next| !is_in_word(next)).unwrap_or(rest.len()),
            )
        } else if first.is_ascii_digit() {
            let is_in_number =
                |next: char| next.is_ascii_alphanumeric() || next == '.' || next == '_';
            (
                Kind::Number,
                rest.find(|next| !is_in_number(next)).unwrap_or(rest.len()),
            )
        } else {
            (Kind::Symbol, first.len_utf8())
        };
        let at = self.at..self.at + length;
        self.at = at.end;
        Some(Token {
            kind,
            text: rest.get(..length).unwrap_or_default(),
            at,
        })
    }
}

fn is_start_of_word(character: char) -> bool {
    character.is_alphabetic() || character == '_' || !character.is_ascii()
}

fn is_in_word(character: char) -> bool {
    is_start_of_word(character) || character.is_ascii_digit() || character == '$'
}

/// Comments between `/*` and `*/` nest.
fn length_of_comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => {
                depth += 1;
                at += 2;
            }
            Some(b"*/") => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What may stand before a string's quote, and whether backslashes then escape.
const PREFIXES: [(&str, bool); 6] = [
    ("", false),
    ("E", true),
    ("B", false),
    ("X", false),
    ("N", false),
    ("U&", false),
];

/// The length of the string that the text begins with; none when it does not.
fn length_of_string(text: &str) -> Option<usize> {
    for (prefix, escapes) in PREFIXES {
        let is_quoted = text
            .get(prefix.len()..)
            .is_some_and(|rest| rest.starts_with('\''));
        if is_quoted
            && text
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        {
            let quoted = text.get(prefix.len()..).unwrap_or_default();
            return Some(prefix.len() + length_of_quoted(quoted, '\'', escapes));
        }
    }
    let tag = dollar_tag(text)?;
    let body = text.get(tag.len()..).unwrap_or_default();
    Some(
        body.find(tag)
            .map_or(text.len(), |end| tag.len() + end + tag.len()),
    )
}

/// `$$`, or `$name$`, at the beginning of a text.
pub(in crate::database) fn dollar_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    let tag = inner.get(..end)?;
    let fits = tag.chars().enumerate().all(|(position, character)| {
        is_start_of_word(character) || (position > 0 && character.is_ascii_digit())
    });
    fits.then(|| text.get(..end + 2)).flatten()
}

/// The length of what stands in quotes, which are doubled inside. (A text that is not closed ends with its end.)
fn length_of_quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if escapes && character == '\\' {
            characters.next();
        } else if character == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                }
                _ => return at + quote.len_utf8(),
            }
        }
    }
    text.len()
}

/// Where the statements of a script stand, without their semicolons. Statements that hold nothing but comments are left
/// out.
pub(super) fn statements(script: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut first: Option<usize> = None;
    let mut last = 0;
    let mut parentheses = 0_usize;
    // `BEGIN ATOMIC … END` of a function written in SQL holds semicolons, and `CASE … END` may be inside.
    let mut words: Vec<String> = Vec::new();
    let mut blocks = 0_usize;
    for token in Tokens::new(script) {
        if token.is_symbol(";") && parentheses == 0 && blocks == 0 {
            if let Some(start) = first.take() {
                found.push(start..last);
            }
            words.clear();
            continue;
        }
        first.get_or_insert(token.at.start);
        last = token.at.end;
        match (token.kind, token.text) {
            (Kind::Symbol, "(") => parentheses += 1,
            (Kind::Symbol, ")") => parentheses = parentheses.saturating_sub(1),
            (Kind::Word, _) => {
                if words.len() < 4 {
                    words.push(token.text.to_lowercase());
                }
                if makes_a_routine(&words) {
                    if token.is("begin") || (token.is("case") && blocks > 0) {
                        blocks += 1;
                    } else if token.is("end") {
                        blocks = blocks.saturating_sub(1);
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(start) = first {
        found.push(start..last);
    }
    found
}

fn makes_a_routine(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["create", "function" | "procedure", ..]
            | ["create", "or", "replace", "function" | "procedure"]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(script: &str) -> Vec<&str> {
        statements(script)
            .into_iter()
            .map(|at| &script[at])
            .collect()
    }

    #[test]
    fn statements_end_where_postgres_says() {
        assert_eq!(
            split("SELECT 1; -- a; b\n;;SELECT 2"),
            ["SELECT 1", "SELECT 2"]
        );
        assert_eq!(
            split("/* a; /* b; */ c; */ SELECT ';', \";\" ;"),
            ["SELECT ';', \";\""]
        );
        assert_eq!(
            split("DO $$ a; b; $$; DO $x$ $$; $x$"),
            ["DO $$ a; b; $$", "DO $x$ $$; $x$"]
        );
        assert_eq!(
            split(r"SELECT E'\';'; SELECT 'a''b;'; SELECT $1"),
            [r"SELECT E'\';'", "SELECT 'a''b;'", "SELECT $1"]
        );
        assert_eq!(
            split("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); X"),
            [
                "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
                "X"
            ]
        );
        let routine = "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END";
        assert_eq!(split(&format!("{routine}; X")), [routine, "X"]);
        assert_eq!(split("  -- nothing\n"), [""; 0]);
        assert_eq!(split("SELECT 'open; X"), ["SELECT 'open; X"]);
        assert_eq!(
            split("SELECT 1::int, a$1, $tag$;$tag$; ü"),
            ["SELECT 1::int, a$1, $tag$;$tag$", "ü"]
        );
    }
}
