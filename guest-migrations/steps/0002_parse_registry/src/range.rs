//! Ranges of subtags: `qaa..qtz` stands for every code from the first to the last.

use wasmigrate_sdk::{Result, ensure};

/// No range of the registry is longer; a longer one is a mistake that would fill the table.
const LONGEST: usize = 1_000;

/// The codes that a `Subtag` field stands for: one, or all of its range.
pub(crate) fn codes(field: &str) -> Result<Vec<String>> {
    let Some((first, last)) = field.split_once("..") else {
        return Ok(vec![field.to_owned()]);
    };
    ensure!(
        first.len() == last.len() && first <= last && is_letters(first) && is_letters(last),
        "the range {field:?} has no order"
    );
    let mut codes = vec![first.to_owned()];
    let mut current = first.as_bytes().to_vec();
    while current != last.as_bytes() {
        ensure!(
            codes.len() < LONGEST && increment(&mut current),
            "the range {field:?} does not end"
        );
        codes.push(String::from_utf8_lossy(&current).into_owned());
    }
    Ok(codes)
}

fn is_letters(code: &str) -> bool {
    !code.is_empty() && code.bytes().all(|letter| letter.is_ascii_alphabetic())
}

/// The next code in the order of the alphabet; each letter stays as large or small as it is. False after the last.
fn increment(code: &mut [u8]) -> bool {
    for letter in code.iter_mut().rev() {
        match *letter {
            b'z' => *letter = b'a',
            b'Z' => *letter = b'A',
            _ => {
                *letter += 1;
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_expanded() {
        assert_eq!(codes("de").unwrap(), ["de"]);
        assert_eq!(codes("QX..QZ").unwrap(), ["QX", "QY", "QZ"]);
        let scripts = codes("Qaaa..Qabx").unwrap();
        assert_eq!(scripts.len(), 50);
        assert_eq!(scripts.get(25..27).unwrap(), ["Qaaz", "Qaba"]);
        assert_eq!(codes("qaa..qtz").unwrap().len(), 20 * 26);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for field in ["b..a", "aa..b", "a1..a3", "..", "aaa..zzz", "a..Z"] {
            assert!(codes(field).is_err(), "{field}");
        }
    }
}
