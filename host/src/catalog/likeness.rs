//! Comment lines that look like the beginning of a part that does not migrate, and are no line of a tool: one with a mistake
//! in it, a word alone, or a heading. What comes after them would run to migrate.
//!
//! Remarks are to stay remarks: so a line counts only with a statement after it, and a heading only right before one.

use super::annotation::Part;
use super::below::Below;
use super::words_of_parts::{
    ALONE, AROUND, BORDERS, FINALIZE, IN_DATA, OF_DATA, PARTS, RUNS, TOOLS, UNDO, UNDOING, UP,
    words_in,
};

/// What Sqitch calls databases on the first line of its files, `-- Revert app:name from pg`.
const ENGINES: [&str; 12] = [
    "cockroach",
    "exasol",
    "firebird",
    "mysql",
    "oracle",
    "pg",
    "postgres",
    "postgresql",
    "snowflake",
    "sqlite",
    "sqlite3",
    "vertica",
];

/// What comes before a colon in remarks.
const REMARKS: [&str; 7] = ["fixme", "hack", "nb", "note", "todo", "warning", "xxx"];

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Likeness {
    /// The part that it would begin; none for another line of ours.
    part: Option<Part>,
    /// Whether it may be a heading over remarks.
    is_heading: bool,
}

/// Why a comment line with this number is refused that is no line of a tool; none when it may stay. `inside` is the part in which
/// it stands.
pub(super) fn objection(
    line: &str,
    below: &Below<'_>,
    number: usize,
    inside: Option<Part>,
) -> Option<String> {
    let comment = line.trim().strip_prefix("--")?;
    // In the middle of a statement no part begins.
    let likeness = likeness(comment).filter(|_| !below.is_within_statement(number))?;
    if likeness.is_heading && goes_on(below.line(number.saturating_sub(1)), comment) {
        return None;
    }
    if inside.is_some_and(|inside| likeness.part == Some(inside)) {
        return None;
    }
    let counts = match likeness.is_heading {
        true => below.is_right_before_statement(number),
        false => below.has_statement(number),
    };
    let mark = likeness.part.map_or("migrate", Part::as_str);
    counts.then(|| match likeness.part {
        Some(_) => format!(
            "this comment looks like the beginning of a section, and what is below it would run to migrate: write \
             `-- wasmigrate:{mark}`, or put the comment differently"
        ),
        None => "this comment looks like a line of wasmigrate with a mistake in it: there are `-- wasmigrate:migrate`, \
                 `finalize`, `reset`, `no-transaction` and `placeholders`"
            .to_owned(),
    })
}

/// The same of a comment of another form that begins on a line of the text: in `/*` and `*/` alone on its lines, or after a statement.
pub(super) fn of_inner(below: &Below<'_>, line: usize, comment: &str) -> Option<String> {
    let last = line + comment.matches('\n').count();
    let is_alone =
        below.line(line).trim().starts_with("/*") && below.line(last).trim().ends_with("*/");
    let is_long = last > line;
    // A word after a statement says something of that.
    if !(is_alone || (comment.contains(':') && !is_long)) || below.is_within_statement(line) {
        return None;
    }
    let comment = comment.split(|letter: char| letter.is_whitespace() || letter == '*');
    let comment = comment.filter(|word| !word.is_empty()).collect::<Vec<_>>();
    objection(&format!("--{}", comment.join(" ")), below, last, None)
}

