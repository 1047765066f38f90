//! Tenants' names: which are served, and how they stand in SQL.

use std::collections::BTreeSet;

use super::Tenant;
use crate::database::{TenantPlace, quote};

/// How long a name may be: that of a schema in PostgreSQL.
/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>
const MAX_BYTES: usize = 63;

/// Why no tenant can have this name; nothing when one can.
pub(in crate::engine) fn check(name: &str) -> std::result::Result<(), String> {
    let refused = |why: &str| {
        Err(format!(
            "`{}` cannot be a tenant's name: {why}",
            shown(name)
        ))
    };
    if name.is_empty() {
        return refused("it is empty");
    }
    if name.len() > MAX_BYTES {
        return refused(&format!(
            "it has {} bytes, and {MAX_BYTES} are the most",
            name.len()
        ));
    }
    let is_first = |letter: char| letter.is_alphabetic() || letter == '_';
    if !name.starts_with(is_first) {
        return refused("it must begin with a letter or `_`");
    }
    let is_inner = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    if let Some(wrong) = name.chars().find(|letter| !is_inner(*letter)) {
        return refused(&format!(
            "it holds {}; letters, digits, `_`, `-` and `.` may stand in it",
            match wrong {
                '\'' => "a single quote".to_owned(),
                wrong => format!("{wrong:?}"),
            }
        ));
    }
    let folded = name.to_lowercase();
    if folded.starts_with("pg_") || folded == "information_schema" {
        return refused("such schemas belong to PostgreSQL");
    }
    if folded.starts_with("wasmigrate") {
        return refused("such names belong to this program");
    }
    Ok(())
}

/// A name in a message, cut short.
fn shown(name: &str) -> String {
    // Quotes stay as they are.
    let mut letters = name.chars().flat_map(|letter| {
        let is_quote = matches!(letter, '\'' | '"' | '\\');
        let (quote, other) = match is_quote {
            true => (Some(letter), None),
            false => (None, Some(letter.escape_debug())),
        };
        quote.into_iter().chain(other.into_iter().flatten())
    });
    let start: String = letters.by_ref().take(MAX_BYTES + 1).collect();
    match letters.next() {
        Some(_) => format!("{start}…"),
        None => start,
    }
}

impl Tenant {
    /// The tenant of a name that was checked. A plain name is folded by the server, as users of such names expect; any
    /// other is the schema's name to the letter.
    pub(super) fn new(name: &str, place: TenantPlace, reserved: &BTreeSet<String>) -> Self {
        if place == TenantPlace::Database {
            return Self {
                name: name.to_owned(),
                schema: "main".to_owned(),
                in_code: "main".to_owned(),
            };
        }
        let folded = name.to_ascii_lowercase();
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !reserved.contains(&folded);
        match is_plain {
            true => Self {
                name: name.to_owned(),
                schema: folded,
                in_code: name.to_owned(),
            },
            false => Self {
                name: name.to_owned(),
                schema: name.to_owned(),
                in_code: quote(name),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_served_or_refused_with_the_reason() {
        for name in [
            "acme",
            "Acme",
            "_x",
            "select",
            "müller-söhne",
            "a.b",
            "日本",
            "a9",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        let long = "x".repeat(64);
        for name in [
            "",
            "9a",
            "-a",
            "a b",
            "a'b",
            "a\"b",
            "a;b",
            "a\\b",
            "a\0b",
            "a$b",
            "pg_x",
            "PG_x",
            "wasmigrate",
            "Wasmigrate_x",
            "information_schema",
            &long,
        ] {
            assert!(check(name).is_err(), "{name}");
        }
        assert!(check(&"x".repeat(300)).unwrap_err().len() < 200);
    }

    #[test]
    fn plain_names_are_folded_and_others_quoted() {
        let reserved = BTreeSet::from(["select".to_owned()]);
        let tenant = |name| Tenant::new(name, TenantPlace::Schema, &reserved);
        assert_eq!(
            (&*tenant("Acme").schema, &*tenant("Acme").in_code),
            ("acme", "Acme")
        );
        assert_eq!(
            (&*tenant("Select").schema, &*tenant("Select").in_code),
            ("Select", "\"Select\"")
        );
        assert_eq!(
            (&*tenant("a-b").schema, &*tenant("a-b").in_code),
            ("a-b", "\"a-b\"")
        );
    }
}
