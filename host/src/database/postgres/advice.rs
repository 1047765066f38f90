//! Statements that hold up the application, told before they run.
//!
//! What each does to the table while it runs is in the manual:
//! <https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES>,
//! <https://www.postgresql.org/docs/current/explicit-locking.html>. Tables that the same migration makes are nobody's yet,
//! and are passed over.

use std::collections::BTreeSet;

use super::super::Advice;
use super::lexer::{Kind, Rules, Token};
use super::statements;

/// Functions whose value is the same for all rows, so that a new column's default need not be written into each.
const STABLE_DEFAULTS: [&str; 6] = [
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_setting",
    "current_schema",
    "txid_current",
];

/// A comment that says that somebody knows.
const ACCEPT: &str = "wasmigrate:accept";

const NEW_COLUMN: &str = "add a new column, fill it in steps with checkpoints, and let finalize take the old one's place";
const VALIDATE_LATER: &str = "add it with NOT VALID, which takes no look at the rows, and run VALIDATE CONSTRAINT in a later step, which keeps nobody \
     from writing";
const CONCURRENTLY: &str = "use CONCURRENTLY, in a step with the line `-- wasmigrate:no-transaction`, so that the application can keep writing";
const FINALIZE: &str = "put it into the section `-- wasmigrate:finalize`, when the application no longer needs the old name";
const IN_PARTS: &str = "change the rows in parts, in a component that sets checkpoints";

/// What to say about a script. `is_finalize` says that the application is about to change; `made` are the tables that the
/// migration has made so far.
pub(super) fn advise(script: &str, is_finalize: bool, made: &mut BTreeSet<String>) -> Vec<Advice> {
    let mut advice = Vec::new();
    let (mut before, mut line, mut untold) = (0, 1, 0);
    let mut validated = BTreeSet::new();
    // A script that cannot be taken apart is refused when it runs.
    for piece in statements::split(script, Rules::default()).unwrap_or_default() {
        let tokens: Vec<Token<'_>> = piece.tokens(script).collect();
        let at = piece.at;
        let statement = script.get(at.clone()).unwrap_or_default();
        let comments = script.get(before..at.start).unwrap_or_default();
        let lines = |text: &str| text.matches('\n').count();
        let first_line = line + lines(comments);
        line = first_line + lines(statement);
        before = at.end;
        let mut reader = Statement {
            tokens: &tokens,
            is_finalize,
            made,
            validated: &mut validated,
        };
        if comments.contains(ACCEPT) {
            reader.dangers();
            continue;
        }
        for (danger, recipe) in reader.dangers() {
            if advice.len() >= MOST_TOLD {
                untold += 1;
            } else {
                advice.push(Advice {
                    line: first_line,
                    statement: shown(statement),
                    danger,
                    recipe: recipe.to_owned(),
                    is_remark: false,
                });
            }
        }
    }
    if untold > 0 {
        advice.push(Advice {
            line,
            statement: String::new(),
            danger: format!("there is as much to say about {untold} more parts of it"),
            recipe: "write it in several files".to_owned(),
            is_remark: false,
        });
    }
    advice
}

/// About how many parts of a script something is said.
const MOST_TOLD: usize = 1_000;

/// How much of a statement is shown, in bytes: it may be long, and there may be something to say about each part of it.
const MOST_SHOWN: usize = 1 << 10;

fn shown(statement: &str) -> String {
    match statement.get(..statement.floor_char_boundary(MOST_SHOWN)) {
        Some(start) if start.len() < statement.len() => format!("{start}…"),
        _ => statement.to_owned(),
    }
}

type Dangers = Vec<(String, &'static str)>;

struct Statement<'s> {
    tokens: &'s [Token<'s>],
    is_finalize: bool,
    made: &'s mut BTreeSet<String>,
    /// Tables of which a constraint was validated.
    validated: &'s mut BTreeSet<String>,
}

