//! The comments of a SQL text, as far as it takes to see whether one of them is meant as the beginning of a section, and the
//! lines that only look like comments because they are inside a string or among the rows of a `COPY … FROM stdin`.
//!
//! The rules are what SQLite and PostgreSQL have in common. Where they differ, or a setting of the database decides, the scan
//! says that it is not certain.

use std::ops::RangeInclusive;

/// One comment that does not begin its line, or is in `/*` and `*/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comment<'t> {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// What is in it.
    pub(super) text: &'t str,
}

/// What a scan of a text finds.
#[derive(Debug, Default)]
pub(super) struct Scan<'t> {
    /// Comments in `/*` and `*/`, and those that follow something on their line.
    pub(super) inner: Vec<Comment<'t>>,
    /// The lines on which there is something of a statement.
    pub(super) statements: Vec<usize>,
    /// The lines that begin with a comment in the middle of a statement.
    pub(super) within: Vec<usize>,
    /// The lines that begin inside a string or a quoted name, or are rows of a `COPY`.
    data: Vec<RangeInclusive<usize>>,
    /// The first line from which on the database may read strings otherwise.
    uncertain: Option<usize>,
}

/// What a line is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Sql,
    Data,
    /// It depends on the database and its settings.
    Unclear,
}

/// Goes through a text.
pub(super) fn scan(text: &str) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut line = 1;
    // Whether only spaces were before on this line.
    let mut begins_line = true;
    let mut before = ' ';
    let mut rest = text;
    // Where the last name in brackets ends: what else begins within it is looked at together with it.
    let mut brackets_end = 0;
    // The words of the statement so far, without what is quoted.
    let mut statement = String::new();
    let mut is_within = false;
    while let Some(first) = rest.chars().next() {
        let mut is_quoted = false;
        if is_within && begins_line && (rest.starts_with("--") || rest.starts_with("/*")) {
            scan.within.push(line);
        }
        let length = match first {
            '-' if rest.starts_with("--") => {
                let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
                if !begins_line {
                    scan.add(line, rest, 2, end);
                }
                // A carriage return alone ends it for PostgreSQL, and not for SQLite.
                let after = rest.get(end..).unwrap_or_default();
                if after.starts_with('\r') && !after.starts_with("\r\n") {
                    scan.uncertain.get_or_insert(line);
                }
                end
            }
            '/' if rest.starts_with("/*") => {
                let end = block_end(rest);
                let inner = end
                    - if rest
                        .get(..end)
                        .is_some_and(|text| text.len() > 3 && text.ends_with("*/"))
                    {
                        2
                    } else {
                        0
                    };
                scan.add(line, rest, 2, inner);
                end
            }
            _ => {
                if !first.is_whitespace() && first != ';' && first != '\u{feff}' {
                    scan.add_statement(line);
                    is_within = true;
                }
                let end = match first {
                    '\'' => {
                        // The E is no end of another word.
                        let mut words = statement.chars().rev().skip(1);
                        let escapes =
                            matches!(before, 'E' | 'e') && !words.next().is_some_and(is_in_word);
                        let end = quoted_end(rest, '\'', escapes);
                        // With `standard_conforming_strings` off, this quote would not end it.
                        let ends_in_doubt = |end: usize| {
                            let inner = rest.get(..end)?.strip_suffix('\'')?;
                            Some(!escapes && inner.len() > 1 && inner.ends_with('\\'))
                        };
                        if end.and_then(ends_in_doubt) == Some(true) {
                            scan.uncertain.get_or_insert(line);
                        }
                        Some(end)
                    }
                    '"' | '`' => Some(quoted_end(rest, first, false)),
                    '$' if !is_in_word(before) => dollar_end(rest),
                    _ => None,
                };
                is_quoted = end.is_some();
                match end {
                    Some(Some(end)) => end,
                    // It never ends.
                    Some(None) => {
                        scan.uncertain.get_or_insert(line);
                        rest.len()
                    }
                    None if first == ';' => {
                        let rows = copied_rows(&statement, rest);
                        statement.clear();
                        is_within = false;
                        rows.unwrap_or_else(|| {
                            scan.uncertain.get_or_insert(line);
                            rest.len()
                        })
                    }
                    None => {
                        let at = text.len() - rest.len();
                        if first == '[' && at >= brackets_end {
                            let length = rest.find(']').unwrap_or(rest.len());
                            brackets_end = at + length;
                            if has_odd_quotes(rest.get(..length).unwrap_or_default()) {
                                scan.uncertain.get_or_insert(line);
                            }
                        }
                        first.len_utf8()
                    }
                }
            }
        };
        let (passed, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let lines = passed.matches('\n').count();
        let is_data = is_quoted || first == ';';
        if is_data && lines > 0 {
            // Rows end with the end of their line.
            let last = line + lines - usize::from(passed.ends_with('\n'));
            scan.data.push(line + 1..=last);
            // To PostgreSQL it is no quote.
            if first == '`' {
                scan.uncertain.get_or_insert(line);
            }
        }
        match is_data || passed.starts_with("--") || passed.starts_with("/*") {
            true => statement.push(' '),
            false => statement.push_str(passed),
        }
        line += lines;
        for character in passed.chars() {
            begins_line = match character {
                '\n' => true,
                other => begins_line && other.is_whitespace(),
            };
            before = character;
        }
        rest = behind;
    }
    scan
}

impl<'t> Scan<'t> {
    /// What a line is a part of.
    pub(super) fn place(&self, line: usize) -> Place {
        let next = self.data.partition_point(|lines| *lines.end() < line);
        let is_data = self
            .data
            .get(next)
            .is_some_and(|lines| lines.contains(&line));
        match is_data {
            // Where strings begin and end is not known from there on, in either direction.
            true if self.uncertain.is_some_and(|from| from < line) => Place::Unclear,
            true => Place::Data,
            false => Place::Sql,
        }
    }

