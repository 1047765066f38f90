//! How the files of a directory are named, by the last of them.

use std::fs;
use std::io;
use std::path::Path;

use super::super::file_name::{self, Parts};
use super::super::version::Version;
use super::super::{Error, StepKind, runs_last};
use super::sections::Sections;

/// Names of directories' inner files that migrate, and of the one that undoes them.
const UP: [&str; 2] = ["up.sql", "migration.sql"];
const DOWN: &str = "down.sql";

/// Words in a file's name for what undoes another.
const UNDO: [&str; 4] = ["down", "undo", "rollback", "revert"];

/// How a step is spread over files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// One file; with `.up` in its name or not.
    File { up: bool },
    /// A directory of its own, with this file in it.
    Directory { up: &'static str },
}

/// What stands beside a step to undo it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// Nothing.
    Nothing,
    /// A file of the same name with this word.
    Word(String),
    /// `U1__name.sql` beside `V1__name.sql`.
    Flyway,
    /// `down.sql` in its directory.
    Inner,
}

/// How the last step is named and written.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// The stem of the last step; none in an empty directory.
    last: Option<String>,
    pub(super) spread: Spread,
    pub(super) undo: Undo,
    pub(super) sections: Sections,
}

impl Manner {
    /// That of the files of a directory; `begun` are components that were not built yet.
    pub(super) fn of(directory: &Path, begun: &[String]) -> io::Result<Self> {
        let mut names = begun.to_vec();
        for entry in fs::read_dir(directory)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        let mut last: Option<(u64, Manner)> = None;
        for name in &names {
            let Some((index, manner)) = step(directory, name, &names) else {
                continue;
            };
            // A component says nothing about how SQL is written; its number counts.
            let is_sql =
                name.to_ascii_lowercase().ends_with(".sql") || directory.join(name).is_dir();
            last = match last {
                Some((before, _)) if before > index => last,
                Some((_, before)) if !is_sql => Some((
                    index,
                    Self {
                        last: manner.last,
                        ..before
                    },
                )),
                _ => Some((index, manner)),
            };
        }
        let baselines = names.iter().filter_map(|name| baseline(name));
        let baseline = baselines.max_by_key(|(index, _)| *index);
        let (index, mut manner) = match last {
            Some((index, manner)) => (Some(index), manner),
            None => {
                let manner = Self {
                    last: None,
                    spread: Spread::File { up: false },
                    undo: Undo::Nothing,
                    sections: Sections::Own,
                };
                (None, manner)
            }
        };
        // What comes next must be above all that a baseline stands for.
        if let Some((_, stem)) = baseline.filter(|(place, _)| Some(*place) >= index) {
            manner.last = Some(match &manner.last {
                Some(last) => in_the_manner_of(last, &stem),
                None => stem,
            });
        }
        Ok(manner)
    }

    /// The stem of the next step.
    pub(super) fn next(&self, name: &str, now: i64) -> Result<String, Error> {
        let Some(last) = &self.last else {
            return Ok(format!("0001_{name}"));
        };
        let too_large = || Error::NewName {
            name: last.clone(),
            why: "has the largest number that there is, and none comes after it".to_owned(),
        };
        if file_name::is_flyways(last) {
            let (version, _) = last.split_once("__").unwrap_or((last, ""));
            let (before, number) = match version.rfind(['.', '_']) {
                Some(at) => version.split_at(at + 1),
                None => version.split_at(1),
            };
            let next = after(number, now).ok_or_else(too_large)?;
            return Ok(format!("{before}{next}__{name}"));
        }
        let number: String = last
            .chars()
            .take_while(|letter| letter.is_ascii_digit() || *letter == '-')
            .collect();
        let is_digit = |letter: char| letter.is_ascii_digit();
        let digits = number.replace('-', "");
        let is_numbered = file_name::diesels_time(last).is_some_and(|(_, is_numbered)| is_numbered);
        if is_numbered {
            // It is the second that is taken, and the number that tells two in it apart.
            let time = digits.get(..14).unwrap_or_default();
            let next = after(time, now).ok_or_else(too_large)?;
            return Ok(format!("{}-0000_{name}", dashes(next)));
        }
        let dashed = number.get(4..5) == Some("-") && matches!(digits.len(), 8 | 14);
        let number = match dashed {
            true => digits,
            false => {
                let end = last.find(|letter: char| !is_digit(letter));
                last.get(..end.unwrap_or(last.len()))
                    .unwrap_or_default()
                    .to_owned()
            }
        };
        let mut next = after(&number, now).ok_or_else(too_large)?;
        if dashed {
            next = dashes(next);
        }
        let rest = last.trim_start_matches(|letter| is_digit(letter) || (dashed && letter == '-'));
        let separator = rest
            .chars()
            .next()
            .filter(|letter| "_-. ".contains(*letter));
        Ok(format!("{next}{}{name}", separator.unwrap_or('_')))
    }
}

