//! The placeholder for a tenant's schema in SQL.
//!
//! Enough of the lexical rules to tell code from what stands in quotes: a name that needs quotes gets them in code, and
//! stands as it is inside a string or a quoted name. A body in dollar quotes is code.

use std::borrow::Cow;

use super::postgres::dollar_tag;

/// How deep texts in dollar quotes are looked for in one another: each is searched for its end. Deeper ones are code without that,
/// as their inside is.
pub(super) const MOST_BODIES: usize = 16;

/// Where in a text a placeholder stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Code,
    /// In a string; whether a backslash escapes.
    String(bool),
    QuotedName,
    LineComment,
    /// In comments nested so deep.
    Comment(usize),
}

/// Puts a name in the place of every placeholder: `in_code` where names stand, `in_strings` inside strings, `in_names`
/// inside names in double quotes and comments. One of the `line_ends` ends a comment of one line.
pub fn substitute<'t>(
    text: &'t str,
    line_ends: &[char],
    placeholder: &str,
    in_code: &str,
    in_strings: &str,
    in_names: &str,
) -> Cow<'t, str> {
    if placeholder.is_empty() || !text.contains(placeholder) {
        return Cow::Borrowed(text);
    }
    let names = Names {
        line_ends,
        placeholder,
        in_code,
        in_strings,
        in_names,
    };
    let mut written = String::with_capacity(text.len() + 64);
    names.write(text, &mut written, 0);
    Cow::Owned(written)
}

struct Names<'n> {
    line_ends: &'n [char],
    placeholder: &'n str,
    in_code: &'n str,
    in_strings: &'n str,
    in_names: &'n str,
}

impl Names<'_> {
    /// Writes a text that is so deep in dollar quotes.
    fn write(&self, text: &str, written: &mut String, depth: usize) {
        let mut place = Place::Code;
        // The two characters before.
        let (mut last_but_one, mut before) = (' ', ' ');
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(behind) = rest.strip_prefix(self.placeholder) {
                written.push_str(match place {
                    Place::Code => self.in_code,
                    Place::String(_) => self.in_strings,
                    Place::QuotedName | Place::LineComment | Place::Comment(_) => self.in_names,
                });
                (last_but_one, before) = ('a', 'a');
                rest = behind;
                continue;
            }
            // A dollar inside a word begins no quotes.
            if place == Place::Code
                && depth < MOST_BODIES
                && !is_in_word(before)
                && let Some(tag) = dollar_tag(rest)
            {
                let body = rest.get(tag.len()..).unwrap_or_default();
                written.push_str(tag);
                let end = body.find(tag);
                self.write(
                    body.get(..end.unwrap_or(body.len())).unwrap_or_default(),
                    written,
                    depth + 1,
                );
                rest = match end {
                    Some(end) => {
                        written.push_str(tag);
                        body.get(end + tag.len()..).unwrap_or_default()
                    }
                    None => "",
                };
                (last_but_one, before) = ('$', ' ');
                continue;
            }
            let escapes = matches!(before, 'e' | 'E') && !is_in_word(last_but_one);
            let (next, length) = step(place, escapes, self.line_ends, rest, first);
            let (taken, behind) = rest.split_at(length.min(rest.len()));
            written.push_str(taken);
            (last_but_one, before) = (before, taken.chars().next_back().unwrap_or(' '));
            (place, rest) = (next, behind);
        }
    }
}

pub(super) fn is_in_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

/// The place behind the next characters, and how many bytes those are. `escapes` says whether backslashes do in a string
/// that begins here.
pub(super) fn step(
    place: Place,
    escapes: bool,
    line_ends: &[char],
    rest: &str,
    first: char,
) -> (Place, usize) {
    let one = first.len_utf8();
    match place {
        Place::Code if rest.starts_with("--") => (Place::LineComment, 2),
        Place::Code if rest.starts_with("/*") => (Place::Comment(1), 2),
        Place::Code if first == '\'' => (Place::String(escapes), one),
        Place::Code if first == '"' => (Place::QuotedName, one),
        Place::String(true) if first == '\\' => {
            let escaped = rest.chars().nth(1).map_or(0, char::len_utf8);
            (place, one + escaped)
        }
        Place::String(_) if rest.starts_with("''") => (place, 2),
        Place::QuotedName if rest.starts_with("\"\"") => (place, 2),
        Place::String(_) if first == '\'' => (Place::Code, one),
        Place::QuotedName if first == '"' => (Place::Code, one),
        Place::LineComment if line_ends.contains(&first) => (Place::Code, one),
        Place::Comment(depth) if rest.starts_with("/*") => (Place::Comment(depth + 1), 2),
        Place::Comment(1) if rest.starts_with("*/") => (Place::Code, 2),
        Place::Comment(depth) if rest.starts_with("*/") => (Place::Comment(depth - 1), 2),
        _ => (place, one),
    }
}

#[cfg(test)]
mod tests {
    use super::substitute;

    fn with(text: &str) -> String {
        substitute(text, &['\n', '\r'], "{schema}", "\"a-b\"", "a-b", "a-b").into_owned()
    }

    #[test]
    fn a_name_gets_quotes_where_it_needs_them() {
        for (text, expected) in [
            ("x {schema}.t", "x \"a-b\".t"),
            ("'{schema}' {schema}", "'a-b' \"a-b\""),
            ("'it''s {schema}' {schema}", "'it''s a-b' \"a-b\""),
            ("\"{schema}\".t", "\"a-b\".t"),
            ("E'\\'{schema}' {schema}", "E'\\'a-b' \"a-b\""),
            ("-- it's {schema}\n{schema}", "-- it's a-b\n\"a-b\""),
            ("-- it's {schema}\r{schema}", "-- it's a-b\r\"a-b\""),
            (
                "/* /* ' */ {schema} */ {schema}",
                "/* /* ' */ a-b */ \"a-b\"",
            ),
            (
                "$$ {schema} '{schema}' $$ {schema}",
                "$$ \"a-b\" 'a-b' $$ \"a-b\"",
            ),
            ("$x$ it's $x$ {schema}", "$x$ it's $x$ \"a-b\""),
            ("a$b '{schema}'", "a$b 'a-b'"),
            ("x LIKE'\\' || {schema}", "x LIKE'\\' || \"a-b\""),
            ("E'a''\\'{schema}' {schema}", "E'a''\\'a-b' \"a-b\""),
            ("ü{schema}", "ü\"a-b\""),
        ] {
            assert_eq!(with(text), expected, "{text}");
        }
        // Elsewhere a carriage return ends no comment.
        let text = "-- it's\r{schema}\n{schema}";
        let written = substitute(text, &['\n'], "{schema}", "\"a-b\"", "a-b", "a-b");
        assert_eq!(written, "-- it's\ra-b\n\"a-b\"");
    }
}