fn likeness(comment: &str) -> Option<Likeness> {
    let lower = comment.to_ascii_lowercase();
    let all = words_in(&lower);
    let exact = |part| Likeness {
        part: Some(part),
        is_heading: false,
    };
    let words: Vec<&str> = all.iter().map(String::as_str).collect();
    if let ["revert", _, "from", engine] = *lower.split_whitespace().collect::<Vec<_>>()
        && ENGINES.contains(&engine)
    {
        return Some(exact(Part::Reset));
    }
    if let Some((key, value)) = lower.split_once(':') {
        let value = words_in(value);
        let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
        let is_ours = is_nearly_ours(&key);
        if let [first, ..] = value.as_slice()
            && value.len() <= 2
            && !REMARKS.contains(&&*key)
        {
            let is_tools = is_ours || TOOLS.contains(&&*key);
            let says_it = value.len() == 1 && (is_tools || !IN_DATA.contains(&&**first));
            match part(first, is_tools).filter(|_| says_it) {
                Some(part) => return Some(exact(part)),
                None if is_ours => {
                    return Some(Likeness {
                        part: None,
                        is_heading: false,
                    });
                }
                None => {}
            }
        }
    }
    if let [only] = words.as_slice() {
        let is_alone = UNDOING.contains(only) && (ALONE.contains(only) || !IN_DATA.contains(only));
        let heading = Likeness {
            part: Some(Part::Reset),
            is_heading: true,
        };
        return part(only, false).map(exact).or(is_alone.then_some(heading));
    }
    if let Some((word, tool)) = words.split_last() {
        let tool = tool.concat();
        if TOOLS.contains(&&*tool) || is_nearly_ours(&tool) {
            return part(word, true).map(exact);
        }
    }
    if let Some(heading) = heading(&words) {
        return Some(heading);
    }
    // Such as `Down (0001_name)`.
    let undoes = |word: &str| UNDO.contains(&word) && !IN_DATA.contains(&word);
    let in_brackets = lower
        .trim_matches(|letter: char| {
            letter.is_whitespace() || matches!(letter, '-' | '=' | '*' | '#' | ':')
        })
        .strip_suffix([')', ']'])
        .and_then(|text| text.split_once(['(', '[']))
        .is_some_and(|(word, _)| undoes(word.trim()));
    in_brackets.then_some(Likeness {
        part: Some(Part::Reset),
        is_heading: true,
    })
}

/// What words say of which each is about undoing, or says of which part of the file that is: `BEGIN DOWN`, `to roll back, run`.
fn heading(words: &[&str]) -> Option<Likeness> {
    let is_said_so =
        |word: &&str| UNDO.contains(word) || UNDOING.contains(word) || FINALIZE.contains(word);
    let is_part = |word: &&str| PARTS.contains(word) || TOOLS.contains(word);
    let is_border = |word: &&str| BORDERS.contains(word);
    let is_about_it = |word: &&str| {
        is_part(word) || is_border(word) || RUNS.contains(word) || AROUND.contains(word)
    };
    let others: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !is_said_so(word))
        .collect();
    let said: Vec<&str> = words.iter().copied().filter(is_said_so).collect();
    let begins_with_border = words.first().is_some_and(is_border);
    let likeness = |part| {
        Some(Likeness {
            part: Some(part),
            is_heading: !begins_with_border,
        })
    };
    // After the end of what migrates comes what undoes it.
    if let ["end" | "endregion", rest @ ..] = words
        && rest.iter().any(|word| UP.contains(word))
        && rest
            .iter()
            .all(|word| UP.contains(word) || is_about_it(word))
    {
        return likeness(Part::Reset);
    }
    let (first, _) = said.split_first()?;
    if !others.iter().all(is_about_it) {
        return None;
    }
    let of_file = |word: &&str| is_border(word) || (is_part(word) && !OF_DATA.contains(word));
    let counts = match *first {
        // What is set back or finished is data, unless it is a part by its name.
        word if word == "reset" || FINALIZE.contains(&word) => {
            let plain = others.iter().filter(|word| !matches!(**word, "the" | "of"));
            let plain: Vec<&&str> = plain.collect();
            !plain.is_empty() && plain.iter().all(|word| is_border(word) || is_part(word))
        }
        word if IN_DATA.contains(&word) => {
            let is_order = matches!(words.first(), Some(&("to" | "how" | "for")));
            is_order
                || others
                    .iter()
                    .any(|word| of_file(word) || RUNS.contains(word))
        }
        _ => true,
    };
    let is_finalize = FINALIZE.contains(first);
    counts.then_some(())?;
    likeness(match is_finalize {
        true => Part::Finalize,
        false => Part::Reset,
    })
}

