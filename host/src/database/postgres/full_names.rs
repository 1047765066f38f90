//! Whether a statement of the host is written in full names, so that nothing of a step's can be meant whatever the search
//! path is: `pg_catalog.` before functions, types and relations, `OPERATOR(pg_catalog.…)` for operators, and nothing that
//! PostgreSQL turns into an operator by its bare name. Looked at wherever assertions are compiled in.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::lexer::{Kind, Rules, Token, Tokens};

/// What looks like a call and is of the grammar.
const GRAMMAR: [&str; 19] = [
    "ALL", "ANY", "ARRAY", "AS", "CAST", "COALESCE", "EXISTS", "FILTER", "FROM", "OPERATOR",
    "OVER", "SELECT", "THEN", "ELSE", "JOIN", "VALUES", "WHERE", "AND", "OR",
];

/// Types that are words of the grammar, and mean those of `pg_catalog`.
const TYPES: [&str; 4] = ["bigint", "boolean", "integer", "smallint"];

/// Words that become operators by their bare names.
const HIDDEN_OPERATORS: [&str; 8] = [
    "BETWEEN", "ILIKE", "IN", "LIKE", "NATURAL", "NULLIF", "SIMILAR", "USING",
];

/// Whether no name or operator in the statement depends on the search path. Each is looked at once.
pub(super) fn is_in_full(statement: &str) -> bool {
    static FOUND: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if found.contains(statement) {
        return true;
    }
    let is_in_full = names_are_full(statement);
    if is_in_full {
        found.insert(statement.to_owned());
    }
    is_in_full
}

fn names_are_full(statement: &str) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::new(statement, Rules::default()).collect();
    let reads = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"];
    if !tokens
        .first()
        .is_some_and(|first| reads.iter().any(|word| first.is(word)))
    {
        // Statements that only set, begin or end something have no expressions.
        return true;
    }
    let mut position = 0;
    while let Some(token) = tokens.get(position) {
        let next = tokens.get(position + 1);
        let before = position
            .checked_sub(1)
            .and_then(|before| tokens.get(before));
        let is_after_dot = before.is_some_and(|before| before.is_symbol("."));
        if token.is("OPERATOR") {
            let is_ours =
                matches!(tokens.get(position + 2), Some(schema) if schema.is("pg_catalog"));
            let rest = tokens.get(position..).unwrap_or_default();
            let Some(end) = rest.iter().position(|token| token.is_symbol(")")) else {
                return false;
            };
            if !is_ours {
                return false;
            }
            position += end + 1;
            continue;
        }
        let is_fine = match token.kind {
            Kind::Parameter => true,
            Kind::Symbol => match token.text {
                ":" => {
                    // Two of them: a cast.
                    let is_second = before.is_some_and(|before| before.is_symbol(":"));
                    !is_second || next.is_some_and(is_type)
                }
                // Of a number.
                "-" => {
                    next.is_some_and(|next| next.kind == Kind::Number)
                        && before
                            .is_some_and(|before| before.is_symbol("(") || before.is_symbol(","))
                }
                text => ["(", ")", ",", ".", "[", "]", "$", ";", "{", "}"].contains(&text),
            },
            Kind::Word if is_after_dot => true,
            Kind::Word => {
                let is_call = next.is_some_and(|next| next.is_symbol("("));
                let names_relation = ["FROM", "JOIN", "INTO", "UPDATE"]
                    .iter()
                    .any(|word| token.is(word));
                let is_relation_named = next.is_some_and(|next| {
                    next.is_symbol("(")
                        || is_query_in(&tokens, next)
                        || tokens
                            .get(position + 2)
                            .is_some_and(|dot| dot.is_symbol("."))
                });
                let compares_cases = token.is("CASE") && !next.is_some_and(|next| next.is("WHEN"));
                let is_distinct = token.is("IS")
                    && tokens
                        .iter()
                        .skip(position + 1)
                        .take(2)
                        .any(|word| word.is("DISTINCT"));
                !HIDDEN_OPERATORS.iter().any(|word| token.is(word))
                    && !compares_cases
                    && !is_distinct
                    && (!is_call || GRAMMAR.iter().any(|word| token.is(word)))
                    && (!names_relation || is_relation_named)
            }
            Kind::Quoted | Kind::String | Kind::Number => true,
        };
        if !is_fine {
            return false;
        }
        position += 1;
    }
    true
}

/// Whether a statement calls a query of its own so, which comes before every relation of that name.
fn is_query_in(tokens: &[Token<'_>], name: &Token<'_>) -> bool {
    tokens.windows(4).any(|words| match words {
        [recursive, query, of, begins] => {
            recursive.is("RECURSIVE")
                && query.text == name.text
                && of.is("AS")
                && begins.is_symbol("(")
        }
        _ => false,
    })
}

fn is_type(token: &Token<'_>) -> bool {
    token.is("pg_catalog") || TYPES.iter().any(|name| token.is(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_somebody_else_could_have_made_are_found() {
        for statement in [
            "SELECT relname || ' ' FROM pg_catalog.pg_class",
            "SELECT 1 FROM pg_class",
            "SELECT lower($1)",
            "SELECT $1::text",
            "SELECT $1::public.name",
            "SELECT a FROM pg_catalog.t WHERE a IN (1)",
            "SELECT CASE a WHEN 1 THEN 2 END FROM pg_catalog.t",
            "SELECT a FROM pg_catalog.t WHERE a IS NOT DISTINCT FROM b",
            "SELECT a OPERATOR(public.=) b FROM pg_catalog.t",
            "SELECT pg_catalog.nullif(a, b), NULLIF(a, b) FROM pg_catalog.t",
        ] {
            assert!(!is_in_full(statement), "{statement}");
        }
        for statement in [
            "BEGIN ISOLATION LEVEL READ COMMITTED",
            "SET LOCAL search_path = pg_catalog, pg_temp",
            "SELECT pg_catalog.format_type(1700, -1)",
            "SELECT pg_catalog.pg_backend_pid(), $1::bigint, 'a || b', coalesce(a, b)",
            "SELECT a FROM pg_catalog.t AS t WHERE t.a OPERATOR(pg_catalog.<>) ANY (CAST('{1}' AS pg_catalog.int4[]))",
        ] {
            assert!(is_in_full(statement), "{statement}");
        }
    }

    #[test]
    fn what_is_asked_before_names_are_set_is_in_full_names() {
        use super::super::{prepared, removed, verify};
        for statement in [
            verify::journal("\"a\"\"b'c\""),
            verify::OWN_NAMES.to_owned(),
            verify::KEEP_NAMES.to_owned(),
            verify::GIVE_NAMES_BACK.to_owned(),
            verify::JOURNALS.to_owned(),
            prepared::look(),
            removed::removed(true),
            removed::removed(false),
            prepared::look_after_commit(),
        ] {
            assert!(is_in_full(&statement), "{statement}");
        }
    }
}
