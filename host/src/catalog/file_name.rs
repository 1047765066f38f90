//! What the name of a file among migrations says: whether it migrates or undoes, for which database, and where in the
//! order.
//!
//! `0001_name.sql`, `20240101090000_name.up.sql`, `2024-01-01-090000_name`, `0001-name.sql`, `0001.sql`: the number is the
//! index. `V1_2__name.sql`: the version is. Endings are read in any case.

use unicode_normalization::UnicodeNormalization as _;

use super::StepKind;
use super::companions::stands_beside;
use super::meant_for::MeantFor;
use super::repeatable::{is_repeatable_name, repeatable_index};
use super::script::is_declarations;
use super::version::Version;
use crate::database::Kind;

/// Why a baseline cannot stand where it does.
pub(super) const BASELINE: &str =
    "is a baseline for new databases, and would run beside what it stands for: move it away";

/// What becomes of a migration that cannot be run.
pub(super) const WAY_ON: &str =
    "which cannot be run here: write it as SQL, as NNNN_name.js, .ts or .py, or as a component";

/// Endings of migrations that other tools run and that cannot be run here, or not without a number.
const OTHER_LANGUAGES: [&str; 46] = [
    "bash", "cjs", "clj", "coffee", "cql", "cr", "cs", "csx", "cts", "dart", "ddl", "edn", "erb",
    "ex", "exs", "fizz", "fs", "fsx", "go", "groovy", "gz", "hs", "j2", "java", "json", "kt",
    "kts", "lua", "mjs", "mts", "pgsql", "php", "pl", "ps1", "psql", "py", "rb", "rs", "scala",
    "sh", "swift", "ts", "tsx", "xml", "yaml", "yml",
];

/// What a file in the directory of a step is called that migrates or undoes, whatever its ending.
const ROLES: [&str; 8] = [
    "up",
    "down",
    "migrate",
    "migration",
    "post",
    "pre",
    "rollback",
    "undo",
];

/// A file that is SQL, a component or a script by its ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// The name without all that follows.
    pub(super) stem: String,
    pub(super) form: StepKind,
    /// The database that it is meant for; none for all.
    pub(super) meant_for: Option<MeantFor>,
    /// Whether it undoes what the file without this does.
    pub(super) undoes: bool,
    /// Whether it stands for the steps up to it, on new databases.
    pub(super) is_baseline: bool,
}

impl Parts {
    /// Reads a name; none for a file that is none of these.
    pub(super) fn of(file_name: &str) -> Option<Self> {
        // Scripts without a number are what the tools of these languages keep beside migrations: settings, an index.
        let has_number = |stem: &str| version(stem).is_some() || is_repeatable_name(stem);
        Self::of_free(file_name).filter(|it| !it.form.is_script() || has_number(&it.stem))
    }

    /// The same where names need no number.
    pub(super) fn of_free(file_name: &str) -> Option<Self> {
        let (mut stem, form) = StepKind::ALL
            .into_iter()
            .map(|form| (form.ending(), form))
            .find_map(|(ending, form)| Some((without_ending(file_name, ending)?, form)))?;
        if form.is_script() && (is_declarations(file_name) || stem == "__init__") {
            return None;
        }
        let (mut meant_for, mut undoes, mut is_baseline) = (None, false, false);
        while let Some((before, word)) = stem.rsplit_once('.') {
            match word.to_ascii_lowercase().as_str() {
                "up" => {}
                "down" | "undo" | "rollback" | "revert" => undoes = true,
                "baseline" => is_baseline = true,
                word => match MeantFor::of(word) {
                    Some(database) => meant_for = Some(database),
                    None => break,
                },
            }
            stem = before;
        }
        let undone = postgrators_undone(stem);
        undoes |= undone.is_some();
        Some(Self {
            // One name is written in several ways by file systems and keyboards.
            stem: undone.as_deref().unwrap_or(stem).nfc().collect(),
            form,
            meant_for,
            undoes,
            is_baseline,
        })
    }

