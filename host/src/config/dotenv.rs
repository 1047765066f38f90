//! `.env`: variables beside a project, as sqlx, dbmate and Prisma read them.
//!
//! <https://docs.rs/dotenvy/latest/dotenvy/>. Lines that are no assignment are passed over: they are somebody else's. So are
//! mistakes in variables that nobody here asks for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::reference::{Reference, is_name, reference};
use super::{DATABASE, Error, variables};
use crate::input;
use crate::output::without_secrets;

/// The file, in the working directory.
pub(super) const FILE: &str = ".env";

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Dotenv {
    /// Its variables.
    pub(super) variables: BTreeMap<String, String>,
    /// Why the values of others cannot be known.
    pub(super) faults: BTreeMap<String, String>,
    /// The fault of one that was asked for.
    asked: RefCell<Option<String>>,
    /// Why there is nothing in it, where somebody may think otherwise.
    pub(super) warning: Option<String>,
}

impl Dotenv {
    /// The value of a variable. One that cannot be known is remembered as asked for.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        if let Some(fault) = self.faults.get(name) {
            self.asked.borrow_mut().get_or_insert(fault.clone());
        }
        self.variables.get(name).cloned()
    }

    /// The error of a fault.
    pub(super) fn error(fault: &str) -> Error {
        Error::File {
            path: PathBuf::from(FILE),
            message: fault.to_owned(),
        }
    }

    /// What came of reading another file that asks for variables.
    pub(super) fn settle<T>(&self, path: &Path, done: Result<T, String>) -> Result<T, Error> {
        if let Some(fault) = &*self.asked.borrow() {
            return Err(Self::error(fault));
        }
        done.map_err(|message| Error::File {
            path: path.to_owned(),
            message: without_secrets(&message),
        })
    }

    /// The fault of the first of our own variables that has one and no value elsewhere. Where the target is named may not matter.
    pub(super) fn fault_of_ours(&self, elsewhere: &BTreeMap<String, String>) -> Option<&str> {
        let counts = |name: &str| name.starts_with("PG") || variables::is_one(name);
        let mut ours = self.faults.iter().filter(|(name, _)| counts(name));
        let fault = ours.find(|(name, _)| !elsewhere.contains_key(*name) && *name != DATABASE);
        fault.map(|(_, fault)| fault.as_str())
    }
}

/// The variables of the file, when there is one.
pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> io::Result<Dotenv> {
    match input::read(Path::new(FILE)) {
        Ok(bytes) if is_utf16(&bytes) => Err(io::Error::new(
            ErrorKind::InvalidData,
            "it is not UTF-8 but UTF-16, as some editors and shells write it: save it as UTF-8",
        )),
        Ok(bytes) => Ok(parse(&bytes, variable)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(Dotenv::default()),
            // Such as an environment of Python.
            ErrorKind::IsADirectory => Ok(Dotenv {
                warning: Some(format!(
                    "`{FILE}` is a directory: no variables are read from it"
                )),
                ..Dotenv::default()
            }),
            _ => Err(error),
        },
    }
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0)
}

/// The variables of a file; `variable` says what names in values stand for that the file does not set itself.
pub(super) fn parse(bytes: &[u8], variable: &dyn Fn(&str) -> Option<String>) -> Dotenv {
    let mut read = Dotenv::default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // As some editors write it, a carriage return ends a line, too.
    let text = bytes.split(|byte| *byte == b'\n');
    let text = text.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<&[u8]> = text
        .flat_map(|line| line.split(|byte| *byte == b'\r'))
        .collect();
    let mut after = 0;
    for (place, line) in lines.iter().enumerate() {
        // The rest of a value in quotes.
        if place < after {
            continue;
        }
        let number = place + 1;
        let mut text = String::from_utf8_lossy(line).into_owned();
        let mut is_text = std::str::from_utf8(line).is_ok();
        if let Some(end) = end_of_quotes(&text, lines.get(number..).unwrap_or_default()) {
            after = number + end;
            for line in lines.get(number..after).unwrap_or_default() {
                is_text &= std::str::from_utf8(line).is_ok();
                text.push('\n');
                text.push_str(&String::from_utf8_lossy(line));
            }
        }
        let line = text.trim();
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim_end();
        if !is_name(name) {
            continue;
        }
        let value = value.trim_start();
        let value = match is_text {
            false => Err("it is not UTF-8".to_owned()),
            true => {
                let lookup = |name: &str| match read.faults.contains_key(name) {
                    true => None,
                    false => read.variables.get(name).cloned().or_else(|| variable(name)),
                };
                expanded(value, &lookup)
            }
        };
        read.variables.remove(name);
        read.faults.remove(name);
        match value {
            Ok(value) => _ = read.variables.insert(name.to_owned(), value),
            Err(why) => {
                let fault = format!("line {number}, `{name}`: {why}");
                read.faults.insert(name.to_owned(), fault);
            }
        }
    }
    read
}

