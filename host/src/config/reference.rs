//! `${NAME}` and `${NAME:-text}` in values: how far they go, and which are none of ours.

/// How deep references may be in one another: each is looked through for its end.
const MOST_WITHIN: usize = 16;

/// What stands after `${`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reference<'t> {
    /// A variable, what stands for it when it has no value, and the text after the reference.
    Variable {
        name: &'t str,
        otherwise: Option<&'t str>,
        rest: &'t str,
    },
    /// A form of the shell that is not understood; why.
    Unknown(String),
    /// Something of others.
    None,
}

/// Whether a text can be the name of a variable.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|letter: char| letter.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Reads what comes after `${`. The text for want of a value may hold references itself.
pub(super) fn reference(text: &str) -> Reference<'_> {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    if !is_name(name) {
        return Reference::None;
    }
    let inner = after.strip_prefix(":-");
    let (otherwise, rest) = match closed(inner.unwrap_or(after)) {
        Ok(found) => found,
        Err(Unclosed::Never) => {
            return Reference::Unknown(format!("`${{{name}` is never closed by a `}}`"));
        }
        Err(Unclosed::TooDeep) => {
            return Reference::Unknown(format!(
                "within `${{{name}` references are in one another more than {MOST_WITHIN} deep"
            ));
        }
    };
    match (inner.is_some(), otherwise) {
        (true, otherwise) => Reference::Variable {
            name,
            otherwise: Some(otherwise),
            rest,
        },
        (false, "") => Reference::Variable {
            name,
            otherwise: None,
            rest,
        },
        // Such as `${summary.tenants}` of a template.
        (false, other) if other.starts_with('.') => Reference::None,
        (false, other) => Reference::Unknown(format!(
            "`${{{name}{other}}}` is not understood: there are `${{{name}}}` and `${{{name}:-text}}`"
        )),
    }
}

/// Why the end of a reference is not known.
enum Unclosed {
    Never,
    TooDeep,
}

/// The text up to the brace that closes it, and what comes after.
fn closed(text: &str) -> Result<(&str, &str), Unclosed> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if before == '$' && depth == MOST_WITHIN => return Err(Unclosed::TooDeep),
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => {
                let parts = text.get(..at).zip(text.get(at + 1..));
                return parts.ok_or(Unclosed::Never);
            }
            '}' => depth -= 1,
            _ => {}
        }
        before = letter;
    }
    Err(Unclosed::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_what_is_none_of_ours() {
        let of = |name, otherwise, rest| Reference::Variable {
            name,
            otherwise,
            rest,
        };
        assert_eq!(reference("A}x"), of("A", None, "x"));
        assert_eq!(reference("A:-b}x}"), of("A", Some("b"), "x}"));
        assert_eq!(reference("A:-${B:-c}}x"), of("A", Some("${B:-c}"), "x"));
        assert_eq!(reference("A:-}"), of("A", Some(""), ""));
        for text in ["a.b}", " A}", "}", "9}"] {
            assert_eq!(reference(text), Reference::None, "{text}");
        }
        for text in ["A-b}", "A:?b}", "A:-${B}", "A", "A:=x}", "A/b/c}"] {
            assert!(matches!(reference(text), Reference::Unknown(_)), "{text}");
        }
        let deep = |depth: usize| format!("A:-{}{}}}", "${B:-".repeat(depth), "}".repeat(depth));
        assert!(matches!(reference(&deep(16)), Reference::Variable { .. }));
        assert!(matches!(reference(&deep(17)), Reference::Unknown(_)));
    }
}
