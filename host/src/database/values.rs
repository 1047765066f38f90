//! `${name}` in SQL: the operator's values in a step's file.
//!
//! A value is the operator's SQL where SQL stands, and cannot leave the quotes that it stands in: quotes in it are doubled in a
//! string and in a quoted name. A body in dollar quotes is SQL. In a comment and in the rows after `COPY … FROM stdin` nothing
//! is replaced, and what was put in is not looked at again. `\${` stands for `${`.

use std::collections::{BTreeMap, BTreeSet};

use super::placeholder::{MOST_BODIES, Place, is_in_word, step};
use super::postgres::dollar_tag;

/// How a place for a value begins.
const BEGIN: &str = "${";

/// What makes a backslash in a plain string an escape: <https://www.postgresql.org/docs/current/runtime-config-compatible.html>
const SETTING: &str = "standard_conforming_strings";

/// What puts values into a text.
#[derive(Clone, Copy, Debug)]
pub struct Values<'v> {
    /// The values by their names.
    pub values: &'v BTreeMap<String, String>,
    /// The placeholder for a tenant's schema, which is none of these; empty where there are no tenants.
    pub other: &'v str,
    /// What ends a comment of one line.
    pub line_ends: &'v [char],
    /// Whether there are strings in which a backslash is an escape.
    pub strings_may_escape: bool,
    /// Whether it is none in plain strings, where the text itself does not change that.
    pub has_standard_strings: bool,
}

/// What cannot be put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoValue {
    /// The line of the text, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

impl Values<'_> {
    /// Puts the values into a text, and takes note of the names in `used`.
    pub fn put_into(&self, text: &str, used: &mut BTreeSet<String>) -> Result<String, NoValue> {
        if !text.contains(BEGIN) {
            return Ok(text.to_owned());
        }
        let mut writer = Writer {
            values: self,
            used,
            written: String::with_capacity(text.len() + 64),
            line: 1,
            escapes: false,
            is_standard: self.has_standard_strings && !may_switch_off(text),
            is_unicode: false,
        };
        writer.write(text, &[])?;
        Ok(writer.written)
    }

    /// The text from which [`Values::put_into`] makes this one: nothing in it stands for a value.
    pub fn escape(&self, text: &str) -> Result<String, NoValue> {
        if !text.contains(BEGIN) {
            return Ok(text.to_owned());
        }
        let mut used = BTreeSet::new();
        let mut writer = Writer {
            values: self,
            used: &mut used,
            written: String::with_capacity(text.len() + 64),
            line: 1,
            escapes: true,
            is_standard: true,
            is_unicode: false,
        };
        writer.write(text, &[])?;
        Ok(writer.written)
    }

    /// The value of a name.
    fn of(&self, name: &str) -> Result<&str, String> {
        let Some(value) = self.values.get(name) else {
            return Err(format!(
                "there is no value for `${{{name}}}`: give it with `--set {name}=…` or under `[settings]`, or write `\\${{` for the \
                 characters themselves"
            ));
        };
        match value.contains(['\n', '\r', '\0']) {
            false => Ok(value),
            true => Err(format!(
                "the value of `${{{name}}}` has more than one line, and cannot be put into SQL"
            )),
        }
    }
}

struct Writer<'w, 'v> {
    values: &'w Values<'v>,
    used: &'w mut BTreeSet<String>,
    written: String,
    line: usize,
    /// Whether what would be taken for a value is written so that it is not.
    escapes: bool,
    /// Whether a backslash in a plain string is one.
    is_standard: bool,
    /// Whether the string or the quoted name here begins with `U&`, where a backslash is an escape.
    is_unicode: bool,
}

