//! Where the statements of a script end.
//!
//! All of a script is sent but for the space between statements, so that whatever the server reads otherwise becomes its
//! error, and never a shorter statement.

use std::ops::Range;

use super::super::{Error, ErrorKind, ScriptError};
use super::lexer::{Kind, Rules, Token, Tokens, is_space};

/// A statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// What is sent: the comments around it and its semicolon are part of it.
    pub(super) sent: Range<usize>,
    /// From its first word to its last.
    pub(super) at: Range<usize>,
    /// How the server reads its strings.
    pub(super) rules: Rules,
    /// The same for what comes after it.
    pub(super) rules_behind: Rules,
    /// The rows after a `COPY … FROM stdin`.
    pub(super) rows: Option<Range<usize>>,
}

impl Piece {
    /// Its words.
    pub(super) fn tokens<'s>(&self, script: &'s str) -> Tokens<'s> {
        Tokens::new(script.get(self.at.clone()).unwrap_or_default(), self.rules)
    }
}

/// What no server could read, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) at: usize,
    pub(super) why: String,
}

impl Mistake {
    /// The error of the script that it is in, with the line.
    pub(super) fn of(&self, script: &str) -> ScriptError {
        let rest = script.get(self.at..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let error = Error::new(ErrorKind::Syntax, self.why.clone());
        ScriptError::at(script, self.at..self.at + line.len(), error)
    }
}

/// How many words tell what a statement is.
const WORDS_THAT_TELL: usize = 10;

/// The line that ends the rows of a `COPY`.
const END_OF_ROWS: &str = "\\.";

/// The commands of psql that `pg_dump` writes around a dump, and that ask nothing of anybody else.
const RESTRICTING: [&str; 2] = ["\\restrict", "\\unrestrict"];

/// The statements of a script. What holds nothing but comments is none.
pub(super) fn split(script: &str, rules: Rules) -> Result<Vec<Piece>, Mistake> {
    let mut splitter = Splitter {
        script,
        tokens: Tokens::new(script, rules),
        usual: rules,
        pieces: Vec::new(),
        begun: 0,
        first: None,
        last: 0,
        words: Vec::new(),
        copies: false,
    };
    splitter.run()?;
    Ok(splitter.pieces)
}

/// How many statements a text holds.
pub(super) fn count(text: &str, rules: Rules) -> usize {
    split(text, rules).map_or(1, |pieces| pieces.len())
}

struct Splitter<'s> {
    script: &'s str,
    tokens: Tokens<'s>,
    /// What holds where the script says nothing.
    usual: Rules,
    pieces: Vec<Piece>,
    /// Where what is sent next begins.
    begun: usize,
    /// Where the words of the statement begin, once there is one.
    first: Option<usize>,
    last: usize,
    words: Vec<Token<'s>>,
    /// Whether rows follow the statement.
    copies: bool,
}

impl<'s> Splitter<'s> {
    fn run(&mut self) -> Result<(), Mistake> {
        let mut parentheses = 0_usize;
        let mut body = Body::default();
        while let Some(token) = self.tokens.next() {
            if token.is_symbol(";") && parentheses == 0 && !body.is_open() {
                self.end(token.at.end)?;
                body = Body::default();
                continue;
            }
            if token.is_symbol("\\") {
                self.command_of_psql(token.at.start)?;
                continue;
            }
            self.first.get_or_insert(token.at.start);
            self.last = token.at.end;
            match (token.kind, token.text) {
                (Kind::Symbol, "(") => parentheses += 1,
                (Kind::Symbol, ")") => parentheses = parentheses.saturating_sub(1),
                _ => {}
            }
            if parentheses == 0 {
                self.copies |= self.begins("COPY")
                    && token.is("STDIN")
                    && body.before.as_ref().is_some_and(|before| before.is("FROM"));
            }
            body.read(&token, parentheses == 0, &self.words);
            if self.words.len() < WORDS_THAT_TELL {
                self.words.push(token);
            }
        }
        if let Some(unclosed) = self.tokens.unclosed {
            return Err(Mistake {
                at: unclosed.at,
                why: format!("{} begins here and never ends", unclosed.what),
            });
        }
        if self.first.is_some() {
            return self.end(self.script.len());
        }
        // So that the server sees what is taken for a comment here.
        if let Some(piece) = self.pieces.last_mut()
            && piece.sent.end == self.begun
            && piece.rows.is_none()
        {
            piece.sent.end = self.script.len();
        }
        Ok(())
    }

