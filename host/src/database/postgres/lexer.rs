//! PostgreSQL's words, exactly as its own scanner reads them.
//!
//! The rules are those of `src/backend/parser/scan.l`. A backslash is code to nobody, and numbers that run into a name are
//! read as before version 15, which later ones refuse.

use std::ops::Range;

/// What kind of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key word, or a name without quotes.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string, quoted either way, with what continues it on later lines.
    String,
    /// A number.
    Number,
    /// `$1`.
    Parameter,
    /// An operator, or one character of anything else.
    Symbol,
}

/// What begins, and is never ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// What it is.
    pub(super) what: &'static str,
    /// Where it begins.
    pub(super) at: usize,
}

/// What the server's settings change in how a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// `standard_conforming_strings`: whether a backslash in plain quotes is one.
    pub(super) standard_strings: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            standard_strings: true,
        }
    }
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

    /// Whether it is one of these key words.
    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Whether it is this operator or character.
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// The name that it is, as the catalog spells it.
    pub(super) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Quoted => {
                let inner = self.text.split_once('"')?.1;
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

    /// What a string in dollar quotes or plain quotes holds, where that needs no reading of escapes.
    pub(super) fn content(&self) -> Option<String> {
        if self.kind != Kind::String {
            return None;
        }
        if let Some(tag) = dollar_tag(self.text) {
            let inner = self.text.strip_prefix(tag)?;
            return Some(inner.strip_suffix(tag).unwrap_or(inner).to_owned());
        }
        let inner = self.text.split_once('\'')?.1;
        Some(inner.strip_suffix('\'').unwrap_or(inner).replace("''", "'"))
    }
}