impl Writer<'_, '_> {
    /// Writes a text; of a body in dollar quotes within others, `tags` end them, the last of them this one.
    fn write(&mut self, text: &str, tags: &[&str]) -> Result<(), NoValue> {
        let mut place = Place::Code;
        // The two characters before.
        let (mut last_but_one, mut before) = (' ', ' ');
        let mut statement = Words::default();
        // Whether the string has just ended, which one on a later line would continue, has escapes.
        let mut continues_escapes = false;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_comment = matches!(place, Place::LineComment | Place::Comment(_));
            if self.escapes && !is_comment && rest.starts_with(BEGIN) {
                self.written.push('\\');
                self.written.push_str(BEGIN);
                (last_but_one, before) = ('$', '{');
                rest = rest.get(BEGIN.len()..).unwrap_or_default();
                continue;
            }
            let is_escaped = |_: &&str| !is_comment && !self.escapes;
            if let Some(after) = rest.strip_prefix("\\${").filter(is_escaped) {
                self.written.push_str(BEGIN);
                (last_but_one, before) = ('$', '{');
                rest = after;
                continue;
            }
            let is_others = !self.values.other.is_empty() && rest.starts_with(self.values.other);
            if let Some(after) = rest
                .strip_prefix(BEGIN)
                .filter(|_| !is_comment && !is_others)
            {
                rest = self.put(after, place, tags)?;
                (last_but_one, before) = ('a', 'a');
                continue;
            }
            if place == Place::Code
                && !is_in_word(before)
                && let Some(inner) = dollar_tag(rest)
            {
                let body = rest.get(inner.len()..).unwrap_or_default();
                let begins_name = body.strip_prefix('{').is_some_and(|body| {
                    let after = body.trim_start_matches(is_of_name);
                    after.len() < body.len() && after.starts_with('}')
                });
                if begins_name {
                    return Err(NoValue {
                        line: self.line,
                        why: format!(
                            "it cannot be told whether `{inner}{{` begins a text in dollar quotes or a value: put a blank before one \
                             of them, or write `\\${{` for the characters themselves"
                        ),
                    });
                }
                if tags.len() == MOST_BODIES {
                    return Err(NoValue {
                        line: self.line,
                        why: format!(
                            "texts in dollar quotes are within one another more than {MOST_BODIES} deep, and the ends of the inner ones \
                             are not looked for: write the file without values"
                        ),
                    });
                }
                let end = body.find(inner).unwrap_or(body.len());
                self.pass(inner);
                let within: Vec<&str> = tags.iter().copied().chain([inner]).collect();
                self.write(body.get(..end).unwrap_or_default(), &within)?;
                rest = body.get(end..).unwrap_or_default();
                if let Some(after) = rest.strip_prefix(inner) {
                    self.pass(inner);
                    rest = after;
                }
                (last_but_one, before) = ('$', ' ');
                continue;
            }
            let escapes = matches!(before, 'e' | 'E') && !is_in_word(last_but_one);
            let escapes = escapes || continues_escapes;
            let (next, length) = step(place, escapes, self.values.line_ends, rest, first);
            match (place, next) {
                (Place::String(escapes), Place::Code) => continues_escapes = escapes,
                (Place::Code, Place::Code) if first.is_whitespace() => {}
                (Place::Code, Place::Code) => {
                    (continues_escapes, self.is_unicode) = (false, false);
                }
                (Place::Code, Place::String(_) | Place::QuotedName) => {
                    self.is_unicode |= before == '&' && matches!(last_but_one, 'u' | 'U');
                }
                _ => {}
            }
            let (taken, after) = rest.split_at(length.min(rest.len()));
            self.pass(taken);
            (last_but_one, before) = (before, taken.chars().next_back().unwrap_or(' '));
            rest = after;
            if place == Place::Code && next == Place::Code {
                if statement.ends_with(first) && tags.is_empty() {
                    rest = self.pass_rows(rest);
                }
            } else {
                statement.part();
            }
            place = next;
        }
        Ok(())
    }

    /// Puts in the value whose name stands at the beginning of what follows `${`; returns what follows it.
    fn put<'t>(&mut self, after: &'t str, place: Place, tags: &[&str]) -> Result<&'t str, NoValue> {
        let line = self.line;
        let failed = |why: String| NoValue { line, why };
        let (name, rest) = after
            .split_once('}')
            .filter(|(name, _)| is_name(name))
            .ok_or_else(|| failed(no_name(after)))?;
        let value = self.values.of(name).map_err(failed)?;
        if tags.iter().any(|tag| value.contains(tag)) {
            return Err(failed(format!(
                "the value of `${{{name}}}` would end the text in dollar quotes that it stands in"
            )));
        }
        let may_escape = match place {
            Place::String(false) => self.is_unicode || !self.is_standard,
            Place::QuotedName => self.is_unicode,
            _ => false,
        };
        if may_escape && self.values.strings_may_escape && value.contains('\\') {
            return Err(failed(format!(
                "the value of `${{{name}}}` has a backslash, which may be an escape where it stands: let the string begin with E \
                 right before its quote, or write the value into the file"
            )));
        }
        match place {
            Place::String(escapes) => {
                let value = value.replace('\'', "''");
                self.written.push_str(&match escapes {
                    true => value.replace('\\', "\\\\"),
                    false => value,
                });
            }
            Place::QuotedName => self.written.push_str(&value.replace('"', "\"\"")),
            Place::Code | Place::LineComment | Place::Comment(_) => self.written.push_str(value),
        }
        self.used.insert(name.to_owned());
        Ok(rest)
    }

    /// Writes what stays as it is.
    fn pass(&mut self, text: &str) {
        self.line += text.matches('\n').count();
        self.written.push_str(text);
    }

    /// Writes the rows of a COPY, which end with a line `\.`; returns what follows them.
    fn pass_rows<'t>(&mut self, text: &'t str) -> &'t str {
        let mut length = 0;
        for line in text.split_inclusive('\n') {
            length += line.len();
            if line.trim_end_matches(['\n', '\r']) == "\\." {
                break;
            }
        }
        let (rows, rest) = text.split_at_checked(length).unwrap_or((text, ""));
        self.pass(rows);
        rest
    }
}