    pub(super) fn is_for(&self, database: Kind) -> bool {
        self.meant_for
            .is_none_or(|meant_for| meant_for == MeantFor::Target(database))
    }
}

/// What a file undoes that is called as Postgrator has it, `001.undo.name` beside `001.do.name`.
fn postgrators_undone(stem: &str) -> Option<String> {
    let (number, rest) = stem.split_once('.')?;
    let name = rest.strip_prefix("undo.")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !name.is_empty()).then(|| format!("{number}.do.{name}"))
}

pub(super) fn without_ending<'n>(name: &'n str, ending: &str) -> Option<&'n str> {
    let (stem, end) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    end.eq_ignore_ascii_case(ending).then_some(stem)
}

/// Whether it is SQL, a component or a script by its ending.
pub(super) fn is_program(file_name: &str) -> bool {
    Parts::of(file_name).is_some()
}

/// The file of which this is Flyway's script configuration.
pub(super) fn strip_conf(file_name: &str) -> Option<&str> {
    file_name
        .strip_suffix(".conf")
        .filter(|name| is_program(name))
}

/// Why a file of another ending cannot be passed over; none when it can.
pub(super) fn in_another_language(file_name: &str) -> Option<String> {
    let (stem, ending) = file_name.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    (is_numbered(stem) && OTHER_LANGUAGES.contains(&&*ending) && !is_declarations(file_name))
        .then(|| format!("is a migration of another form (.{ending}), {WAY_ON}"))
}

/// Whether a name begins as that of a step.
pub(super) fn is_numbered(stem: &str) -> bool {
    stem.starts_with(|letter: char| letter.is_ascii_digit())
        || flyway(stem).is_some_and(|(_, version)| version.is_some())
        || stem.starts_with("R__")
}

/// Whether a name without its ending begins as that of a step: with a number, and with what parts it from more; with a version; or as
/// that of a repeatable one.
pub(super) fn begins_as_step(stem: &str) -> bool {
    let rest = stem.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let is_parted = rest.is_empty() || rest.starts_with(['_', '-', '.', ' ']);
    let is_versioned = || match flyway(stem) {
        Some((prefix, Some(_))) => prefix != 'R',
        _ => false,
    };
    (rest.len() < stem.len() && is_parted) || is_versioned() || stem.starts_with("R__")
}

/// Whether its ending is that of a language in which other tools have migrations.
pub(super) fn is_in_another_language(file_name: &str) -> bool {
    let ending = file_name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    // Some of these stand everywhere.
    let is_common = |ending: &str| matches!(ending, "json" | "sh" | "yaml" | "yml" | "gz");
    ending.is_some_and(|ending| OTHER_LANGUAGES.contains(&&*ending) && !is_common(&ending))
}

/// Whether this is the ending of a language in which other tools have migrations, or may not be run here without a number.
pub(super) fn is_other_language(ending: &str) -> bool {
    OTHER_LANGUAGES.contains(&ending)
}

/// Whether a file in the directory of a step is no SQL and could be meant to migrate: a program, or anything that is called so.
pub(super) fn could_migrate(file_name: &str) -> bool {
    let Some((stem, ending)) = file_name.rsplit_once('.') else {
        return false;
    };
    let (stem, ending) = (stem.to_ascii_lowercase(), ending.to_ascii_lowercase());
    let is_beside_programs = ["test", "spec", "d"]
        .iter()
        .any(|word| stem.ends_with(&format!(".{word}")) || stem.ends_with(&format!("_{word}")));
    if is_beside_programs {
        return false;
    }
    let is_called_so =
        ROLES.contains(&&*stem) || stem.starts_with(|letter: char| letter.is_ascii_digit());
    ending == "js"
        || is_in_another_language(file_name)
        || (OTHER_LANGUAGES.contains(&&*ending) && is_called_so)
}