/// Whether a line goes on with the sentence of the comment above it.
fn goes_on(above: &str, comment: &str) -> bool {
    const FEWEST_WORDS: usize = 4;
    let Some(above) = above.trim().strip_prefix("--") else {
        return false;
    };
    let begins_small = comment
        .chars()
        .find(|letter| letter.is_alphabetic())
        .is_some_and(char::is_lowercase);
    let is_sentence = words_in(above).len() >= FEWEST_WORDS;
    begins_small && is_sentence && !above.ends_with(['.', ':', ';', '!', '?', '-', '=', '*', '#'])
}

/// The part for which a word stands. Letters that have changed places are a mistake; with the name of a tool before it, so is one
/// letter that is another, too many or too few.
fn part(word: &str, is_tools: bool) -> Option<Part> {
    let is_it = |known: &&str| {
        let distance = strsim::osa_distance(known, word);
        let has_same_letters = || sorted(known) == sorted(word);
        let is_long = known.len() >= 8;
        distance == 0
            || (distance == 1 && known.len() > 3 && (is_tools || is_long || has_same_letters()))
    };
    if FINALIZE.iter().any(is_it) {
        return Some(Part::Finalize);
    }
    UNDO.iter().any(is_it).then_some(Part::Reset)
}

fn sorted(word: &str) -> Vec<char> {
    let mut letters: Vec<char> = word.chars().collect();
    letters.sort_unstable();
    letters
}

/// Whether a word is our name with a mistake in it.
fn is_nearly_ours(word: &str) -> bool {
    const OURS: &str = "wasmigrate";
    word.starts_with('w') && word != OURS && strsim::osa_distance(OURS, word) <= 3
}

#[cfg(test)]
mod tests {
    use super::super::comment;
    use super::*;

    fn is_refused(comment: &str, below: &str) -> bool {
        let text = format!("{comment}\n{below}");
        let below = Below::of(&text, &comment::scan(&text));
        objection(comment, &below, 1, None).is_some()
    }

