//! Versions, as tools compare them: number by number, however long; and the place in the order that a version has.

use std::cmp::Ordering;
use std::fmt;

use super::repeatable::runs_last;

/// A version, such as `20240101090000` or `1.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Numbers without zeros before them; no zero at the end.
    numbers: Vec<String>,
}

/// The bits of an index that numbers of a version may take.
const INDEX_BITS: u32 = 63;

/// How a number is written into an index: those below `end` as `prefix`, which is `prefix_bits` long, and `bits` more. A
/// larger number has a larger prefix, so that indexes are in the order of the versions.
const CLASSES: [Class; 5] = [
    Class::new(0b0, 1, 6),
    Class::new(0b10, 2, 12),
    // Days, such as 20240101.
    Class::new(0b110, 3, 27),
    // Seconds, such as 20240101090000.
    Class::new(0b1110, 4, 47),
    // Milliseconds.
    Class::new(0b1111, 4, 57),
];

struct Class {
    prefix: u64,
    prefix_bits: u32,
    bits: u32,
}

impl Class {
    const fn new(prefix: u64, prefix_bits: u32, bits: u32) -> Self {
        Self {
            prefix,
            prefix_bits,
            bits,
        }
    }
}

/// The least index of a version of several numbers whose first is not 0; indexes below are numbers themselves.
const FIRST_OF_VERSIONS: u64 = 1 << (INDEX_BITS - 7);

impl Version {
    /// Reads a version; the numbers may be parted by dots or underscores. None when there is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = Vec::new();
        for number in text.split(['.', '_']) {
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            numbers.push(number.trim_start_matches('0').to_owned());
        }
        while numbers.last().is_some_and(String::is_empty) {
            numbers.pop();
        }
        Some(Self { numbers })
    }

    /// The place in the order of a file whose name begins with `V` and this version; none when it has too many numbers, or
    /// too large ones. It depends on nothing but the version.
    pub fn index(&self) -> Option<u64> {
        let mut index = 0;
        let mut left = INDEX_BITS;
        for number in &self.numbers {
            let number: u64 = match number.as_str() {
                "" => 0,
                digits => digits.parse().ok()?,
            };
            let class = CLASSES.iter().find(|class| number < 1 << class.bits)?;
            left = left.checked_sub(class.prefix_bits + class.bits)?;
            index |= (class.prefix << class.bits | number) << left;
        }
        Some(index)
    }

    /// The version that has this index.
    fn of_index(index: u64) -> Option<Self> {
        let mut numbers = Vec::new();
        let mut left = INDEX_BITS;
        while left > 0 {
            let fits = |class: &&Class| {
                let bits = class.prefix_bits + class.bits;
                left >= bits
                    && index >> (left - class.prefix_bits) & ((1 << class.prefix_bits) - 1)
                        == class.prefix
            };
            let Some(class) = CLASSES.iter().find(fits) else {
                break;
            };
            left -= class.prefix_bits + class.bits;
            numbers.push((index >> left & ((1 << class.bits) - 1)).to_string());
        }
        let version = Self::parse(&numbers.join("."))?;
        (version.index() == Some(index)).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: &String| match number.as_str() {
            "" => "0".to_owned(),
            digits => digits.to_owned(),
        };
        let numbers: Vec<String> = self.numbers.iter().map(number).collect();
        match numbers.is_empty() {
            true => formatter.write_str("0"),
            false => formatter.write_str(&numbers.join(".")),
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_size = |number: &String| (number.len(), number.clone());
        self.numbers
            .iter()
            .map(by_size)
            .cmp(other.numbers.iter().map(by_size))
    }
}

/// How a step is shown: `0001_name`, or `V1_2__name` and `R__name` where the name itself says the index.
pub fn step_label(index: u64, name: &str) -> String {
    let names_its_index = name
        .strip_prefix(['V', 'B'])
        .map(|rest| rest.split_once("__").map_or(rest, |(version, _)| version))
        .and_then(Version::parse)
        .is_some_and(|version| version.index() == Some(index));
    match name {
        _ if names_its_index || runs_last(index) => name.to_owned(),
        "" => index_label(index),
        _ => format!("{index:04}_{name}"),
    }
}

/// How an index is shown that has no name beside it.
pub fn index_label(index: u64) -> String {
    let version = (index >= FIRST_OF_VERSIONS).then(|| Version::of_index(index));
    match version.flatten() {
        _ if runs_last(index) => "R__".to_owned(),
        Some(version) => format!("V{version}"),
        None => format!("{index:04}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Version, index_label, step_label};

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("2") < version("10"));
        assert!(version("1.9") < version("1_10"));
        assert!(version("1") < version("1.0.1"));
        assert_eq!(version("01.20"), version("1.20.0"));
        assert!(version("99999999999999999999") < version("100000000000000000000"));
        assert_eq!(Version::parse("1a"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn indexes_are_in_the_order_of_the_versions() {
        let mut all: Vec<Version> = [
            "0",
            "0.0.1",
            "0.1",
            "1",
            "1.0.0.1",
            "1.1",
            "1.2",
            "1.10",
            "1.63",
            "1.64",
            "1.4095",
            "1.4096",
            "2",
            "10",
            "63",
            "64",
            "64.1",
            "99",
            "2023.1.15.1",
            "2023.01.15.2",
            "4095",
            "4096",
            "20240101",
            "20240101.1200.1",
            "134217727",
            "134217728",
            "1700000000",
            "20240101120000",
            "20240101120000.1",
            "20240101120000123",
        ]
        .map(version)
        .to_vec();
        all.sort();
        for pair in all.windows(2) {
            assert!(
                pair[0].index() < pair[1].index(),
                "{} and {}",
                pair[0],
                pair[1]
            );
        }
        for version in all {
            let index = version.index().unwrap();
            assert!(i64::try_from(index).is_ok(), "{version}");
            assert_eq!(Version::of_index(index), Some(version));
        }
        assert_eq!(version("1.2").index(), version("01_2_0").index());
        assert_eq!(version("1.2.3.4.5.6.7.8.9").index().map(|_| ()), Some(()));
        assert_eq!(version("1.2.3.4.5.6.7.8.9.10").index(), None);
        assert_eq!(version("99999999999999999999").index(), None);
    }

    #[test]
    fn a_name_that_says_the_version_is_shown_as_it_is() {
        let index = version("1.2").index().unwrap();
        assert_eq!(step_label(index, "V1_2__a"), "V1_2__a");
        assert_eq!(step_label(index, "V1.2.0"), "V1.2.0");
        assert_eq!(step_label(1, "V1_2__a"), "0001_V1_2__a");
        assert_eq!(step_label(1, ""), "0001");
        assert_eq!(index_label(index), "V1.2");
        assert_eq!(index_label(20_240_101_120_000), "20240101120000");
        assert_eq!(index_label(i64::MAX as u64), i64::MAX.to_string());
        assert_eq!(step_label(u64::MAX, "R__views"), "R__views");
    }
}
