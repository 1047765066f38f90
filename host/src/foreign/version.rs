//! Versions, as tools compare them: number by number, however long.

use std::cmp::Ordering;

/// A version, such as `20240101090000` or `1.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Numbers without zeros before them; no zero at the end.
    numbers: Vec<String>,
}

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

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("2") < version("10"));
        assert!(version("1.9") < version("1_10"));
        assert!(version("1") < version("1.0.1"));
        assert_eq!(version("01.20"), version("1.20.0"));
        assert!(version("99999999999999999999") < version("100000000000000000000"));
        assert_eq!(Version::parse("1a"), None);
        assert_eq!(Version::parse(""), None);
    }
}
