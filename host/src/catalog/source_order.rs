//! The order in which the migrations of sources run: by the versions in their names, or by the names. Names that do not say it are
//! refused.

use std::cmp::Ordering;

use super::source_file::{SourceFile, SourceOrder};
use super::{Error, Version, file_name};

/// The version in a name by which it has its place. Unlike an index, it may have points in it.
pub(super) fn version(stem: &str) -> Option<Version> {
    let end = stem.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, name) = stem.split_at_checked(end.unwrap_or(stem.len()))?;
    let number = number.trim_end_matches('.');
    let is_followed = name.is_empty() || name.starts_with(['_', '-', ' ']);
    if number.contains('.') && is_followed {
        return Version::parse(number);
    }
    match file_name::diesels_time(stem) {
        // For Diesel, the same time without a number comes before.
        Some((_, true)) => {
            let digits = file_name::version(stem)?.to_string();
            let (time, number) = digits.split_at_checked(digits.len().checked_sub(3)?)?;
            Version::parse(&format!("{time}.{}", number.parse::<u32>().ok()? + 1))
        }
        _ => file_name::version(stem),
    }
}

/// Puts migrations into their order; none is the order of the versions where there are no tenants, and elsewhere that of names
/// which are in the same order either way.
pub(super) fn put(
    files: &mut [SourceFile],
    order: Option<SourceOrder>,
    are_for_tenants: bool,
) -> Result<(), Error> {
    by_name(files);
    if order == Some(SourceOrder::Names) {
        return Ok(());
    }
    if let (Some(SourceOrder::Versions), Some(file)) =
        (order, files.iter().find(|file| file.version.is_none()))
    {
        return Err(Error::NoVersion(file.key.clone()));
    }
    let have_versions = files.iter().all(|file| file.version.is_some());
    if order == Some(SourceOrder::Versions) || (have_versions && !are_for_tenants) {
        // Those of equal versions stay in the order of their names.
        files.sort_by(|one, other| one.version.cmp(&other.version));
        return refuse_numbers(files, |one, other| one.version == other.version);
    }
    let mut last: Option<(&Version, &SourceFile)> = None;
    for file in files.iter() {
        let Some(version) = &file.version else {
            continue;
        };
        match last {
            Some((before, first)) if before > version => {
                return Err(Error::Order {
                    first: first.key.clone(),
                    second: file.key.clone(),
                });
            }
            _ => last = Some((version, file)),
        }
    }
    refuse_numbers(files, |_, _| true)
}

/// By name; files of equal names stay in the order of their directories.
pub(super) fn by_name(files: &mut [SourceFile]) {
    files.sort_by(|one, other| one.file_name.as_bytes().cmp(other.file_name.as_bytes()));
}

/// Refuses files beside each other whose names put 10 before 2.
fn refuse_numbers(
    files: &[SourceFile],
    counts: fn(&SourceFile, &SourceFile) -> bool,
) -> Result<(), Error> {
    for (first, second) in files.iter().zip(files.iter().skip(1)) {
        if counts(first, second)
            && by_numbers(&first.file_name, &second.file_name) == Ordering::Greater
        {
            return Err(Error::Numbers {
                first: first.key.clone(),
                second: second.key.clone(),
            });
        }
    }
    Ok(())
}

/// Compares names with their numbers as numbers.
fn by_numbers(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (number, after) = leading(one, true);
        let (number_of_other, after_other) = leading(other, true);
        if !number.is_empty() && !number_of_other.is_empty() {
            let value = |digits: &str| digits.trim_start_matches('0').to_owned();
            let (value, value_of_other) = (value(number), value(number_of_other));
            let order = (value.len(), value).cmp(&(value_of_other.len(), value_of_other));
            if order != Ordering::Equal {
                return order;
            }
            (one, other) = (after, after_other);
            continue;
        }
        let (text, after) = leading(one, false);
        let (text_of_other, after_other) = leading(other, false);
        if text != text_of_other || text.is_empty() {
            return one.as_bytes().cmp(other.as_bytes());
        }
        (one, other) = (after, after_other);
    }
}

/// The digits that a text begins with, or what is before its first one, and the rest.
fn leading(text: &str, are_digits: bool) -> (&str, &str) {
    let end = text.find(|letter: char| letter.is_ascii_digit() != are_digits);
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_may_have_points() {
        let parsed = |text| Version::parse(text);
        assert_eq!(version("1.10.0_b"), parsed("1.10"));
        assert_eq!(version("1.2"), parsed("1.2"));
        assert_eq!(version("0001.name"), parsed("1"));
        assert_eq!(version("1.2fa_setup"), parsed("1"));
        assert_eq!(version("0001_a"), parsed("1"));
        assert_eq!(version("V1_2__a"), parsed("1.2"));
        assert_eq!(version("v10"), None);
        assert!(version("2025-11-19-091444-0000_a") < version("2026-01-20-162913_b"));
        assert!(version("2026-05-26-120000_d") < version("2026-05-26-120000-0000_c"));
        assert!(version("2026-05-26-120000-0009_c") < version("2026-05-26-120000-000a_d"));
    }

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        for (first, second) in [
            ("v2", "v10"),
            ("release-2.sql", "release-10.sql"),
            ("a1b2", "a1b10"),
            ("1", "a"),
            ("a", "b"),
            ("a", "a1"),
        ] {
            assert_eq!(by_numbers(first, second), Ordering::Less, "{first}");
        }
        assert_eq!(by_numbers("a01", "a1"), Ordering::Equal);
    }
}