    fn begins(&self, word: &str) -> bool {
        self.words.first().is_some_and(|first| first.is(word))
    }

    /// A statement, or nothing but comments, ends here.
    fn end(&mut self, end: usize) -> Result<(), Mistake> {
        let Some(first) = self.first.take() else {
            return Ok(());
        };
        let bytes = self.script.as_bytes();
        let blank = bytes
            .get(self.begun..first)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| is_space(**byte) && **byte != 0x0b);
        let start = self.begun + blank.count();
        let rules = self.tokens.rules;
        self.tokens.rules = self.rules_behind(rules);
        self.begun = end;
        let rows = match std::mem::take(&mut self.copies) {
            true => Some(self.rows(first, end)?),
            false => None,
        };
        self.words.clear();
        self.pieces.push(Piece {
            sent: start..end,
            at: first..self.last,
            rules,
            rules_behind: self.tokens.rules,
            rows,
        });
        Ok(())
    }

    /// The lines after a `COPY … FROM stdin;` up to one that says `\.`.
    fn rows(&mut self, copy: usize, end: usize) -> Result<Range<usize>, Mistake> {
        let mistake = |at, why: &str| Mistake {
            at,
            why: why.to_owned(),
        };
        let rest = self.script.get(end..).unwrap_or_default();
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        if !is_comment(line) {
            return Err(mistake(
                end,
                "the rows of a COPY … FROM stdin begin on the line after it, and only a comment may stand before them",
            ));
        }
        let start = end + line.len();
        let mut at = start;
        for line in self
            .script
            .get(start..)
            .unwrap_or_default()
            .split_inclusive('\n')
        {
            let behind = at + line.len();
            if line.trim_end_matches(['\n', '\r']) == END_OF_ROWS {
                self.begun = behind;
                self.tokens.go_to(behind);
                return Ok(start..at);
            }
            at = behind;
        }
        Err(mistake(
            copy,
            "the rows of this COPY … FROM stdin never end: a line `\\.` has to follow them",
        ))
    }

    /// A backslash outside of quotes begins a command of psql.
    fn command_of_psql(&mut self, at: usize) -> Result<(), Mistake> {
        let before = self.script.get(..at).unwrap_or_default();
        let line = self.script.get(at..).unwrap_or_default();
        let line = line.split(['\n', '\r']).next().unwrap_or_default();
        let command = line.split_whitespace().next().unwrap_or_default();
        let begins_line = before
            .rsplit(['\n', '\r'])
            .next()
            .is_none_or(|start| start.trim().is_empty());
        if RESTRICTING.contains(&command) && begins_line && self.first.is_none() {
            self.begun = at + line.len();
            self.tokens.go_to(self.begun);
            return Ok(());
        }
        Err(Mistake {
            at,
            why: format!(
                "`{command}` is a command of psql, not SQL: take it out, or say the same in SQL"
            ),
        })
    }

    /// How the strings after this statement are read.
    fn rules_behind(&self, rules: Rules) -> Rules {
        let words: Vec<&Token<'_>> = self.words.iter().collect();
        let value = match words.as_slice() {
            [set, scope, rest @ ..] if set.is("SET") && scope.is_any(&["LOCAL", "SESSION"]) => {
                setting(rest)
            }
            [set, rest @ ..] if set.is("SET") => setting(rest),
            [reset, name] if reset.is("RESET") && (is_strings(name) || name.is("ALL")) => {
                Some("default".to_owned())
            }
            [discard, all] if discard.is("DISCARD") && all.is("ALL") => Some("default".to_owned()),
            [select, rest @ ..] if select.is("SELECT") => set_by_call(rest),
            _ => None,
        };
        match value.as_deref() {
            None => rules,
            Some("default") => self.usual,
            Some(value) => Rules {
                standard_strings: !is_false(value),
            },
        }
    }
}