/// The words of a statement, as far as it takes to know a COPY whose rows follow.
#[derive(Default)]
struct Words {
    word: String,
    is_copy: Option<bool>,
    is_from: bool,
    is_from_stdin: bool,
}

impl Words {
    /// Takes the next character of SQL; whether it ends a COPY whose rows follow.
    fn ends_with(&mut self, character: char) -> bool {
        if is_in_word(character) {
            self.word.extend(character.to_lowercase());
            return false;
        }
        self.part();
        if character != ';' {
            return false;
        }
        let statement = std::mem::take(self);
        statement.is_copy == Some(true) && statement.is_from_stdin
    }

    /// What comes is no more of the word.
    fn part(&mut self) {
        let word = std::mem::take(&mut self.word);
        if word.is_empty() {
            return;
        }
        self.is_copy.get_or_insert(word == "copy");
        self.is_from_stdin |= self.is_from && word == "stdin";
        self.is_from = word == "from";
    }
}

/// Whether a text may give strings other rules than the usual ones.
fn may_switch_off(text: &str) -> bool {
    const BETWEEN: [char; 4] = [' ', '=', '\'', ','];
    let lower = text.to_ascii_lowercase();
    lower.match_indices(SETTING).any(|(at, _)| {
        let rest = lower.get(at + SETTING.len()..).unwrap_or_default();
        let rest = rest.trim_start_matches(BETWEEN);
        let value = rest.strip_prefix("to ").unwrap_or(rest);
        !value.trim_start_matches(BETWEEN).starts_with("on")
    })
}

