//! Scripts that are over at once, told by their words.
//!
//! Steps that share a commit hold what they have locked until it comes, and are done again when it does not. So a step shares one only
//! when it can neither take long nor keep others from a table that was there before: it makes tables, views and the like, puts in
//! rows that it has in its text, and changes tables that nobody else knows yet.

use std::collections::BTreeSet;

/// The longest script.
const MOST_BYTES: usize = 64 << 10;

/// Whether a script of this length, whose statements have these words, is over at once. Words are in lower case and without quotes,
/// punctuation among them. Tables that it makes are added to those that were `made` before.
pub(super) fn is_brief(
    bytes: usize,
    mut statements: impl Iterator<Item = Vec<String>>,
    made: &mut BTreeSet<String>,
) -> bool {
    bytes <= MOST_BYTES && statements.all(|words| is_brief_statement(&words, made))
}

fn is_brief_statement(words: &[String], made: &mut BTreeSet<String>) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let has = |word: &str| words.contains(&word);
    let is_made = |word: &str, made: &BTreeSet<String>| {
        name_after(&words, word).is_some_and(|name| made.contains(&name))
    };
    let without_options: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !["or", "replace", "unique", "constraint", "recursive"].contains(word))
        .take(3)
        .collect();
    match *without_options {
        ["create", "table", ..] if !takes_rows(&words) && !has("inherits") && !has("partition") => {
            made.extend(name_after(&words, "table"));
            let mut referred = words
                .iter()
                .enumerate()
                .filter(|(_, word)| **word == "references");
            referred.all(|(place, _)| {
                let name = name_after(words.get(place..).unwrap_or_default(), "references");
                name.is_some_and(|name| made.contains(&name))
            })
        }
        ["create", "index", ..] => !has("concurrently") && is_made("on", made),
        ["create", "trigger", ..] => is_made("on", made),
        [
            "create",
            "view" | "type" | "sequence" | "domain" | "function" | "procedure",
            ..,
        ] => true,
        ["comment", "on", ..] => true,
        ["insert", "into", ..] => has("values") && !has("select"),
        ["alter", "table", ..] => is_made("table", made) && !has("references"),
        ["update", ..] => is_made("update", made) && !has("select") && !has("from"),
        ["delete", "from", ..] => is_made("from", made) && !has("select") && !has("using"),
        _ => false,
    }
}

/// Whether a table is made with rows of others: `AS` stands before a column's own value, too.
fn takes_rows(words: &[&str]) -> bool {
    let sources = ["execute", "select", "table", "values", "with"];
    words.contains(&"select")
        || words
            .windows(2)
            .any(|pair| matches!(pair, ["as", source] if sources.contains(source)))
}

/// The last part of the name after a word.
fn name_after(words: &[&str], word: &str) -> Option<String> {
    let start = words.iter().position(|other| *other == word)? + 1;
    let mut rest = words.get(start..)?.iter().copied().peekable();
    while rest
        .next_if(|word| ["if", "not", "exists", "only", "into", "or"].contains(word))
        .is_some()
    {}
    let mut name = rest.next()?;
    while rest.next_if_eq(&".").is_some() {
        name = rest.next()?;
    }
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each of these scripts is, where those before it have run.
    fn brief(scripts: &[&str]) -> Vec<bool> {
        let mut made = BTreeSet::new();
        let words = |statement: &str| {
            let spaced: String = statement
                .chars()
                .map(|letter| match letter {
                    '(' | ')' | ',' | '.' => format!(" {letter} "),
                    _ => letter.to_string(),
                })
                .collect();
            spaced
                .split_whitespace()
                .map(str::to_ascii_lowercase)
                .collect::<Vec<_>>()
        };
        let mut is_brief = |script: &&str| {
            let statements = script.split(';').filter(|text| !text.trim().is_empty());
            super::is_brief(script.len(), statements.map(words), &mut made)
        };
        scripts.iter().map(&mut is_brief).collect()
    }

    #[test]
    fn what_makes_tables_and_puts_rows_in_is_brief() {
        assert_eq!(
            brief(&[
                "CREATE TABLE IF NOT EXISTS public.a (id int); INSERT INTO a VALUES (1)",
                "CREATE TABLE b (a int REFERENCES a (id)); CREATE UNIQUE INDEX i ON b (a)",
                "ALTER TABLE ONLY a ADD COLUMN c int; UPDATE a SET c = 1; CREATE OR REPLACE VIEW v AS SELECT * FROM a",
                "INSERT INTO old (id) VALUES (1), (2)",
                "CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY, d int GENERATED ALWAYS AS (id + 1) STORED)",
            ]),
            [true; 5]
        );
    }

    #[test]
    fn what_may_take_long_or_hold_others_up_is_not() {
        for script in [
            "UPDATE old SET c = 1",
            "DELETE FROM old",
            "ALTER TABLE old ADD COLUMN c int",
            "CREATE INDEX i ON old (c)",
            "CREATE TABLE a (o int REFERENCES old (id))",
            "CREATE TABLE a AS SELECT * FROM old",
            "CREATE TABLE a AS TABLE old",
            "CREATE TABLE a PARTITION OF old DEFAULT",
            "INSERT INTO old SELECT * FROM old",
            "SELECT pg_sleep(10)",
            "DROP TABLE old",
            "PRAGMA foreign_keys = OFF",
            "DO $$ BEGIN END $$",
        ] {
            assert_eq!(brief(&[script]), [false], "{script}");
        }
        let long = format!("INSERT INTO a VALUES ('{}')", "x".repeat(MOST_BYTES));
        assert_eq!(brief(&[&long]), [false]);
    }
}