/// Whether a file beside the SQL of a step is called as what migrates or undoes, and has no ending of what stands beside steps.
pub(super) fn is_called_as_one(file_name: &str) -> bool {
    let lower = file_name.to_ascii_lowercase();
    let (stem, ending) = lower.rsplit_once('.').unwrap_or((&lower, ""));
    ROLES.contains(&stem) && !stands_beside(ending)
}

/// Whether a directory is called as one of a step is: by a number or a version, and a name.
pub(super) fn is_of_a_step(directory: &str) -> bool {
    index_and_name(directory).is_ok_and(|(_, name)| !name.is_empty())
}

/// The name in a stem, without its number or version.
pub(super) fn named(stem: &str) -> &str {
    let is_separator = |letter: char| matches!(letter, '_' | '-' | '.' | ' ');
    let rest = match flyway(stem) {
        Some((_, Some(_))) => stem.split_once("__").map_or("", |(_, name)| name),
        _ => digits(stem).map_or(stem, |(_, rest)| rest),
    };
    rest.trim_start_matches(is_separator)
}

/// A name of Flyway's: its prefix, and the version when there is one.
fn flyway(stem: &str) -> Option<(char, Option<Version>)> {
    let prefix = stem
        .chars()
        .next()
        .filter(|letter| "VUBR".contains(*letter))?;
    let rest = stem.get(1..).unwrap_or_default();
    let version = rest.split_once("__").map_or(rest, |(version, _)| version);
    Some((prefix, Version::parse(version)))
}

/// The version of a file that undoes another in the manner of Flyway, `U1_2__name`.
pub(super) fn undone_version(stem: &str) -> Option<Version> {
    flyway(stem).filter(|(prefix, _)| *prefix == 'U')?.1
}

/// The version up to which a baseline in the manner of Flyway stands for steps, `B1_2__name`.
pub(super) fn baselined_version(stem: &str) -> Option<Version> {
    flyway(stem).filter(|(prefix, _)| *prefix == 'B')?.1
}

/// The version in a name, `V1_2__name` or `0001_name`; none where there is none.
pub(super) fn version(stem: &str) -> Option<Version> {
    match flyway(stem) {
        Some(('V', version)) => version,
        _ => {
            let (digits, _) = digits(stem)?;
            Version::parse(&digits)
        }
    }
}

/// Whether the version in a name is written in the manner of Flyway.
pub(super) fn is_flyways(stem: &str) -> bool {
    matches!(flyway(stem), Some(('V', Some(_))))
}

/// Why a name is none of a migration that runs once; none when nothing speaks against it.
pub(super) fn objection(stem: &str) -> Option<&'static str> {
    if stem == "R__" {
        return Some("is repeatable, and has no name: call it R__name.sql");
    }
    if is_nearly_flyways(stem) {
        return Some(
            "is not named as a step: Flyway's prefixes are capital letters, with a version after V, U and B and none after R",
        );
    }
    match flyway(stem) {
        Some(('B', Some(_))) => Some(BASELINE),
        Some(('U', Some(_))) => Some(
            "undoes a file V… of the same version, which is not there: put that back, or name this one V… when it migrates",
        ),
        _ => None,
    }
}

/// Whether it is written as Flyway writes names and is none of them: what it was meant to be is not known.
fn is_nearly_flyways(stem: &str) -> bool {
    let Some((prefix, rest)) = stem.split_at_checked(1) else {
        return false;
    };
    let Some((version, _)) = rest.split_once("__") else {
        return false;
    };
    let has_version = Version::parse(version).is_some();
    let is_written_so = "VUBRvubr".contains(prefix) && (has_version || version.is_empty());
    is_written_so
        && match prefix {
            "V" | "U" | "B" => !has_version,
            "R" => has_version,
            _ => true,
        }
}

