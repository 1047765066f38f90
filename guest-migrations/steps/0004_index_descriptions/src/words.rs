//! From a description to the words that people type: without accents, in small letters.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The words of a text, as they are searched for.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    let plain: String = text
        .nfkd()
        .filter(|letter| !is_combining_mark(*letter) && !is_apostrophe(*letter))
        .flat_map(char::to_lowercase)
        .collect();
    let words: Vec<_> = plain
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.into_iter()
}

/// Letters and marks that stand for a click or a stop within a word, and that nobody types.
fn is_apostrophe(letter: char) -> bool {
    matches!(
        letter,
        '\'' | '’' | '‘' | 'ʼ' | 'ʻ' | 'ʾ' | 'ʿ' | 'ǀ' | 'ǁ' | 'ǂ' | 'ǃ' | '!'
    )
}

/// Every three letters in a row, with the word's borders as blanks: `ab` is ` ab` and `ab `.
pub(crate) fn trigrams(word: &str) -> Vec<String> {
    let letters: Vec<char> = std::iter::once(' ')
        .chain(word.chars())
        .chain(std::iter::once(' '))
        .collect();
    letters
        .windows(3)
        .map(|three| three.iter().collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_clicks_are_left_out() {
        let found: Vec<_> = words("Norwegian Bokmål, ǂKxʼauǁʼein (Xârâcùù)").collect();
        assert_eq!(found, ["norwegian", "bokmal", "kxauein", "xaracuu"]);
    }

    #[test]
    fn a_word_has_its_borders_in_its_trigrams() {
        assert_eq!(trigrams("lü"), [" lü", "lü "]);
        assert_eq!(trigrams("a"), [" a "]);
    }
}