impl Statement<'_> {
    fn begins(&self, words: &[&str]) -> bool {
        begins(self.tokens, words)
    }

    fn has(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.is(word))
    }

    /// The name after the first of these words that is not one of the words to pass over.
    fn name_behind(&self, word: &str) -> Option<String> {
        let start = self.tokens.iter().position(|token| token.is(word))? + 1;
        name(self.tokens.get(start..)?)
    }

    fn is_made(&self, table: &str) -> bool {
        self.made.contains(table)
    }

    fn dangers(&mut self) -> Dangers {
        let mut dangers = Dangers::new();
        if self.begins(&["CREATE"]) && self.tokens.iter().take(4).any(|token| token.is("TABLE")) {
            self.made.extend(self.name_behind("TABLE"));
        } else if self.begins(&["CREATE", "INDEX"]) || self.begins(&["CREATE", "UNIQUE", "INDEX"]) {
            let table = self.name_behind("ON").unwrap_or_default();
            if !self.has("CONCURRENTLY") && !self.is_made(&table) {
                dangers.push((
                    format!("nobody can write to `{table}` while the index is built"),
                    CONCURRENTLY,
                ));
            }
        } else if self.begins(&["DROP", "INDEX"]) && !self.has("CONCURRENTLY") {
            dangers.push(("nobody can read or write the index's table while it is dropped, nor while it waits for readers".to_owned(), CONCURRENTLY));
        } else if self.begins(&["ALTER", "TABLE"]) {
            self.alter_table(&mut dangers);
        } else if self.begins(&["DROP", "TABLE"]) || self.begins(&["TRUNCATE"]) {
            let word = if self.begins(&["TRUNCATE"]) {
                "TRUNCATE"
            } else {
                "TABLE"
            };
            let table = self.name_behind(word).unwrap_or_default();
            if !self.is_finalize && !self.is_made(&table) {
                dangers.push((
                    format!("the running application may still need the rows of `{table}`"),
                    FINALIZE,
                ));
            }
        } else if self.begins(&["VACUUM"]) && self.has("FULL") || self.begins(&["CLUSTER"]) {
            dangers.push(("the whole table is written anew, and nobody can read it meanwhile".to_owned(), "plain VACUUM keeps nobody out; to make a table smaller, use a tool that copies it online"));
        } else if self.begins(&["REINDEX"]) && !self.has("CONCURRENTLY") {
            dangers.push((
                "nobody can write to the table while its index is built".to_owned(),
                CONCURRENTLY,
            ));
        } else if self.begins(&["REFRESH", "MATERIALIZED"]) && !self.has("CONCURRENTLY") {
            dangers.push((
                "nobody can read the view while it is computed".to_owned(),
                "use CONCURRENTLY, for which the view needs a unique index",
            ));
        } else if self.begins(&["LOCK"]) {
            dangers.push((
                "the lock is held until the step's transaction ends".to_owned(),
                "leave it to the statements to lock what they need",
            ));
        } else if (self.begins(&["UPDATE"]) || self.begins(&["DELETE"])) && !self.has("WHERE") {
            let word = if self.begins(&["DELETE"]) {
                "FROM"
            } else {
                "UPDATE"
            };
            let table = self.name_behind(word).unwrap_or_default();
            if !self.is_made(&table) {
                dangers.push((
                    format!(
                        "every row of `{table}` stays locked until the whole statement is committed"
                    ),
                    IN_PARTS,
                ));
            }
        }
        dangers
    }

    fn alter_table(&mut self, dangers: &mut Dangers) {
        let Some(table) = self.name_behind("TABLE") else {
            return;
        };
        if self.is_made(&table) {
            return;
        }
        // Behind the table's name come actions with commas between.
        let behind_name = self
            .tokens
            .iter()
            .position(|token| token.name().as_deref() == Some(table.as_str()))
            .map_or(0, |position| position + 1);
        for action in split(self.tokens.get(behind_name..).unwrap_or_default()) {
            if begins(action, &["VALIDATE"]) {
                self.validated.insert(table.clone());
            } else if let Some(danger) = self.action(&table, action) {
                dangers.push(danger);
            }
        }
    }

    fn action(&self, table: &str, action: &[Token<'_>]) -> Option<(String, &'static str)> {
        let has = |word: &str| action.iter().any(|token| token.is(word));
        let exclusively =
            |what: &str| format!("{what}, and nobody can read or write `{table}` meanwhile");
        if begins(action, &["ALTER"]) {
            // `TYPE` and `NOT` stand after the column's name.
            let rest = action.get(
                if begins(action, &["ALTER", "COLUMN"]) {
                    3
                } else {
                    2
                }..,
            )?;
            if begins(rest, &["TYPE"]) || begins(rest, &["SET", "DATA", "TYPE"]) {
                return Some((
                    exclusively("the whole table is written anew, unless only a length grows"),
                    NEW_COLUMN,
                ));
            }
            if begins(rest, &["SET", "NOT", "NULL"]) && !self.validated.contains(table) {
                return Some((
                    exclusively("every row is looked at"),
                    "first add CHECK (column IS NOT NULL) NOT VALID, and run VALIDATE CONSTRAINT in a later step; SET NOT NULL \
                     then believes the check (say `-- wasmigrate:accept` before it)",
                ));
            }
            return None;
        }
        if begins(action, &["ADD"]) {
            return added(table, action);
        }
        if begins(action, &["SET", "TABLESPACE"])
            || begins(action, &["SET", "LOGGED"])
            || begins(action, &["SET", "UNLOGGED"])
            || begins(action, &["SET", "ACCESS"])
        {
            return Some((
                exclusively("the whole table is written anew"),
                "copy the rows into a new table, and let finalize rename it",
            ));
        }
        if self.is_finalize {
            return None;
        }
        if begins(action, &["RENAME"]) {
            return Some((
                format!("the running application still uses the old name in `{table}`"),
                FINALIZE,
            ));
        }
        if begins(action, &["DROP"]) && !has("CONSTRAINT") {
            return Some((
                format!("the running application may still use the column of `{table}`"),
                FINALIZE,
            ));
        }
        None
    }
}