/// Whether the rest of a line holds nothing but comments, which psql passes over.
fn is_comment(line: &str) -> bool {
    let mut rest = line.trim();
    while let Some((_, after)) = rest.strip_prefix("/*").and_then(|it| it.split_once("*/")) {
        rest = after.trim_start();
    }
    rest.is_empty() || rest.starts_with("--")
}

/// The value that a `SET` gives to `standard_conforming_strings`.
fn setting(words: &[&Token<'_>]) -> Option<String> {
    match words {
        [name, to, value, ..] if is_strings(name) && (to.is("TO") || to.is_symbol("=")) => {
            Some(plain(value))
        }
        _ => None,
    }
}

/// The same for `set_config`.
fn set_by_call(words: &[&Token<'_>]) -> Option<String> {
    let call = match words {
        [schema, dot, rest @ ..] if schema.is("pg_catalog") && dot.is_symbol(".") => rest,
        rest => rest,
    };
    match call {
        [function, open, name, comma, value, ..]
            if function.is("set_config")
                && open.is_symbol("(")
                && comma.is_symbol(",")
                && plain(name) == STRINGS =>
        {
            Some(plain(value))
        }
        _ => None,
    }
}

const STRINGS: &str = "standard_conforming_strings";

fn is_strings(token: &Token<'_>) -> bool {
    token.name().as_deref() == Some(STRINGS)
}

/// A word, number or string without its quotes.
fn plain(token: &Token<'_>) -> String {
    let text = token.content().or_else(|| token.name());
    text.unwrap_or_else(|| token.text.to_owned())
        .to_ascii_lowercase()
}

/// What the server takes for *off*: <https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-NAMES-VALUES>
fn is_false(value: &str) -> bool {
    let abbreviates = |word: &str, least: usize| value.len() >= least && word.starts_with(value);
    value == "0" || abbreviates("off", 2) || abbreviates("false", 1) || abbreviates("no", 1)
}

/// `BEGIN ATOMIC … END` of a routine written in SQL holds semicolons, and `CASE … END` may be inside.
#[derive(Default)]
struct Body<'s> {
    depth: usize,
    before: Option<Token<'s>>,
}

impl<'s> Body<'s> {
    fn is_open(&self) -> bool {
        self.depth > 0
    }

    /// `begun` are the statement's first words.
    fn read(&mut self, token: &Token<'s>, is_outside_parentheses: bool, begun: &[Token<'s>]) {
        // Names that look like key words come after these two.
        let is_label = self
            .before
            .as_ref()
            .is_some_and(|before| before.is("AS") || before.is_symbol("."));
        if self.is_open() && !is_label {
            if token.is("CASE") {
                self.depth += 1;
            } else if token.is("END") {
                self.depth -= 1;
            }
        } else if token.is("ATOMIC")
            && is_outside_parentheses
            && self
                .before
                .as_ref()
                .is_some_and(|before| before.is("BEGIN"))
            && makes_a_routine(begun)
        {
            self.depth = 1;
        }
        self.before = Some(token.clone());
    }
}