/// The words of a text, without comments.
pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
    pub(super) rules: Rules,
    /// What was never ended; the text has no more words then.
    pub(super) unclosed: Option<Unclosed>,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str, rules: Rules) -> Self {
        Self {
            text,
            at: 0,
            rules,
            unclosed: None,
        }
    }

    /// Goes on at this place.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn begins(&self, at: usize, start: &[u8]) -> bool {
        self.text.as_bytes().get(at..at + start.len()) == Some(start)
    }

    /// The end of what begins at `at` and goes on as long as `is_in` says so.
    fn end_of_run(&self, at: usize, is_in: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_in(*byte));
        at + length.unwrap_or(rest.len())
    }

    fn never_ends(&mut self, what: &'static str, at: usize) -> usize {
        self.unclosed.get_or_insert(Unclosed { what, at });
        self.text.len()
    }

    fn skip_comments(&mut self) {
        loop {
            self.at = self.end_of_run(self.at, is_space);
            if self.begins(self.at, b"--") {
                self.at = self.end_of_line(self.at);
            } else if self.begins(self.at, b"/*") {
                self.at = self.end_of_comment(self.at);
            } else {
                return;
            }
        }
    }

    /// A carriage return ends a line, too.
    fn end_of_line(&self, at: usize) -> usize {
        self.end_of_run(at, |byte| !is_line_end(byte))
    }

    /// Comments between `/*` and `*/` nest.
    fn end_of_comment(&mut self, start: usize) -> usize {
        let (mut depth, mut at) = (0_usize, start);
        while at < self.text.len() {
            if self.begins(at, b"/*") {
                depth += 1;
                at += 2;
            } else if self.begins(at, b"*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            } else {
                at += 1;
            }
        }
        self.never_ends("a comment `/*`", start)
    }

    /// The end of the string whose quote stands at `quote`, and of all that continues it.
    fn end_of_string(&mut self, quote: usize, style: Style) -> usize {
        let mut at = quote + 1;
        loop {
            match self.byte(at) {
                None => return self.never_ends("a string", quote),
                Some(b'\\') if style == Style::Escapes => at += 2,
                Some(b'\'') if style != Style::Digits && self.byte(at + 1) == Some(b'\'') => {
                    at += 2;
                }
                Some(b'\'') => match self.continuation(at + 1) {
                    Some(quote) => at = quote + 1,
                    None => return at + 1,
                },
                Some(_) => at += 1,
            }
        }
    }

    /// Where a string that was just closed continues: after nothing but space and `--` comments, on a later line.
    fn continuation(&self, end: usize) -> Option<usize> {
        let (mut at, mut is_on_later_line) = (end, false);
        loop {
            match self.byte(at)? {
                b'\'' if is_on_later_line => return Some(at),
                b'-' if self.begins(at, b"--") => at = self.end_of_line(at),
                byte if is_space(byte) => {
                    is_on_later_line |= is_line_end(byte);
                    at += 1;
                }
                _ => return None,
            }
        }
    }

    fn end_of_quoted_name(&mut self, quote: usize) -> usize {
        let mut at = quote + 1;
        loop {
            at = self.end_of_run(at, |byte| byte != b'"');
            if at >= self.text.len() {
                return self.never_ends("a name in double quotes", quote);
            }
            if self.byte(at + 1) != Some(b'"') {
                return at + 1;
            }
            at += 2;
        }
    }

    /// What begins with a dollar: `$1`, a string in dollar quotes, or nothing that is known.
    fn dollar(&mut self, at: usize) -> (Kind, usize) {
        let digits = self.end_of_run(at + 1, |byte| byte.is_ascii_digit());
        if digits > at + 1 {
            return (Kind::Parameter, digits);
        }
        let rest = self.text.get(at..).unwrap_or_default();
        let Some(tag) = dollar_tag(rest) else {
            return (Kind::Symbol, at + 1);
        };
        let body = rest.get(tag.len()..).unwrap_or_default();
        let end = match body.find(tag) {
            Some(end) => at + tag.len() + end + tag.len(),
            None => self.never_ends("a string in dollar quotes", at),
        };
        (Kind::String, end)
    }

    fn end_of_number(&self, at: usize) -> usize {
        let digits = |at| self.end_of_run(at, |byte: u8| byte.is_ascii_digit());
        let mut end = digits(at);
        if self.byte(end) == Some(b'.') && self.byte(end + 1) != Some(b'.') {
            end = digits(end + 1);
        }
        if matches!(self.byte(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            let exponent = end + 1 + sign;
            if digits(exponent) > exponent {
                end = digits(exponent);
            }
        }
        end
    }

    /// An operator ends where a comment begins.
    fn end_of_operator(&self, at: usize) -> usize {
        let mut end = at;
        while self.byte(end).is_some_and(is_in_operator)
            && !self.begins(end, b"--")
            && !self.begins(end, b"/*")
        {
            end += 1;
        }
        end
    }

    fn string_with_prefix(&mut self, at: usize) -> Option<(Kind, usize)> {
        let plain = match self.rules.standard_strings {
            true => Style::Plain,
            false => Style::Escapes,
        };
        let (quote, style) = match (self.byte(at)?, self.byte(at + 1)) {
            (b'\'', _) => (at, plain),
            (b'n' | b'N', Some(b'\'')) => (at + 1, plain),
            (b'e' | b'E', Some(b'\'')) => (at + 1, Style::Escapes),
            (b'b' | b'B' | b'x' | b'X', Some(b'\'')) => (at + 1, Style::Digits),
            (b'u' | b'U', Some(b'&')) => match self.byte(at + 2)? {
                b'\'' => (at + 2, Style::Plain),
                b'"' => return Some((Kind::Quoted, self.end_of_quoted_name(at + 2))),
                _ => return None,
            },
            _ => return None,
        };
        Some((Kind::String, self.end_of_string(quote, style)))
    }
}

