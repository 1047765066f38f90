//! The comments of a SQL text, as far as it takes to see whether one of them is meant as the beginning of a section.
//!
//! The rules are what SQLite and PostgreSQL have in common. Nothing is cut or sent by them: at worst a file is refused.

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
    /// The line on which the first statement begins.
    pub(super) first_statement: Option<usize>,
}

/// Goes through a text.
pub(super) fn scan(text: &str) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut line = 1;
    // Whether only spaces were before on this line.
    let mut begins_line = true;
    let mut before = ' ';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '-' if rest.starts_with("--") => {
                let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
                if !begins_line {
                    scan.add(line, rest, 2, end);
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
                    scan.first_statement.get_or_insert(line);
                }
                match first {
                    '\'' => quoted_end(rest, '\'', matches!(before, 'E' | 'e')),
                    '"' | '`' => quoted_end(rest, first, false),
                    '$' if !is_in_word(before) => dollar_end(rest).unwrap_or(1),
                    _ => first.len_utf8(),
                }
            }
        };
        let (passed, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        line += passed.matches('\n').count();
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

/// Where what is in quotes ends. A doubled quote ends it and begins another one.
fn quoted_end(text: &str, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if escapes => _ = characters.next(),
            _ if character == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Where a text in dollar quotes ends; none when none begins.
fn dollar_end(text: &str) -> Option<usize> {
    let tag_length = text.get(1..)?.find('$')? + 2;
    let tag = text.get(..tag_length)?;
    let name = tag.trim_matches('$');
    let is_tag =
        name.chars().all(is_in_word) && !name.starts_with(|first: char| first.is_ascii_digit());
    let body = text
        .get(tag_length..)
        .filter(|_| is_tag && !name.contains('$'))?;
    Some(
        body.find(tag)
            .map_or(text.len(), |end| end + 2 * tag_length),
    )
}

fn is_in_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

#[cfg(test)]
mod tests {
    use super::scan;

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

    #[test]
    fn the_first_statement_is_behind_the_comments() {
        assert_eq!(
            scan("-- a\n/* b\n */\n;\nSELECT 1").first_statement,
            Some(5)
        );
        assert_eq!(scan("-- a\n/* b */").first_statement, None);
    }
}