/// The index of a baseline, and the stem of a step at its place; none when it is no baseline.
fn baseline(file_name: &str) -> Option<(u64, String)> {
    let parts = Parts::of(file_name)?;
    if parts.undoes {
        return None;
    }
    if let Some(version) = file_name::baselined_version(&parts.stem) {
        let step = format!("V{}", parts.stem.trim_start_matches('B'));
        return Some((version.index()?, step));
    }
    let (index, _) = file_name::index_and_name(&parts.stem).ok()?;
    (parts.is_baseline && !runs_last(index)).then_some((index, parts.stem))
}

/// The stem of a step at the place of a baseline, written as the last step is.
fn in_the_manner_of(last: &str, baseline: &str) -> String {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let digits: String = baseline
        .chars()
        .take_while(|letter| is_digit(*letter))
        .collect();
    let is_dashed = last.get(4..5) == Some("-") && last.chars().take(4).all(is_digit);
    if digits.is_empty() || baseline.get(4..5) == Some("-") {
        return baseline.to_owned();
    }
    match (is_dashed, digits.len()) {
        (true, 8 | 14) => format!("{}_", dashes(digits)),
        (true, 17) => format!(
            "{}-0000_",
            dashes(digits.get(..14).unwrap_or_default().to_owned())
        ),
        (true, _) => baseline.to_owned(),
        (false, _) => format!("{digits}{}", last.trim_start_matches(is_digit)),
    }
}

/// A day and a time with dashes in between.
fn dashes(mut digits: String) -> String {
    for at in [4, 7, 10] {
        if at < digits.len() {
            digits.insert(at, '-');
        }
    }
    digits
}

/// The step of which this name is the first file; none when it is of no step.
fn step(directory: &Path, name: &str, names: &[String]) -> Option<(u64, Manner)> {
    let path = directory.join(name);
    let (stem, spread, undo, text) = if path.is_dir() {
        let up = UP.into_iter().find(|up| path.join(up).is_file())?;
        let undo = match path.join(DOWN).is_file() {
            true => Undo::Inner,
            false => Undo::Nothing,
        };
        (
            name.to_owned(),
            Spread::Directory { up },
            undo,
            path.join(up),
        )
    } else {
        let parts = Parts::of(name)?;
        if parts.undoes || parts.is_baseline || file_name::undone_version(&parts.stem).is_some() {
            return None;
        }
        let up = parts.form == StepKind::Sql && name.to_ascii_lowercase().contains(".up.");
        let undo = undo_of(&parts.stem, names);
        (parts.stem, Spread::File { up }, undo, path)
    };
    let (index, _) = file_name::index_and_name(&stem).ok()?;
    if runs_last(index) {
        return None;
    }
    let sections = match [".wasm", ".js", ".ts", ".py"]
        .iter()
        .any(|ending| name.to_ascii_lowercase().ends_with(ending))
    {
        true => Sections::Own,
        false => Sections::of(&String::from_utf8_lossy(
            &fs::read(text).unwrap_or_default(),
        )),
    };
    let manner = Manner {
        last: Some(stem),
        spread,
        undo,
        sections,
    };
    Some((index, manner))
}

/// What undoes the step with this stem.
fn undo_of(stem: &str, names: &[String]) -> Undo {
    let is_there = |name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    let word = UNDO
        .into_iter()
        .find(|word| is_there(&format!("{stem}.{word}.sql")));
    if let Some(word) = word {
        return Undo::Word(word.to_owned());
    }
    let version = match file_name::is_flyways(stem) {
        true => file_name::version(stem),
        false => None,
    };
    let undoes = |name: &String| {
        let parts = Parts::of(name);
        let undone: Option<Version> =
            parts.and_then(|parts| file_name::undone_version(&parts.stem));
        undone.is_some() && undone == version
    };
    match names.iter().any(undoes) {
        true => Undo::Flyway,
        false => Undo::Nothing,
    }
}

/// The number after one, as wide as it is; the time where it is one. Whether it has a place in the order is another question: one with
/// microseconds is larger than that.
fn after(number: &str, now: i64) -> Option<String> {
    let next = number.parse::<u128>().ok()?.checked_add(1)?;
    let width = number.len();
    let time = match width {
        8 | 14 | 17 | 20 if is_day(number) => digits_of(now).get(..width).map(str::to_owned),
        10 if number.starts_with('1') => Some(now.to_string()),
        _ => None,
    };
    let time = time.and_then(|time| time.parse::<u128>().ok());
    let number = time.map_or(next, |time| time.max(next));
    let is_readable = i64::try_from(number).is_ok() || width == 20;
    is_readable.then(|| format!("{number:0width$}"))
}

/// Whether a number begins with a day.
fn is_day(number: &str) -> bool {
    let part = |from: usize, to: usize| {
        number
            .get(from..to)
            .and_then(|part| part.parse::<u32>().ok())
    };
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    year.is_some_and(|year| (1970..=2200).contains(&year))
        && month.is_some_and(|month| (1..=12).contains(&month))
        && day.is_some_and(|day| (1..=31).contains(&day))
}

/// A time in UTC as `YYYYMMDDHHMMSSuuuuuu`.
fn digits_of(now: i64) -> String {
    jiff::Timestamp::from_second(now).map_or_else(
        |_| String::new(),
        |time| time.strftime("%Y%m%d%H%M%S000000").to_string(),
    )
}
