//! Statements of a file that ask for what the host does anyway, and those that refuse a transaction.

use super::super::{Error, Result, TransactionNeed};
use super::reading::Piece;

/// Pragmas that change nothing of what a step does: how long to wait, how much to keep in memory, when to write to the disk,
/// and whether foreign keys are enforced, which the host checks before each commit. Where the last does change something, see
/// `enforcement`.
const HOSTS: [&str; 22] = [
    "analysis_limit",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "checkpoint_fullfsync",
    "defer_foreign_keys",
    "foreign_keys",
    "fullfsync",
    "hard_heap_limit",
    "journal_size_limit",
    "legacy_file_format",
    "locking_mode",
    "mmap_size",
    "optimize",
    "read_uncommitted",
    "soft_heap_limit",
    "synchronous",
    "temp_store",
    "threads",
    "wal_autocheckpoint",
    "wal_checkpoint",
];

/// Pragmas, and the value that the host's connections and files have.
const AS_IT_IS: [(&str, &[&str]); 9] = [
    ("case_sensitive_like", OFF),
    ("encoding", &["utf-8", "utf8"]),
    ("ignore_check_constraints", OFF),
    ("journal_mode", &["wal"]),
    ("query_only", OFF),
    ("recursive_triggers", OFF),
    ("reverse_unordered_selects", OFF),
    ("secure_delete", OFF),
    ("writable_schema", OFF),
];

pub(super) const OFF: &[&str] = &["0", "off", "false", "no"];

/// Pragmas whose place is outside a transaction.
const OUTSIDE: [&str; 4] = [
    "auto_vacuum",
    "incremental_vacuum",
    "journal_mode",
    "page_size",
];

/// Why a pragma with a value has no place in a step's transaction, where more can be said than that it is not one of a few.
pub(super) fn why_not(name: &str) -> Option<&'static str> {
    let is = |pragma: &str| name.eq_ignore_ascii_case(pragma);
    if OUTSIDE.iter().any(|pragma| is(pragma)) {
        return Some(
            "it does nothing inside the transaction of a step: put it into a file of its own that begins with \
             `-- wasmigrate:no-transaction`",
        );
    }
    if is("encoding") {
        return Some("a file keeps the encoding that it was made with");
    }
    is("secure_delete").then_some(
        "the connections of the host overwrite nothing that is deleted: VACUUM in a file of its own, after it, does",
    )
}

/// The pragma that a statement is, and its value.
pub(super) fn pragma<'w>(words: &[&'w str]) -> Option<(&'w str, Option<&'w str>)> {
    let rest = match words {
        ["pragma", _, ".", rest @ ..] | ["pragma", rest @ ..] => rest,
        _ => return None,
    };
    match rest {
        [name] => Some((name, None)),
        [name, "=" | "(", value, ..] => Some((name, Some(value))),
        _ => None,
    }
}

/// The name of the pragma, when a statement asks for what the host does or has anyway.
pub(super) fn asks_for_what_is<'w>(words: &[&'w str]) -> Option<&'w str> {
    let (name, value) = pragma(words)?;
    let is_as_it_is = AS_IT_IS.iter().any(|(pragma, values)| {
        *pragma == name && value.is_none_or(|value| values.contains(&value))
    });
    (HOSTS.contains(&name) || is_as_it_is).then_some(name)
}

/// The places of a BEGIN and a COMMIT around all that a script does. Pragmas may come before and after them.
pub(super) fn transaction(pieces: &[Piece]) -> Option<[usize; 2]> {
    let is_pragma = |piece: &Piece| piece.words().first() == Some(&"pragma");
    let first = pieces.iter().position(|piece| !is_pragma(piece))?;
    let last = pieces.iter().rposition(|piece| !is_pragma(piece))?;
    let begins = match pieces.get(first)?.words().as_slice() {
        ["begin", "deferred" | "immediate" | "exclusive", rest @ ..] | ["begin", rest @ ..] => {
            is_noise(rest)
        }
        _ => false,
    };
    let commits = match pieces.get(last)?.words().as_slice() {
        ["commit" | "end", rest @ ..] => is_noise(rest),
        _ => false,
    };
    (first < last && begins && commits).then_some([first, last])
}

fn is_noise(words: &[&str]) -> bool {
    matches!(words, [] | ["transaction"] | ["transaction", _])
}

/// Whether a statement refuses a transaction, or does nothing in one.
pub(super) fn refuses_transaction(words: &[&str]) -> bool {
    match words {
        ["vacuum", ..] => true,
        _ => pragma(words).is_some_and(|(name, value)| {
            let acts = value.is_some() || name == "incremental_vacuum";
            acts && OUTSIDE.contains(&name) && asks_for_what_is(words).is_none()
        }),
    }
}

/// What the statements of a script need.
pub(super) fn transaction_need(pieces: &[Piece]) -> TransactionNeed {
    let (mut refuse, mut others) = (0, 0);
    for piece in pieces {
        let words = piece.words();
        if refuses_transaction(&words) {
            refuse += 1;
        } else if asks_for_what_is(&words).is_none() {
            others += 1;
        }
    }
    match (refuse, others) {
        (0, _) => TransactionNeed::Fits,
        (_, 0) => TransactionNeed::Refuses,
        _ => TransactionNeed::Mixed,
    }
}

/// Refuses what has no place outside a transaction.
pub(super) fn admit_outside(words: &[&str]) -> Result<()> {
    match words {
        ["vacuum"] | ["vacuum", "main"] => Ok(()),
        _ if pragma(words).is_some_and(|(name, _)| OUTSIDE.contains(&name)) => Ok(()),
        ["vacuum", ..] => Err(Error::not_permitted(
            "not permitted: VACUUM INTO: a step cannot write other files",
        )),
        _ => Err(Error::not_permitted(
            "outside a transaction SQLite needs to run nothing but VACUUM and a few PRAGMAs: put this statement into a step \
             of its own, without the line `-- wasmigrate:no-transaction`",
        )),
    }
}
