//! What people type who know another tool: answered with the command that does it here.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Verbs of other tools, and what they are here.
const VERBS: [(&[&str], &str); 20] = [
    (
        &[
            "up", "apply", "deploy", "run", "latest", "upgrade", "update", "dev", "push",
            "execute", "perform", "continue",
        ],
        "`wasmigrate migrate` runs all pending steps, `--to STEP` or `--steps K` some of them; `wasmigrate finalize` is the cut-over",
    ),
    (
        &["up-by-one", "up-to", "next", "goto", "migrate-to", "to"],
        "`wasmigrate migrate --steps 1` runs the next step, `wasmigrate migrate --to STEP` all up to that one",
    ),
    (
        &[
            "down",
            "undo",
            "rollback",
            "revert",
            "downgrade",
            "down-to",
            "prev",
            "back",
        ],
        "`wasmigrate reset --steps 1` undoes the last step, `reset --to STEP` all after that one, `reset` all since the last finalize",
    ),
    (
        &["redo", "refresh"],
        "`wasmigrate reset --steps 1` undoes the last step, and `wasmigrate migrate` runs it again",
    ),
    (
        &[
            "info", "list", "ls", "show", "current", "version", "versions", "state", "st", "tree",
            "heads",
        ],
        "`wasmigrate status` shows where the target stands; `wasmigrate plan` what would run",
    ),
    (
        &[
            "dump",
            "schema-dump",
            "dump-schema",
            "schema:dump",
            "structure:dump",
            "dumpdata",
            "inspectdb",
        ],
        "`wasmigrate schema dump` shows the schema as SQL",
    ),
    (
        &["diff", "drift", "compare", "schema-diff", "schema:diff"],
        "`wasmigrate schema diff` shows how the schema differs from what the last run left",
    ),
    (
        &["seed", "seeds", "seed:run", "seed:all", "loaddata"],
        "seeds are files of the directory that `seeds` in the settings names, and `wasmigrate migrate` runs them after the steps",
    ),
    (
        &["log", "logs", "runs"],
        "`wasmigrate history` shows the runs, with `--output` what their steps wrote",
    ),
    (
        &["validate", "check", "checksum", "doctor"],
        "`wasmigrate verify` compares files and schema with the journal; `wasmigrate test` proves steps on throw-away databases",
    ),
    (
        &["lint", "analyze", "advise"],
        "`wasmigrate plan --strict` names the statements that would hold up the application",
    ),
    (
        &[
            "dry-run",
            "pending",
            "preview",
            "updatesql",
            "update-sql",
            "sqlmigrate",
            "script",
        ],
        "`wasmigrate plan` shows what would run; `wasmigrate plan --dry-run` runs it and rolls it back",
    ),
    (
        &[
            "create",
            "generate",
            "gen",
            "make",
            "add",
            "revision",
            "makemigrations",
            "migration",
            "make:migration",
        ],
        "`wasmigrate new NAME` makes a numbered file",
    ),
    (
        &[
            "force",
            "stamp",
            "fake",
            "mark",
            "resolve",
            "changelog-sync",
            "changelogsync",
            "set",
        ],
        "`wasmigrate baseline --through STEP` marks steps as applied without running them",
    ),
    (
        &["fix", "rehash", "hash", "set-checksum"],
        "`wasmigrate repair` accepts a file that has changed, or one that is gone",
    ),
    (
        &[
            "clean",
            "drop",
            "fresh",
            "wipe",
            "dropdb",
            "drop-all",
            "truncate",
            "destroy",
            "db:reset",
            "migrate:reset",
        ],
        "wasmigrate drops no database: use the database's own tool; `wasmigrate reset` undoes what is not finalized",
    ),
    (
        &["createdb", "setup", "initdb"],
        "`wasmigrate migrate --create` makes a SQLite file; a PostgreSQL database is made with `createdb`",
    ),
    (
        &["install"],
        "there is nothing to set up: put steps into `migrations` (`wasmigrate init` makes an example) and run `wasmigrate migrate`; the first run makes the journal",
    ),
    (
        &[
            "unlock",
            "release-locks",
            "releaselocks",
            "list-locks",
            "listlocks",
            "lock",
        ],
        "`wasmigrate lease` shows who holds the target, `wasmigrate lease break` takes it away",
    ),
    (
        &["server", "daemon", "start", "listen"],
        "`wasmigrate serve` is the service",
    ),
];

/// What other tools write before a verb.
const PREFIXES: [&str; 6] = [
    "db:migrate:",
    "db:",
    "migrate:",
    "migrations:",
    "migration:",
    "database:",
];

/// Verbs that are the same here without what is before them.
const OURS: [&str; 9] = [
    "finalize", "history", "init", "migrate", "new", "plan", "status", "test", "verify",
];

/// The answer to arguments that begin with another tool's verb; none when there is no such verb among them.
pub(super) fn answer(error: &clap::Error) -> Option<String> {
    let kind = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        // `migrate up` and its like.
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let ContextValue::String(typed) = error.get(kind)? else {
        return None;
    };
    let lower = typed.to_lowercase();
    let verb = PREFIXES
        .iter()
        .find_map(|prefix| lower.strip_prefix(prefix))
        .unwrap_or(&lower);
    let answer_to = |typed: &str| VERBS.iter().find(|(verbs, _)| verbs.contains(&typed));
    let here = match answer_to(&lower).or_else(|| answer_to(verb)) {
        Some((_, here)) => (*here).to_owned(),
        None if verb != lower && OURS.contains(&verb) => {
            format!("it is `wasmigrate {verb}`")
        }
        None => return None,
    };
    Some(format!("there is no `{typed}` here: {here}"))
}