/// What a constraint or column that is added does.
fn added(table: &str, action: &[Token<'_>]) -> Option<(String, &'static str)> {
    let has = |word: &str| action.iter().any(|token| token.is(word));
    let later = action
        .windows(2)
        .any(|pair| matches!(pair, [not, valid] if not.is("NOT") && valid.is("VALID")));
    let is_constraint = [
        "CONSTRAINT",
        "FOREIGN",
        "CHECK",
        "UNIQUE",
        "PRIMARY",
        "EXCLUDE",
    ]
    .iter()
    .any(|word| action.get(1).is_some_and(|second| second.is(word)));
    if is_constraint {
        if later
            || action.windows(2).any(
                |pair| matches!(pair, [using, index] if using.is("USING") && index.is("INDEX")),
            )
        {
            return None;
        }
        if has("FOREIGN") {
            return Some((
                format!(
                    "every row of `{table}` is looked up, and nobody can write to it or to the other table meanwhile"
                ),
                VALIDATE_LATER,
            ));
        }
        if has("UNIQUE") || has("PRIMARY") || has("EXCLUDE") {
            return Some((
                format!("an index is built, and nobody can read or write `{table}` meanwhile"),
                "build the index with CREATE UNIQUE INDEX CONCURRENTLY in a step with `-- wasmigrate:no-transaction`, and add the \
                 constraint with USING INDEX",
            ));
        }
        return has("CHECK").then(|| {
            (
                format!("every row is looked at, and nobody can read or write `{table}` meanwhile"),
                VALIDATE_LATER,
            )
        });
    }
    let is_serial = ["serial", "bigserial", "smallserial"]
        .iter()
        .any(|word| has(word));
    if is_serial || has("IDENTITY") || has("STORED") || has_volatile_default(action) {
        return Some((
            format!(
                "each row gets a value of its own, so that the whole table is written anew and nobody can read or write `{table}` meanwhile"
            ),
            "add the column without a default, set the default in a statement of its own, and fill the old rows in steps with \
             checkpoints",
        ));
    }
    None
}

/// Whether a default calls a function whose value may differ from row to row.
fn has_volatile_default(action: &[Token<'_>]) -> bool {
    let Some(start) = action.iter().position(|token| token.is("DEFAULT")) else {
        return false;
    };
    action.get(start..).unwrap_or_default().windows(2).any(|pair| match pair {
        [function, open] => {
            open.is_symbol("(")
                && function.kind == Kind::Word
                && !STABLE_DEFAULTS.iter().any(|stable| function.is(stable))
                // The length of a type, after a cast.
                && !["varchar", "char", "numeric", "CHECK", "REFERENCES"].iter().any(|word| function.is(word))
        }
        _ => false,
    })
}

fn begins(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len() && words.iter().zip(tokens).all(|(word, token)| token.is(word))
}

/// The name of a table, without its schema.
fn name(tokens: &[Token<'_>]) -> Option<String> {
    let mut rest = tokens
        .iter()
        .skip_while(|token| {
            ["IF", "NOT", "EXISTS", "ONLY", "CONCURRENTLY", "TABLE"]
                .iter()
                .any(|word| token.is(word))
        })
        .peekable();
    let mut found = rest.next()?.name()?;
    while rest.next_if(|token| token.is_symbol(".")).is_some() {
        found = rest.next()?.name()?;
    }
    Some(found)
}

/// Parts with commas between, outside of parentheses.
fn split<'t>(tokens: &'t [Token<'t>]) -> Vec<&'t [Token<'t>]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is_symbol(",")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dangers(script: &str) -> Vec<String> {
        advise(script, false, &mut BTreeSet::new())
            .into_iter()
            .map(|advice| advice.danger)
            .collect()
    }

    #[test]
    fn what_holds_up_the_application_is_told() {
        for (statement, words) in [
            ("ALTER TABLE t ALTER COLUMN c TYPE bigint", "written anew"),
            (
                "ALTER TABLE public.t ALTER c SET DATA TYPE bigint",
                "written anew",
            ),
            (
                "ALTER TABLE t ADD COLUMN u uuid DEFAULT gen_random_uuid()",
                "written anew",
            ),
            ("ALTER TABLE t ADD id bigserial", "written anew"),
            (
                "ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1) STORED",
                "written anew",
            ),
            ("ALTER TABLE t SET UNLOGGED", "written anew"),
            ("CREATE INDEX ON t (c)", "nobody can write to `t`"),
            (
                "CREATE UNIQUE INDEX i ON ONLY s.t (c)",
                "nobody can write to `t`",
            ),
            ("DROP INDEX i", "while it is dropped"),
            (
                "ALTER TABLE t ALTER c SET NOT NULL",
                "every row is looked at",
            ),
            (
                "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES o (b)",
                "looked up",
            ),
            (
                "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o",
                "looked up",
            ),
            ("ALTER TABLE t ADD CHECK (a > 0)", "every row is looked at"),
            (
                "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a, b)",
                "an index is built",
            ),
            ("ALTER TABLE t ADD PRIMARY KEY (a)", "an index is built"),
            ("ALTER TABLE t RENAME TO o", "old name"),
            ("ALTER TABLE t RENAME COLUMN a TO b", "old name"),
            (
                "ALTER TABLE IF EXISTS t DROP COLUMN a",
                "may still use the column",
            ),
            ("DROP TABLE IF EXISTS t", "may still need"),
            ("TRUNCATE t", "may still need"),
            ("VACUUM (FULL) t", "written anew"),
            ("REINDEX TABLE t", "nobody can write"),
            ("REFRESH MATERIALIZED VIEW v", "nobody can read"),
            ("LOCK TABLE t", "until the step's transaction ends"),
            ("UPDATE t SET a = 1", "stays locked"),
            ("DELETE FROM t", "stays locked"),
        ] {
            let told = dangers(statement);
            assert_eq!(told.len(), 1, "{statement}: {told:?}");
            assert!(told[0].contains(words), "{statement}: {told:?}");
        }
    }

    #[test]
    fn what_is_harmless_is_passed_over() {
        for statement in [
            "CREATE TABLE t (a int PRIMARY KEY DEFAULT f()); CREATE INDEX ON t (a); ALTER TABLE t ALTER a TYPE text; UPDATE t SET a = 1",
            "CREATE TABLE IF NOT EXISTS s.t (a int); ALTER TABLE s.t ADD CHECK (a > 0)",
            "CREATE INDEX CONCURRENTLY i ON t (c)",
            "ALTER TABLE t ADD COLUMN a int, ADD COLUMN b text NOT NULL DEFAULT 'x', ADD c timestamptz DEFAULT now()",
            "ALTER TABLE t ADD n numeric(10, 2) DEFAULT 0",
            "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES o (b) NOT VALID",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t ALTER a SET NOT NULL",
            "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i",
            "ALTER TABLE t ALTER a SET DEFAULT 1, ALTER b DROP NOT NULL, DROP CONSTRAINT c",
            "UPDATE t SET a = 1 WHERE b; SELECT 1; INSERT INTO t SELECT 1",
            "-- wasmigrate:accept the table is small\nALTER TABLE t ALTER c TYPE bigint",
        ] {
            assert_eq!(dangers(statement), [""; 0], "{statement}");
        }
        assert!(
            advise(
                "DROP TABLE t; ALTER TABLE u RENAME a TO b",
                true,
                &mut BTreeSet::new()
            )
            .is_empty()
        );
    }

    #[test]
    fn advice_says_where() {
        let advice = advise(
            "SELECT 1;\n\n-- An index.\nCREATE INDEX ON t (c);",
            false,
            &mut BTreeSet::new(),
        );
        assert_eq!(advice[0].line, 4);
        assert_eq!(advice[0].statement, "CREATE INDEX ON t (c)");
    }
}
