//! `.env`: variables beside a project, as sqlx, dbmate and Prisma read them.
//!
//! <https://docs.rs/dotenvy/latest/dotenvy/>. Lines that are no assignment are passed over: they are somebody else's.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::input;

/// The file, in the working directory.
pub(super) const FILE: &str = ".env";

/// The variables of the file, when there is one that can be read. One that does not end, or is a pipe, is an error.
pub(super) fn read(
    variable: &dyn Fn(&str) -> Option<String>,
) -> io::Result<BTreeMap<String, String>> {
    match input::read_text(Path::new(FILE)) {
        Ok(text) => Ok(parse(&text, variable)),
        Err(error) => match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::TimedOut | ErrorKind::FileTooLarge => Err(error),
            _ => Ok(BTreeMap::new()),
        },
    }
}

/// The variables of a file; `variable` says what names in values stand for that the file does not set itself.
pub(super) fn parse(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim_end();
        if !is_name(name) {
            continue;
        }
        let value = value.trim_start();
        let text = match value.strip_prefix('\'') {
            Some(literal) => literal.split('\'').next().unwrap_or_default().to_owned(),
            None => {
                let lookup = |name: &str| all.get(name).cloned().or_else(|| variable(name));
                expanded(value, &lookup)
            }
        };
        all.insert(name.to_owned(), text);
    }
    all
}

/// Whether a text can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|letter: char| letter.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A value in double quotes, or without any to the end of the line or a comment.
fn expanded(value: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let quoted = value.strip_prefix('"');
    let mut text = String::new();
    let mut characters = quoted.unwrap_or(value).chars();
    loop {
        let rest = characters.as_str();
        match characters.next() {
            None => break,
            Some('"') if quoted.is_some() => return text,
            Some('#') if quoted.is_none() && text.ends_with([' ', '\t']) => break,
            Some('\\') => match characters.next() {
                Some('n') if quoted.is_some() => text.push('\n'),
                escaped => text.extend(escaped),
            },
            Some('$') => {
                let name = rest.trim_start_matches('$');
                let (name, length) = match name.strip_prefix('{') {
                    Some(name) => {
                        let name = name.split('}').next().unwrap_or_default();
                        (name, name.len() + 2)
                    }
                    None => {
                        let end = name
                            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
                        (name, name.len())
                    }
                };
                match is_name(name) {
                    true => {
                        text.push_str(&variable(name).unwrap_or_default());
                        characters = characters
                            .as_str()
                            .get(length..)
                            .unwrap_or_default()
                            .chars();
                    }
                    false => text.push('$'),
                }
            }
            Some(other) => text.push(other),
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_others_read_it() {
        let text = "# ours\nexport A=1\nB = two # said\nC=\"a # b\\\"c\"\nD='$A'\nE=${A}-$B\nF=pa$$\nnonsense\n9=x\nG=a#b\nH=${HOME_OF}\n";
        let all = parse(text, &|name| {
            (name == "HOME_OF").then(|| "/home".to_owned())
        });
        let shown: Vec<String> = all
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
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
                "H=/home"
            ]
        );
    }
}
