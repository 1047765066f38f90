//! Comment lines that look like the beginning of a part that does not migrate, and are no line of a tool: one with a mistake
//! in it, a word alone, or a heading. What comes after them would run to migrate.
//!
//! Remarks are to stay remarks: so a line counts only with a statement after it, and a heading only right before one.

use super::annotation::Part;
use super::below::Below;

/// Words for the part that undoes.
const UNDO: [&str; 16] = [
    "down",
    "downs",
    "downgrade",
    "undo",
    "rollback",
    "revert",
    "backout",
    "unapply",
    "reset",
    "teardown",
    "backward",
    "backwards",
    "reverse",
    "downward",
    "downwards",
    "uninstall",
];

/// Those of them that are said of orders and of ways through data, too.
const DIRECTIONS: [&str; 5] = ["backward", "backwards", "downward", "downwards", "reverse"];

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

/// Parts that are one of SQL as well, in which such a word says something else.
const OF_DATA: [&str; 6] = ["code", "part", "plan", "procedure", "queries", "query"];

/// Words for the part that cuts over.
const FINALIZE: [&str; 2] = ["finalize", "finalise"];

/// Programs, and what stands for one, before such a word.
const TOOLS: [&str; 27] = [
    "alembic",
    "atlas",
    "dbmate",
    "dbmigrate",
    "diesel",
    "drizzle",
    "evolution",
    "evolutions",
    "flyway",
    "goose",
    "knex",
    "micrate",
    "migrate",
    "migration",
    "migrations",
    "pgmigrate",
    "play",
    "prisma",
    "rambler",
    "refinery",
    "section",
    "shmig",
    "sqlmigrate",
    "sqlx",
    "tern",
    "umzug",
    "yoyo",
];

/// What a part is called after such a word.
const PARTS: [&str; 21] = [
    "block",
    "changes",
    "code",
    "commands",
    "instructions",
    "migration",
    "migrations",
    "part",
    "phase",
    "plan",
    "procedure",
    "queries",
    "query",
    "script",
    "scripts",
    "section",
    "sections",
    "sql",
    "statements",
    "step",
    "steps",
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
    let likeness = likeness(comment)?;
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

/// The same of a comment of another form, on a line of the text: in `/*` and `*/` alone on it, or after a statement.
pub(super) fn of_inner(below: &Below<'_>, line: usize, comment: &str) -> Option<String> {
    let here = below.line(line).trim();
    let is_alone = here.starts_with("/*") && here.ends_with("*/");
    // A word after a statement says something of that.
    if comment.contains('\n') || !(is_alone || comment.contains(':')) {
        return None;
    }
    let comment = comment.trim_matches(|letter: char| letter.is_whitespace() || letter == '*');
    objection(&format!("--{comment}"), below, line, None)
}

fn likeness(comment: &str) -> Option<Likeness> {
    let lower = comment.to_ascii_lowercase();
    let words = words(&lower);
    let exact = |part| Likeness {
        part: Some(part),
        is_heading: false,
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["revert", _, "from", engine] = *lower.split_whitespace().collect::<Vec<_>>()
        && ENGINES.contains(&engine)
    {
        return Some(exact(Part::Reset));
    }
    if let Some((key, value)) = lower.split_once(':') {
        let value = self::words(value);
        let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
        let is_ours = is_nearly_ours(&key);
        if let [first, ..] = value.as_slice()
            && value.len() <= 2
            && !REMARKS.contains(&&*key)
        {
            let is_tools = is_ours || TOOLS.contains(&&*key);
            let says_it = value.len() == 1 && (is_tools || !DIRECTIONS.contains(&&**first));
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
        return part(only, false).map(exact);
    }
    if let Some((word, tool)) = words.split_last() {
        let tool = tool.concat();
        if TOOLS.contains(&&*tool) || is_nearly_ours(&tool) {
            return part(word, true).map(exact);
        }
    }
    let undoes = |word: &str| UNDO.contains(&word) && word != "reset";
    let is_heading = match words.as_slice() {
        [word, part] => {
            let is_of_data = DIRECTIONS.contains(word) && OF_DATA.contains(part);
            PARTS.contains(part) && !is_of_data && (UNDO.contains(word) || FINALIZE.contains(word))
                || (matches!(*word, "to" | "for") && undoes(part))
                || (matches!(*part, "above" | "below") && undoes(word))
        }
        ["to" | "how", word, "it"]
        | ["to", word, "this" | "the", "migration" | "change" | "step"]
        | [word, "this" | "the", "migration"]
        | [word, "the" | "all" | "everything", "above"]
        | [word, "the", "changes" | "statements", "above"]
        | ["to", word, "run" | "execute" | "use"]
        | ["to", word, "it" | "this", "run" | "execute" | "use"]
        | ["to", word, "run" | "execute" | "use", "this" | "these"]
        | ["how", "to", word] => undoes(word),
        _ => false,
    };
    // Such as `Down (0001_name)`.
    let in_brackets = lower
        .trim_matches(|letter: char| {
            letter.is_whitespace() || matches!(letter, '-' | '=' | '*' | '#' | ':')
        })
        .strip_suffix([')', ']'])
        .and_then(|text| text.split_once(['(', '[']))
        .is_some_and(|(word, _)| undoes(word.trim()) && !DIRECTIONS.contains(&word.trim()));
    (is_heading || in_brackets).then(|| {
        let is_finalize = words.iter().any(|word| FINALIZE.contains(word));
        Likeness {
            part: Some(match is_finalize {
                true => Part::Finalize,
                false => Part::Reset,
            }),
            is_heading: true,
        }
    })
}

/// The words of a text, with those in one that may be written as two.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let all = text.split(|letter: char| !letter.is_alphanumeric());
    for word in all.filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(last)
                if matches!(
                    (&**last, word),
                    ("roll" | "back", "back" | "out") | ("tear", "down")
                ) =>
            {
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
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
        let inner = |line: &str, comment| {
            let text = format!("\n{line}\nDROP TABLE a;\n");
            of_inner(&Below::of(&text, &comment::scan(&text)), 2, comment)
        };
        assert!(inner("/* reset */", " reset ").is_some());
        assert!(inner("SELECT 1; -- migrate:reset", " migrate:reset").is_some());
        assert!(inner("UPDATE a SET b = 0; -- reset", " reset").is_none());
    }
}