    /// The line on which the first statement begins.
    pub(super) fn first_statement(&self) -> Option<usize> {
        self.statements.first().copied()
    }

    fn add_statement(&mut self, line: usize) {
        if self.statements.last() != Some(&line) {
            self.statements.push(line);
        }
    }

    fn add(&mut self, line: usize, rest: &'t str, from: usize, to: usize) {
        self.inner.push(Comment {
            line,
            text: rest.get(from..to).unwrap_or_default(),
        });
    }
}

/// Where a comment in `/*` and `*/` ends, with those inside it.
fn block_end(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(next) = rest.find(['/', '*']) else {
            break;
        };
        let here = rest.get(next..).unwrap_or_default();
        at += next;
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// How much of a text that begins with the end of a statement belongs to it: the rows of a `COPY … FROM stdin`, which come
/// after the line of their statement, up to the line `\.`; none when that line is not there.
fn copied_rows(statement: &str, text: &str) -> Option<usize> {
    let lower = statement.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let is_copy = words.first() == Some(&"copy")
        && words
            .windows(2)
            .any(|pair| matches!(pair, ["from", source] if source.starts_with("stdin")));
    if !is_copy {
        return Some(1);
    }
    let mut end = text.find('\n')? + 1;
    for line in text.get(end..)?.split_inclusive('\n') {
        end += line.len();
        if line.trim_end_matches(['\r', '\n']) == "\\." {
            return Some(end);
        }
    }
    None
}

/// Whether a name in brackets, as SQLite knows them, has quotes in it that end nowhere.
fn has_odd_quotes(name: &str) -> bool {
    ['\'', '"', '`']
        .iter()
        .any(|quote| name.matches(*quote).count() % 2 == 1)
}

/// Where what is in quotes ends; none when it never does. A doubled quote ends it and begins another one.
fn quoted_end(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if escapes => _ = characters.next(),
            _ if character == quote => return Some(at + quote.len_utf8()),
            _ => {}
        }
    }
    None
}

/// Where a text in dollar quotes ends, if it ever does; none when none begins.
fn dollar_end(text: &str) -> Option<Option<usize>> {
    let tag_length = text.get(1..)?.find('$')? + 2;
    let tag = text.get(..tag_length)?;
    let name = tag.trim_matches('$');
    let is_tag =
        name.chars().all(is_in_word) && !name.starts_with(|first: char| first.is_ascii_digit());
    let body = text
        .get(tag_length..)
        .filter(|_| is_tag && !name.contains('$'))?;
    Some(body.find(tag).map(|end| end + 2 * tag_length))
}

fn is_in_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

#[cfg(test)]
mod tests {
    use super::{Place, scan};

    fn inner(text: &str) -> Vec<(usize, &str)> {
        let comments = scan(text).inner;
        comments
            .into_iter()
            .map(|comment| (comment.line, comment.text))
            .collect()
    }

    #[test]
    fn comments_are_told_from_what_is_in_quotes() {
        assert_eq!(
            inner(
                "-- whole\nSELECT '-- a', \"/* b\", E'\\' -- c', $$ -- d $$, $t$ /* $$ e $t$; -- f\n"
            ),
            [(2, " f")]
        );
        assert_eq!(
            inner("/* a /* b */\nc */ SELECT 1 /* d */"),
            [(1, " a /* b */\nc "), (2, " d ")]
        );
        assert_eq!(inner("SELECT 1;\r-- a\rSELECT $1"), [(1, " a")]);
        assert_eq!(inner("SELECT 'it''s' -- a"), [(1, " a")]);
        assert_eq!(inner("/* never"), [(1, " never")]);
    }

    fn places(text: &str) -> Vec<Place> {
        let scan = scan(text);
        let lines = 1..=text.lines().count();
        lines.map(|line| scan.place(line)).collect()
    }

    #[test]
    fn lines_in_strings_and_copied_rows_are_data() {
        use Place::{Data, Sql, Unclear};
        for (text, expected) in [
            ("SELECT 'a\nb'\n;", vec![Sql, Data, Sql]),
            ("DO $x$\nb\n$x$;\nSELECT 1", vec![Sql, Data, Data, Sql]),
            (
                "COPY t (a) FROM stdin;\nit's\n\\.\nSELECT 'a\nb'",
                vec![Sql, Data, Data, Sql, Data],
            ),
            ("COPY t FROM stdin;\na\nb", vec![Sql, Unclear, Unclear]),
            ("SELECT E'a\\'\nb'\n", vec![Sql, Data]),
            (
                "SELECT x LIKE'a\\'\n; SELECT '\nb'",
                vec![Sql, Sql, Unclear],
            ),
            ("SELECT 'a\\'\n; SELECT '\nb'", vec![Sql, Sql, Unclear]),
            ("SELECT [it's]\n, '\nb", vec![Sql, Unclear, Sql]),
            ("SELECT 'a\nb", vec![Sql, Unclear]),
            ("-- it's\rSELECT '\nb'", vec![Sql, Unclear]),
            ("SELECT `\na`", vec![Sql, Unclear]),
            ("-- it's\nSELECT 1", vec![Sql, Sql]),
        ] {
            assert_eq!(places(text), expected, "{text}");
        }
    }

    #[test]
    fn the_first_statement_is_behind_the_comments() {
        assert_eq!(
            scan("-- a\n/* b\n */\n;\nSELECT 1").first_statement(),
            Some(5)
        );
        assert_eq!(scan("-- a\n/* b */").first_statement(), None);
    }
}