/// Quotes that a value begins with and does not close.
struct Quotes {
    mark: char,
    /// Whether the next character is escaped.
    is_escaped: bool,
}

impl Quotes {
    fn begun(value: &str) -> Option<Self> {
        let mark = value
            .chars()
            .next()
            .filter(|mark| matches!(mark, '\'' | '"'))?;
        let mut quotes = Self {
            mark,
            is_escaped: false,
        };
        let is_closed = quotes.are_closed_in(value.get(1..).unwrap_or_default());
        (!is_closed).then_some(quotes)
    }

    /// Whether what comes next closes them.
    fn are_closed_in(&mut self, text: &str) -> bool {
        text.chars().any(|letter| {
            let is_escaped = std::mem::take(&mut self.is_escaped);
            self.is_escaped = self.mark == '"' && letter == '\\' && !is_escaped;
            letter == self.mark && !is_escaped
        })
    }
}

/// After how many of the lines after it the quotes are closed that a line opens; none where it opens none, or nothing closes them.
fn end_of_quotes(line: &str, after: &[&[u8]]) -> Option<usize> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim_start);
    if !is_name(name) {
        return None;
    }
    let mut quotes = Quotes::begun(value.trim_start())?;
    (1..).zip(after).find_map(|(count, line)| {
        let is_closed =
            quotes.are_closed_in("\n") || quotes.are_closed_in(&String::from_utf8_lossy(line));
        is_closed.then_some(count)
    })
}

/// Why a value cannot be known that has one of its quotes too few.
const UNCLOSED: &str =
    "its quotes are never closed; write `\\'` or `\\\"` for the character itself";

/// A value as the shell reads it, with quotes anywhere in it, to the end of the line or a comment; or why it cannot be known.
fn expanded(value: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let begins_quoted = value.starts_with(['"', '\'']);
    let is_end =
        |rest: &str| begins_quoted && (rest.is_empty() || rest.starts_with([' ', '\t', '\n', '#']));
    let mut text = String::new();
    // How much of the text stood in quotes, or before it: blanks in there count.
    let mut kept = 0;
    let mut is_quoted = false;
    let mut characters = value.chars();
    loop {
        let rest = characters.as_str();
        match characters.next() {
            None if is_quoted => return Err(UNCLOSED.to_owned()),
            None => break,
            Some('"') => {
                is_quoted = !is_quoted;
                kept = text.len();
                if !is_quoted && is_end(characters.as_str()) {
                    break;
                }
            }
            Some('\'') if !is_quoted => {
                let Some((literal, after)) = characters.as_str().split_once('\'') else {
                    return Err(UNCLOSED.to_owned());
                };
                text.push_str(literal);
                kept = text.len();
                if is_end(after) {
                    break;
                }
                characters = after.chars();
            }
            Some('#') if !is_quoted && text.len() > kept && text.ends_with([' ', '\t']) => break,
            Some('\\') => match characters.next() {
                Some('n') if is_quoted => text.push('\n'),
                escaped => text.extend(escaped),
            },
            Some('`') => return Err(a_command("`…`", "\\`")),
            Some('$') if rest.starts_with("$(") => return Err(a_command("$(…)", "\\$")),
            Some('$') => {
                let after = rest.get(1..).unwrap_or_default();
                let (name, otherwise, rest) = match after.strip_prefix('{').map(reference) {
                    Some(Reference::Variable {
                        name,
                        otherwise,
                        rest,
                    }) => (name, otherwise, rest),
                    Some(Reference::Unknown(why)) => {
                        return Err(format!("{why}, or `\\$` for the character"));
                    }
                    Some(Reference::None) => ("", None, after),
                    None => {
                        let (name, rest) = plain_name(after);
                        (name, None, rest)
                    }
                };
                if !is_name(name) {
                    text.push('$');
                    continue;
                }
                let found = variable(name).filter(|value| otherwise.is_none() || !value.is_empty());
                match (found, otherwise) {
                    (Some(value), _) => text.push_str(&value),
                    (None, Some(otherwise)) => text.push_str(&expanded(otherwise, variable)?),
                    (None, None) => {
                        return Err(format!(
                            "the variable {name} is not set; set it, write `${{{name}:-…}}` with a value for that case, or \
                             `\\$` for the character"
                        ));
                    }
                }
                characters = rest.chars();
            }
            Some(other) => text.push(other),
        }
    }
    let end = text.trim_end().len().max(kept);
    text.truncate(end);
    Ok(text)
}