/// Why what follows `${` is no name, as it stands there.
fn no_name(after: &str) -> String {
    const MOST: usize = 30;
    let line = after.lines().next().unwrap_or_default();
    let shown = |text: &str| match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    };
    let what = match line.split_once('}') {
        Some((name, _)) => format!(
            "`${{{}}}` names no value: a name has letters, digits, `_`, `.` and `-`",
            shown(name)
        ),
        None => format!(
            "`${{{}` has no `}}` on its line that ends the name",
            shown(line)
        ),
    };
    format!("{what}; write `\\${{` for the characters themselves")
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_of_name)
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> Result<String, NoValue> {
        let values = [
            ("a", "it's"),
            ("b", "${a}"),
            ("c", "x\\"),
            ("d", "$$"),
            ("e", "q\"q"),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let values = BTreeMap::from(values);
        let values = Values {
            values: &values,
            other: "${schema}",
            line_ends: &['\n', '\r'],
            strings_may_escape: true,
            has_standard_strings: true,
        };
        values.put_into(text, &mut BTreeSet::new())
    }

    #[test]
    fn a_backslash_is_refused_where_it_may_be_an_escape() {
        for text in [
            "SET standard_conforming_strings = off; SELECT '${c}'",
            "SELECT U&'${c}'",
            "SELECT U&'a'\n'${c}'",
            "SELECT U&\"${c}\"",
        ] {
            assert!(put(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_stays_in_the_quotes_that_it_stands_in() {
        for (text, expected) in [
            ("SELECT ${a}", "SELECT it's"),
            ("SELECT '${a}', ${b}", "SELECT 'it''s', ${a}"),
            ("SELECT E'${c}'", "SELECT E'x\\\\'"),
            ("SELECT '${c}', '${c}'", "SELECT 'x\\', 'x\\'"),
            ("SELECT \"${c}\"", "SELECT \"x\\\""),
            ("SELECT E'a'\n'${c}'", "SELECT E'a'\n'x\\\\'"),
            (
                "SET standard_conforming_strings = on; SELECT '${c}'",
                "SET standard_conforming_strings = on; SELECT 'x\\'",
            ),
            ("SELECT E'a', '${c}'", "SELECT E'a', 'x\\'"),
            ("SELECT \"${e}\"", "SELECT \"q\"\"q\""),
            ("SELECT $$ ${b} '${a}' $$", "SELECT $$ ${a} 'it''s' $$"),
            (
                "-- ${a} ${x}\n/* ${x} */ ${b}",
                "-- ${a} ${x}\n/* ${x} */ ${a}",
            ),
            ("SELECT '\\${a}', ${schema}.t", "SELECT '${a}', ${schema}.t"),
            (
                "COPY t (a) FROM stdin;\n${a}\t'\n\\.\nSELECT ${b};",
                "COPY t (a) FROM stdin;\n${a}\t'\n\\.\nSELECT ${a};",
            ),
            (
                "copy \"t\" from STDIN with (format csv);\n${x}\n\\.\n${b}",
                "copy \"t\" from STDIN with (format csv);\n${x}\n\\.\n${a}",
            ),
            ("COPY t TO stdout; ${b}", "COPY t TO stdout; ${a}"),
        ] {
            assert_eq!(put(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_escaped_comes_out_as_it_was() {
        for text in [
            "SELECT '${a} \\${a} \\\\${', \"${x\" -- ${a}",
            "SELECT $$ '${a}' ${ $$, $x$ ${b} $x$",
            "COPY t (a) FROM stdin;\n${a}\\n\t'\n\\.\nSELECT '${b}';",
        ] {
            let none = BTreeMap::new();
            let values = Values {
                values: &none,
                other: "",
                line_ends: &['\n', '\r'],
                strings_may_escape: true,
                has_standard_strings: true,
            };
            let escaped = values.escape(text).unwrap();
            let put = values.put_into(&escaped, &mut BTreeSet::new());
            assert_eq!(put.as_deref(), Ok(text), "{escaped}");
        }
    }

    #[test]
    fn what_has_no_value_is_an_error_with_its_line() {
        for (text, line, why) in [
            (
                "SELECT 1;\n\nSELECT '${nobody}'",
                3,
                "no value for `${nobody}`",
            ),
            ("SELECT ${a", 1, "`${a` has no `}`"),
            ("SELECT\n${}", 2, "`${}` names no value"),
            ("SELECT $$\n${d}$$", 2, "would end the text"),
            (
                "SELECT '$${a}'; SELECT $${a}",
                1,
                "dollar quotes or a value",
            ),
        ] {
            let error = put(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.why.contains(why), "{text}: {}", error.why);
        }
    }
}
