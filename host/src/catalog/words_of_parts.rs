//! Words that comments have for the parts of a file: what migrates, what cuts over and what undoes.

/// Words for the part that undoes.
pub(super) const UNDO: [&str; 16] = [
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

/// Other words for it, which are no mark alone but for these forms.
pub(super) const UNDOING: [&str; 24] = [
    "backingout",
    "downgrades",
    "downgrading",
    "inverse",
    "migrateback",
    "migratesback",
    "migratingback",
    "reversal",
    "reversed",
    "reverses",
    "reversing",
    "reverted",
    "reverting",
    "reverts",
    "rollbacks",
    "rolledback",
    "rollingback",
    "rollsback",
    "tearingdown",
    "tearsdown",
    "unapplied",
    "undoes",
    "undoing",
    "undone",
];

/// Those of both that are said of orders, of ways through data and of what is in it, too.
pub(super) const IN_DATA: [&str; 10] = [
    "backward",
    "backwards",
    "downward",
    "downwards",
    "inverse",
    "reversal",
    "reverse",
    "reversed",
    "reverses",
    "reversing",
];

/// Those of these that begin a part where they stand alone.
pub(super) const ALONE: [&str; 2] = ["inverse", "reversal"];

/// Words for the part that migrates, of which the end is told.
pub(super) const UP: [&str; 4] = ["forward", "forwards", "up", "ups"];

/// Where a part begins and ends.
pub(super) const BORDERS: [&str; 5] = ["begin", "end", "endregion", "region", "start"];

/// What is done with a part.
pub(super) const RUNS: [&str; 9] = [
    "apply", "execute", "executed", "executes", "run", "running", "runs", "use", "used",
];

/// Other words around such a word that say nothing else.
pub(super) const AROUND: [&str; 34] = [
    "a",
    "above",
    "all",
    "an",
    "are",
    "be",
    "below",
    "by",
    "change",
    "everything",
    "following",
    "for",
    "here",
    "how",
    "if",
    "in",
    "is",
    "it",
    "manual",
    "manually",
    "needed",
    "of",
    "on",
    "only",
    "please",
    "required",
    "the",
    "these",
    "this",
    "those",
    "to",
    "what",
    "when",
    "whenever",
];

/// Parts that are one of SQL as well, in which such a word says something else.
pub(super) const OF_DATA: [&str; 6] = ["code", "part", "plan", "procedure", "queries", "query"];

/// Words for the part that cuts over.
pub(super) const FINALIZE: [&str; 2] = ["finalize", "finalise"];

/// Programs, and what stands for one, before such a word.
pub(super) const TOOLS: [&str; 27] = [
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
pub(super) const PARTS: [&str; 21] = [
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

/// The words of a text, with those in one that may be written as two.
pub(super) fn words_in(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let all = text.split(|letter: char| !letter.is_alphanumeric());
    for word in all.filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(last)
                if matches!(
                    (&**last, word),
                    ("roll" | "rolls" | "rolled" | "rolling", "back")
                        | ("migrate" | "migrates" | "migrating", "back")
                        | ("back" | "backing", "out")
                        | ("tear" | "tears" | "tearing", "down")
                ) =>
            {
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}