/// The index and the name that a stem says, or why it says none.
pub(super) fn index_and_name(stem: &str) -> Result<(u64, String), String> {
    if is_repeatable_name(stem) {
        return Ok((repeatable_index(stem), stem.to_owned()));
    }
    if let Some(why) = objection(stem) {
        return Err(why.to_owned());
    }
    if let Some(('V', Some(version))) = flyway(stem) {
        let index = version.index().ok_or_else(|| {
            format!("has the version {version}, which is too long: nine small numbers fit, or a time and one more")
        })?;
        return Ok((index, stem.to_owned()));
    }
    let not_named = || "is not named as a step".to_owned();
    let (mut digits, rest) = digits(stem).ok_or_else(not_named)?;
    if digits.len() == 8 && stem.get(4..5) == Some("-") {
        // A day is among the times of others, as where names are compared as texts.
        digits.push_str("000000");
    }
    if let Some((time, microseconds)) = microseconds(&digits) {
        digits = format!("{time}{microseconds}");
    }
    let index = digits
        .parse::<u64>()
        .ok()
        .filter(|index| i64::try_from(*index).is_ok());
    let index = index.ok_or_else(|| {
        format!(
            "has the index {digits}, which is too large: the largest is {}",
            i64::MAX
        )
    })?;
    let name = match rest.strip_prefix('_') {
        Some("") => return Err(not_named()),
        Some(name) => name,
        None if rest.is_empty() => "",
        // What else parts the number from the name must not be followed by one more number: that could be a version.
        None => rest
            .strip_prefix(['-', '.', ' '])
            .filter(|name| {
                !name.is_empty() && !name.starts_with(|letter: char| letter.is_ascii_digit())
            })
            .ok_or_else(not_named)?,
    };
    Ok((index, name.to_owned()))
}

/// A time with six digits after it, the first of which is 0: with the others it is an index.
fn microseconds(digits: &str) -> Option<(&str, &str)> {
    let (time, rest) = digits.split_at_checked(14)?;
    let is_time = digits.len() == 20 && (time.starts_with("19") || time.starts_with("20"));
    Some((time, rest.strip_prefix('0')?)).filter(|_| is_time)
}

/// The number that a name begins with, and what follows it. A day and a time may have dashes in between.
fn digits(stem: &str) -> Option<(String, &str)> {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let first = stem.trim_start_matches(is_digit);
    let digits = stem.strip_suffix(first).unwrap_or_default();
    let mut all = digits.to_owned();
    let mut rest = first;
    for length in [2, 2, 6] {
        let Some(next) = rest.strip_prefix('-') else {
            break;
        };
        let after = next.trim_start_matches(is_digit);
        let part = next.strip_suffix(after).unwrap_or_default();
        if part.len() != length {
            break;
        }
        all.push_str(part);
        rest = after;
    }
    if digits.len() == 4 && all.len() >= 8 {
        return Some(match diesels_number(rest).filter(|_| all.len() == 14) {
            Some((number, rest)) => (format!("{all}{number:03}"), rest),
            None => (all, rest),
        });
    }
    (!digits.is_empty()).then(|| (digits.to_owned(), first))
}

/// The number by which Diesel tells the steps of one second apart, `-000a`, and what follows it. A word may look like a larger
/// one, and there are never so many.
fn diesels_number(rest: &str) -> Option<(u16, &str)> {
    let (number, rest) = rest.strip_prefix('-')?.split_at_checked(4)?;
    let is_followed = rest.is_empty() || rest.starts_with('_');
    let number = number_in_second(number).filter(|_| is_followed)?;
    Some((number, rest))
}

/// Reads four hexadecimal digits, as far as the number fits after a time.
fn number_in_second(digits: &str) -> Option<u16> {
    let is_digit = |letter: u8| matches!(letter, b'0'..=b'9' | b'a'..=b'f');
    let is_number = digits.len() == 4 && digits.starts_with('0') && digits.bytes().all(is_digit);
    let number = u16::from_str_radix(digits, 16).ok();
    number.filter(|number| is_number && *number < 1_000)
}

/// The version that Diesel writes into its table, `20240101090000000a`, as [`version`] reads it from a name.
pub(crate) fn diesels_version(text: &str) -> Option<Version> {
    let (time, number) = text.split_at_checked(14).unwrap_or((text, ""));
    match number_in_second(number) {
        Some(number) => Version::parse(&format!("{time}{number:03}")),
        None => Version::parse(text),
    }
}

