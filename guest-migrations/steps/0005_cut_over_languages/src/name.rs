//! The short form of a language's name.

/// A name without what is in brackets behind it: `Modern Greek (1453-)` is `Modern Greek`.
pub(crate) fn short(name: &str) -> &str {
    let mut short = name.trim();
    while let Some(inner) = short.strip_suffix(')')
        && let Some(bracket) = opening(inner)
        && let Some(before) = short.get(..bracket).map(str::trim_end)
        && !before.is_empty()
    {
        short = before;
    }
    short
}

/// Where the bracket was opened that closes behind this text; brackets may be within brackets.
fn opening(inner: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (place, letter) in inner.char_indices().rev() {
        match letter {
            ')' => depth += 1,
            '(' if depth == 0 => return Some(place),
            '(' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn what_is_in_brackets_behind_is_left_out() {
        assert_eq!(short("Modern Greek (1453-)"), "Modern Greek");
        assert_eq!(short("Aruá (Amazonas State)"), "Aruá");
        assert_eq!(short("Ngbee (Bas-Uélé (Congo)) (Bantu)"), "Ngbee");
        assert_eq!(short("Old (Middle) High"), "Old (Middle) High");
        assert_eq!(short("(nothing else)"), "(nothing else)");
        assert_eq!(short("Unbalanced)"), "Unbalanced)");
    }
}