    #[test]
    fn a_line_with_a_mistake_is_told_from_a_remark() {
        for line in [
            "-- migrate:reset",
            "-- migrate:finalize",
            "-- migrate:dwon",
            "-- migrations:down",
            "-- reset",
            "-- RESET:",
            "-- finalize",
            "-- Finalise",
            "-- :reset",
            "-- wasmigrte:reset",
            "-- wasm-migrate:reset",
            "-- wasmigration:reset",
            "-- wasmigrte:no-transaction",
            "-- Down Migrations",
            "-- rambler dwon",
            "-- shmig down",
            "-- Dwon",
            "-- DOWNGRADE",
            "-- downgrade --",
            "-- sqlx:down",
            "-- diesel:down",
            "-- name: down",
            "-- Down (1_a)",
            "-- To undo:",
            "-- To roll back this migration:",
            "-- ROLLBACK INSTRUCTIONS",
            "-- backout",
            "-- back out",
            "---- reset section ----",
            "-- Backward",
            "-- Backwards:",
            "-- Reverse",
            "-- REVERSE MIGRATION",
            "-- Teardown",
            "-- Tear down:",
            "-- To undo, run:",
            "-- To reverse this, run:",
            "-- down below",
            "-- undo the above",
            "-- undo everything above:",
            "-- downwards",
            "-- Downward:",
            "-- uninstall",
            "-- Revert app:users from pg",
            "-- revert users from sqlite",
            "-- BEGIN DOWN",
            "-- START DOWN",
            "-- END UP",
            "--region Down",
            "-- #region Down",
            "-- BEGIN ROLLBACK",
            "-- MIGRATE BACK",
            "-- rolling back",
            "-- For rollback run:",
            "-- on rollback",
            "-- reversal",
            "-- inverse",
            "-- The following undoes this migration",
            "-- SQL in this section is executed when the migration is rolled back",
            "-- SQL section 'Down' is executed when this migration is rolled back",
            "-- ---- what undoes it ----",
            "-- To be run on rollback only",
            "-- Script for reverting the migration",
        ] {
            assert!(is_refused(line, "\nDROP TABLE a;\n"), "{line}");
            assert!(!is_refused(line, "\n-- DROP TABLE a;\n"), "{line}");
        }
        for line in [
            "-- Reset the sequence",
            "-- rollback: DROP TABLE a;",
            "-- Rollback: not possible",
            "-- TODO: rollback",
            "-- done",
            "-- town",
            "-- rest",
            "-- migrate: users",
            "-- Drop down list",
            "-- Step 2: reset counters",
            "-- migrate the data",
            "-- Reset passwords",
            "-- state: resting",
            "-- To undo: drop the table",
            "-- to do",
            "-- worker: idle",
            "-- wasted: space",
            "-- reverse index for lookups",
            "-- Reverse lookups",
            "-- Reverse queries",
            "-- reverse (by name)",
            "-- order: reverse",
            "-- direction: backward",
            "-- Backward compatibility",
            "-- reversed",
            "-- reserve",
            "-- see below",
            "-- to undo, run the script of the operators",
            "-- scroll down below the fold",
            "-- direction: downward",
            "-- revert it from here",
            "-- Deploy app:users to pg",
            "-- roll back to savepoint",
            "-- Roll back to the savepoint before the import",
            "-- reversals",
            "-- inverse of the matrix",
            "-- reset all steps",
            "-- reset everything",
            "-- in reverse",
            "-- Undo step 5",
            "-- revert to the old names",
            "-- undo log of the editor",
            "-- the reversal of an entry",
            "-- shut down",
            "-- end up with one row each",
            "-- start over",
            "-- end of the migration",
            "-- rolled back orders are kept",
        ] {
            assert!(!is_refused(line, "DROP TABLE a;\n"), "{line}");
        }
        assert!(!is_refused(
            "-- To undo:",
            "-- drop it\nCREATE TABLE a (b);\n"
        ));
        assert!(!is_refused(
            "-- ROLLBACK INSTRUCTIONS",
            "-- =====\n/*\nDROP TABLE a;\n*/\n"
        ));
        assert!(!is_refused(
            "-- reset",
            "\n-- wasmigrate:reset\nDROP TABLE a;\n"
        ));
        assert!(is_refused("-- reset", "-- the table\nDROP TABLE a;\n"));
        assert!(is_refused("-- BEGIN DOWN", "-- the table\nDROP TABLE a;\n"));
        let refused = |above: &str, line: &str| {
            let text = format!("{above}{line}\nDROP TABLE a;\n");
            let number = 1 + above.lines().count();
            objection(line, &Below::of(&text, &comment::scan(&text)), number, None).is_some()
        };
        assert!(refused("-- =====\n", "-- on rollback"));
        assert!(refused("-- Undo:\n", "-- what is used on rollback"));
        assert!(!refused(
            "-- so that no row of the table is lost\n",
            "-- on rollback"
        ));
        assert!(!refused("CREATE TABLE a (\n", "-- reversal"));
        let long = |text: &str| {
            let below = format!("{text}\nDROP TABLE a;\n");
            let scan = comment::scan(&below);
            let inner = scan.inner.first().unwrap();
            of_inner(&Below::of(&below, &scan), inner.line, inner.text).is_some()
        };
        assert!(long("/*\n * To roll back,\n * run:\n */"));
        assert!(!long("/*\n * To roll back,\n * drop the table\n */"));
        assert!(!long("/*\nreset\nDROP TABLE a;\n*/"));
        let inner = |line: &str, comment| {
            let text = format!("\n{line}\nDROP TABLE a;\n");
            of_inner(&Below::of(&text, &comment::scan(&text)), 2, comment)
        };
        assert!(inner("/* reset */", " reset ").is_some());
        assert!(inner("SELECT 1; -- migrate:reset", " migrate:reset").is_some());
        assert!(inner("UPDATE a SET b = 0; -- reset", " reset").is_none());
    }
}