/// The time in a name of Diesel's that has a number after it; of another one with a time, that with none.
pub(super) fn diesels_time(stem: &str) -> Option<(u64, bool)> {
    let (digits, _) = digits(stem)?;
    let is_numbered = digits.len() == 17 && stem.get(4..5) == Some("-");
    let time = digits.get(..14)?.parse().ok()?;
    (is_numbered || digits.len() == 14).then_some((time, is_numbered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(stem: &str) -> Option<(u64, String)> {
        index_and_name(stem).ok()
    }

    #[test]
    fn numbers_are_indexes_however_long() {
        for (stem, index, name) in [
            ("0001_a", 1, "a"),
            ("8_short", 8, "short"),
            ("0000_first", 0, "first"),
            ("0001__a", 1, "_a"),
            ("20240101090000_a", 20_240_101_090_000, "a"),
            ("20240101120000123_a", 20_240_101_120_000_123, "a"),
            ("1481574547_a", 1_481_574_547, "a"),
            ("001-users", 1, "users"),
            ("0001", 1, ""),
            ("2024-01-01-000000_a", 20_240_101_000_000, "a"),
            ("2024-01-01_a", 20_240_101_000_000, "a"),
            ("2024-01-01-090000-0000_a", 20_240_101_090_000_000, "a"),
            ("2024-01-01-090000-000a_a", 20_240_101_090_000_010, "a"),
            ("2024-01-01-090000-0000", 20_240_101_090_000_000, ""),
            ("2024-01-01-090000-face_a", 20_240_101_090_000, "face_a"),
            (
                "00000000000000_diesel_initial_setup",
                0,
                "diesel_initial_setup",
            ),
            ("9223372036854775807_last", i64::MAX as u64, "last"),
            ("20201110175414000001_a", 2_020_111_017_541_400_001, "a"),
        ] {
            assert_eq!(step(stem), Some((index, name.to_owned())), "{stem}");
        }
        for stem in [
            "init",
            "notes",
            "0001_",
            "v1__a",
            "1-2-a",
            "1.2_a",
            "9223372036854775808_a",
            "20201110175414100001_a",
            "B1__a",
            "U1__a",
            "R__",
            "V__a",
            "2024-01-01-090000-0fff_a",
            "2024-01-01-090000-00001_a",
            "2024-01-01-0000_a",
        ] {
            assert_eq!(step(stem), None, "{stem}");
        }
    }

    #[test]
    fn versions_of_flyway_are_in_their_order() {
        let index = |stem| step(stem).unwrap().0;
        assert!(index("V1__a") < index("V1_2__b"));
        assert!(index("V1_2__b") < index("V1.10__c"));
        assert!(index("V1.10__c") < index("V2__d"));
        assert!(index("V99__d") < index("V20240101120000__e"));
        assert_eq!(step("V1_2__b").unwrap().1, "V1_2__b");
    }

    #[test]
    fn endings_say_what_a_file_is_for() {
        let parts = |name| Parts::of(name).unwrap();
        assert_eq!(parts("0001_a.SQL").stem, "0001_a");
        assert_eq!(parts("0001_a.Wasm").form, StepKind::Wasm);
        assert!(!parts("0001_a.up.sql").undoes);
        for name in [
            "1_a.down.sql",
            "1_a.DOWN.sql",
            "1_a.rollback.sql",
            "1_a.undo.sql",
            "1_a.down.postgres.sql",
            "1_a.postgres.down.sql",
        ] {
            assert!(parts(name).undoes, "{name}");
            assert_eq!(parts(name).stem, "1_a");
        }
        assert_eq!(parts("0001_a.b.sql").stem, "0001_a.b");
        assert_eq!(
            parts("0001_a.sqlite3.sql").meant_for,
            MeantFor::of("SQLite")
        );
        assert_eq!(Parts::of("0001_a.sql.orig"), None);
    }
}