/// How a string in plain quotes is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// A quote is doubled.
    Plain,
    /// A quote is doubled, or comes after a backslash.
    Escapes,
    /// There can be none: bits.
    Digits,
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_comments();
        let at = self.at;
        let first = self.byte(at)?;
        let (kind, end) = if let Some(string) = self.string_with_prefix(at) {
            string
        } else if first == b'"' {
            (Kind::Quoted, self.end_of_quoted_name(at))
        } else if first == b'$' {
            self.dollar(at)
        } else if is_start_of_word(first) {
            (Kind::Word, self.end_of_run(at, is_in_word))
        } else if first.is_ascii_digit()
            || first == b'.' && self.byte(at + 1).is_some_and(|next| next.is_ascii_digit())
        {
            (Kind::Number, self.end_of_number(at))
        } else if is_in_operator(first) {
            (Kind::Symbol, self.end_of_operator(at))
        } else {
            (Kind::Symbol, at + 1)
        };
        let end = end.min(self.text.len());
        self.at = end;
        Some(Token {
            kind,
            text: self.text.get(at..end).unwrap_or_default(),
            at: at..end,
        })
    }
}

/// Whether a text has this key word.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    Tokens::new(text, Rules::default()).any(|token| token.is(word))
}

/// `$$`, or `$name$`, at the beginning of a text.
pub(in crate::database) fn dollar_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner
        .bytes()
        .position(|byte| !is_start_of_word(byte) && !byte.is_ascii_digit())?;
    let begins_well = !inner.starts_with(|first: char| first.is_ascii_digit());
    let is_closed = inner.as_bytes().get(end) == Some(&b'$');
    (begins_well && is_closed)
        .then(|| text.get(..end + 2))
        .flatten()
}

/// The server knows no other space: a no-break space is part of a name.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_start_of_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_in_word(byte: u8) -> bool {
    is_start_of_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_in_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        Tokens::new(text, Rules::default())
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn words_are_those_of_the_server() {
        for (text, expected) in [
            ("a -- b\r c", &["a", "c"][..]),
            ("a /* b /* c */ d */ e /*/ */ f", &["a", "e", "f"]),
            ("a\u{a0}b \u{feff}", &["a\u{a0}b", "\u{feff}"]),
            ("a\x0bb\x0cc", &["a", "b", "c"]),
            ("a <--b\n c", &["a", "<", "c"]),
            ("a *-/*b*/ c", &["a", "*-", "c"]),
            (
                "1.5e-3x 1..2 .5 1e5",
                &["1.5e-3", "x", "1", ".", ".2", ".5", "1e5"],
            ),
            ("$1a $2", &["$1", "a", "$2"]),
            ("a$1$b $ä1$;$ä1$", &["a$1$b", "$ä1$;$ä1$"]),
            ("$1$ $a b", &["$1", "$", "$", "a", "b"]),
            (
                r"'a\' E'\'' B'1''0' N'x'",
                &[r"'a\'", r"E'\''", "B'1'", "'0'", "N'x'"],
            ),
            ("'a' -- c\n  'b' 'c'", &["'a' -- c\n  'b'", "'c'"]),
            ("E'a'\n'\\'b' c", &["E'a'\n'\\'b'", "c"]),
            ("'a' /* c */\n 'b'", &["'a'", "'b'"]),
            ("u&\"a\"\"b\" U&'\\0041'", &["u&\"a\"\"b\"", "U&'\\0041'"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn a_backslash_escapes_where_strings_are_not_standard() {
        let rules = Rules {
            standard_strings: false,
        };
        let words: Vec<&str> = Tokens::new(r"'a\';' b X'\' c", rules)
            .map(|token| token.text)
            .collect();
        assert_eq!(words, [r"'a\';'", "b", r"X'\'", "c"]);
    }

    #[test]
    fn what_is_never_ended_is_told() {
        for (text, at) in [
            ("a /* /* */", 2),
            ("a 'b''", 2),
            ("E'\\'", 1),
            ("a \"b\"\"", 2),
            ("$a$ $b$", 0),
        ] {
            let mut tokens = Tokens::new(text, Rules::default());
            while tokens.next().is_some() {}
            assert_eq!(
                tokens.unclosed.map(|unclosed| unclosed.at),
                Some(at),
                "{text}"
            );
        }
    }
}