/// Why a value cannot be known that a command of the shell is to make.
fn a_command(written: &str, escaped: &str) -> String {
    format!(
        "{written} asks for a command of the shell, and none is run here: write its value, or {escaped} for the character itself"
    )
}

/// The name that a text begins with, and the rest.
fn plain_name(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_others_read_it() {
        let text = "# ours\nexport A=1\nB = two # said\nC=\"a # b\\\"c\"\nD='$A'\nE=${A}-$B\nF=pa$$\nnonsense\n9=x\nG=a#b\nH=${HOME_OF}\nI=${B:-z}${NO:-z}\n";
        let read = parse(text.as_bytes(), &|name| {
            (name == "HOME_OF").then(|| "/home".to_owned())
        });
        assert!(read.faults.is_empty());
        let all = read.variables.iter();
        let shown: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            shown,
            [
                "A=1",
                "B=two",
                "C=a # b\"c",
                "D=$A",
                "E=1-two",
                "F=pa$$",
                "G=a#b",
                "H=/home",
                "I=twoz"
            ]
        );
    }

    #[test]
    fn quotes_may_go_over_lines_and_must_end() {
        let text = b"A=\"one\nB=two\"\nC='x\ny'\nD=${A:-${C}}\nE=${NO:-${B:-b}c}\nF=\"\\\"\nG=1\nH='x\nI=2\n";
        let read = parse(text, &|_| None);
        let all = read.variables.iter();
        let shown: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            shown,
            [
                "A=one\nB=two",
                "C=x\ny",
                "D=one\nB=two",
                "E=bc",
                "G=1",
                "I=2"
            ]
        );
        assert!(read.faults["F"].contains("line 7, `F`: its quotes are never closed"));
        assert!(read.faults["H"].contains("line 9"), "{:?}", read.faults);
    }

    #[test]
    fn quotes_count_wherever_they_stand_as_to_the_shell() {
        let text = b"X=a\nA=sqlite:'$X'.db\nB=sqlite:\"$X\".db\nC=\"sqlite:\"a.db\nD='a '\"b \" # c\nE=it's\nF=it\\'s\nG=a\"b\nH='a'#b\n";
        let read = parse(text, &|_| None);
        let all = read.variables.iter();
        let shown: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            shown,
            [
                "A=sqlite:$X.db",
                "B=sqlite:a.db",
                "C=sqlite:a.db",
                "D=a b ",
                "F=it's",
                "H=a",
                "X=a"
            ]
        );
        let faults: Vec<&str> = read.faults.keys().map(String::as_str).collect();
        assert_eq!(faults, ["E", "G"]);
    }

    #[test]
    fn a_carriage_return_ends_a_line() {
        for end in ["\r", "\r\n", "\n"] {
            let text = ["A=a.db", "B=1", "C='x", "y'", "D"].join(end);
            let read = parse(text.as_bytes(), &|_| None);
            let all = read.variables.iter();
            let shown: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(shown, ["A=a.db", "B=1", "C=x\ny"], "{end:?}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_known_is_a_fault_of_its_variable_alone() {
        let text = b"\xef\xbb\xbfA=1\n# \xfc\nB=\xfc\nC=${NO}\nD=x${C}\nE=$A\nF='$NO $(x) `'\nG=a\\$NO\\`\nH=$(x)\nI=\"a`x`\"\n";
        let read = parse(text, &|_| None);
        let known: Vec<&str> = read.variables.keys().map(String::as_str).collect();
        assert_eq!(known, ["A", "E", "F", "G"]);
        let faults: Vec<&str> = read.faults.keys().map(String::as_str).collect();
        assert_eq!(faults, ["B", "C", "D", "H", "I"]);
        assert!(read.faults["C"].contains("line 4"), "{:?}", read.faults);
    }
}