fn makes_a_routine(words: &[Token<'_>]) -> bool {
    let is_routine = |word: &Token<'_>| word.is_any(&["FUNCTION", "PROCEDURE"]);
    match words {
        [create, or, replace, routine, ..] if or.is("OR") && replace.is("REPLACE") => {
            create.is("CREATE") && is_routine(routine)
        }
        [create, routine, ..] => create.is("CREATE") && is_routine(routine),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(script: &str) -> Vec<Piece> {
        split(script, Rules::default()).unwrap()
    }

    fn statements(script: &str) -> Vec<&str> {
        let pieces = pieces(script);
        pieces.into_iter().map(|piece| &script[piece.at]).collect()
    }

    #[test]
    fn statements_end_where_postgres_says() {
        for (script, expected) in [
            (
                "SELECT 1; -- a; b\n;;SELECT 2",
                &["SELECT 1", "SELECT 2"][..],
            ),
            (
                "/* a; /* b; */ c; */ SELECT ';', \";\" ;",
                &["SELECT ';', \";\""],
            ),
            (
                "DO $$ a; b; $$; DO $x$ $$; $x$",
                &["DO $$ a; b; $$", "DO $x$ $$; $x$"],
            ),
            (
                r"SELECT E'\';'; SELECT 'a''b;'; SELECT $1",
                &[r"SELECT E'\';'", "SELECT 'a''b;'", "SELECT $1"],
            ),
            (
                "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); X",
                &[
                    "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
                    "X",
                ],
            ),
            (
                "CREATE FUNCTION f(begin date) RETURNS int AS $$ X $$; Y",
                &["CREATE FUNCTION f(begin date) RETURNS int AS $$ X $$", "Y"],
            ),
            ("  -- nothing\n", &[]),
            (
                "SELECT 1::int, a$1, $tag$;$tag$; ü",
                &["SELECT 1::int, a$1, $tag$;$tag$", "ü"],
            ),
            (
                "\\restrict a;b\nSELECT 1;\n\\unrestrict a;b\n",
                &["SELECT 1"],
            ),
        ] {
            assert_eq!(statements(script), expected, "{script}");
        }
    }

    #[test]
    fn a_body_ends_with_its_own_end() {
        for body in [
            "BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
            "BEGIN ATOMIC SELECT 1 AS end, (SELECT CASE 1 WHEN 1 THEN 2 END) AS case; SELECT t.end FROM t; END",
        ] {
            let routine = format!("CREATE OR REPLACE FUNCTION f() RETURNS int {body}");
            assert_eq!(statements(&format!("{routine}; X")), [&*routine, "X"]);
        }
    }

    #[test]
    fn strings_are_read_as_the_script_has_set() {
        let on = "RESET standard_conforming_strings";
        for (set, back) in [
            ("SET standard_conforming_strings = off", on),
            (
                "SET SESSION standard_conforming_strings TO 'off'",
                "reset all",
            ),
            (
                "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false)",
                "DISCARD ALL",
            ),
        ] {
            let script = format!(r"{set}; X 'a\';b'; {back}; Y 'a\'; Z");
            let expected = [r"X 'a\';b'", back, r"Y 'a\'", "Z"];
            assert_eq!(statements(&script)[1..], expected, "{set}");
        }
    }

    #[test]
    fn all_but_space_is_sent() {
        let script = "-- a\nX /* b */ ; -- c\n\n /* d */;\nY; -- e\n";
        let sent: Vec<&str> = pieces(script)
            .into_iter()
            .map(|piece| &script[piece.sent])
            .collect();
        assert_eq!(sent, ["-- a\nX /* b */ ;", "-- c\n\n /* d */;\nY; -- e\n"]);
    }

    #[test]
    fn rows_follow_a_copy() {
        let script =
            "COPY t (a) FROM stdin;\n1;\n'\n\\.\nX;COPY u FROM STDIN WITH (FORMAT csv);\r\n\\.\r\n";
        let pieces = pieces(script);
        assert_eq!(&script[pieces[0].rows.clone().unwrap()], "1;\n'\n");
        assert_eq!(&script[pieces[1].at.clone()], "X");
        assert_eq!(&script[pieces[2].rows.clone().unwrap()], "");
        assert_eq!(pieces.len(), 3);
    }

    #[test]
    fn what_no_server_could_read_is_told() {
        for (script, at, why) in [
            ("X;\n/* a", 3, "never ends"),
            ("X;\n\\echo a", 3, "`\\echo` is a command of psql"),
            ("X \\g", 2, "`\\g` is a command of psql"),
            ("COPY t FROM stdin;\n1\n", 0, "never end"),
        ] {
            let mistake = split(script, Rules::default()).unwrap_err();
            assert_eq!(mistake.at, at, "{script}");
            assert!(mistake.why.contains(why), "{script}: {}", mistake.why);
        }
    }
}
