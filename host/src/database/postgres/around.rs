//! A BEGIN and a COMMIT around a whole script, which ask for what the host does anyway, and scripts that refuse a
//! transaction.

use super::super::{Error, Result, TransactionNeed};
use super::lexer::Token;
use super::statements::Piece;

/// What is said when they are passed over.
pub(super) const PASSED_OVER: &str =
    "BEGIN and COMMIT around the file are passed over: the host begins and ends the transaction";

/// What is said when those around large objects are, as a dump has them.
pub(super) const LARGE_OBJECTS: &str = "BEGIN and COMMIT around large objects are passed over: the host begins and ends the transaction";

/// The functions by which a dump writes large objects. The object that one has opened, another one must close.
const OF_LARGE_OBJECTS: [&str; 5] = ["lo_close", "lo_create", "lo_open", "lo_put", "lowrite"];

/// How many words are looked at.
const MOST_WORDS: usize = 12;

/// Which statements of a script they are. Settings may come before and after them.
pub(super) fn transaction(script: &str, pieces: &[Piece]) -> Option<[usize; 2]> {
    let words =
        |piece: &Piece| -> Vec<Token<'_>> { piece.tokens(script).take(MOST_WORDS).collect() };
    let is_setting = |piece: &Piece| {
        let words = words(piece);
        words
            .first()
            .is_some_and(|first| first.is_any(&["SET", "RESET"]))
    };
    let first = pieces.iter().position(|piece| !is_setting(piece))?;
    let last = pieces.iter().rposition(|piece| !is_setting(piece))?;
    let begins = pieces.get(first).is_some_and(|piece| begins(&words(piece)));
    let commits = pieces.get(last).is_some_and(|piece| commits(&words(piece)));
    (first < last && begins && commits).then_some([first, last])
}

/// Which statements begin and end a transaction in the midst of a script in which there is nothing but large objects.
pub(super) fn around_large_objects(script: &str, pieces: &[Piece]) -> Vec<usize> {
    let words =
        |piece: &Piece| -> Vec<Token<'_>> { piece.tokens(script).take(MOST_WORDS).collect() };
    let mut found = Vec::new();
    let mut begun = None;
    for (place, piece) in pieces.iter().enumerate() {
        let words = words(piece);
        begun = match begun {
            _ if begins(&words) => Some(place),
            Some(begin) if commits(&words) => {
                found.extend([begin, place]);
                None
            }
            Some(begin) if writes_large_object(&words) => Some(begin),
            _ => None,
        };
    }
    found
}

fn writes_large_object(words: &[Token<'_>]) -> bool {
    match words {
        [select, schema, point, function, bracket, ..] if schema.is("pg_catalog") => {
            select.is("SELECT")
                && point.is_symbol(".")
                && function.is_any(&OF_LARGE_OBJECTS)
                && bracket.is_symbol("(")
        }
        [select, function, bracket, ..] => {
            select.is("SELECT") && function.is_any(&OF_LARGE_OBJECTS) && bracket.is_symbol("(")
        }
        _ => false,
    }
}

/// Whether it begins a transaction like that of the host.
fn begins(words: &[Token<'_>]) -> bool {
    let modes = match words {
        [start, transaction, modes @ ..] if start.is("START") && transaction.is("TRANSACTION") => {
            modes
        }
        [begin, noise, modes @ ..]
            if begin.is("BEGIN") && noise.is_any(&["WORK", "TRANSACTION"]) =>
        {
            modes
        }
        [begin, modes @ ..] if begin.is("BEGIN") => modes,
        _ => return false,
    };
    let mut rest = modes;
    loop {
        rest = match rest {
            [] => return true,
            [read, write, rest @ ..] if read.is("READ") && write.is("WRITE") => rest,
            [isolation, level, read, committed, rest @ ..]
                if isolation.is("ISOLATION")
                    && level.is("LEVEL")
                    && read.is("READ")
                    && committed.is("COMMITTED") =>
            {
                rest
            }
            [comma, rest @ ..] if comma.is_symbol(",") => rest,
            _ => return false,
        };
    }
}

fn commits(words: &[Token<'_>]) -> bool {
    let rest = match words {
        [commit, noise, rest @ ..]
            if commit.is_any(&["COMMIT", "END"]) && noise.is_any(&["WORK", "TRANSACTION"]) =>
        {
            rest
        }
        [commit, rest @ ..] if commit.is_any(&["COMMIT", "END"]) => rest,
        _ => return false,
    };
    match rest {
        [] => true,
        [and, no, chain] => and.is("AND") && no.is("NO") && chain.is("CHAIN"),
        _ => false,
    }
}

/// What the statements of a script need. Settings need nothing.
pub(super) fn transaction_need(statements: &[Vec<Token<'_>>]) -> TransactionNeed {
    let (mut refuse, mut others) = (0, 0);
    for words in statements {
        if refuses_transaction(words) {
            refuse += 1;
        } else if !words
            .first()
            .is_some_and(|first| first.is_any(&["SET", "RESET"]))
        {
            others += 1;
        }
    }
    match (refuse, others) {
        (0, _) => TransactionNeed::Fits,
        (_, 0) => TransactionNeed::Refuses,
        _ => TransactionNeed::Mixed,
    }
}

/// Refuses a statement that the server runs in no transaction.
pub(super) fn admit_inside(words: &[Token<'_>]) -> Result<()> {
    if !refuses_transaction(words) {
        return Ok(());
    }
    let first = words.first().map_or("", |token| token.text).to_uppercase();
    let has = |word: &str| words.iter().any(|token| token.is(word));
    let what = match (has("INDEX"), has("CONCURRENTLY")) {
        (true, true) => format!("{first} INDEX CONCURRENTLY"),
        (false, true) => format!("{first} … CONCURRENTLY"),
        (_, false) => first,
    };
    Err(Error::not_permitted(format!(
        "{what} cannot run inside a transaction block: move it into a file of its own with the line \
         `-- wasmigrate:no-transaction`"
    )))
}

/// Whether the server runs this statement in no transaction.
fn refuses_transaction(words: &[Token<'_>]) -> bool {
    let has = |word: &str| words.iter().any(|token| token.is(word));
    match words {
        [vacuum, ..] if vacuum.is("VACUUM") => true,
        [create, index, ..]
            if create.is_any(&["CREATE", "DROP"]) && index.is_any(&["INDEX", "UNIQUE"]) =>
        {
            has("CONCURRENTLY")
        }
        [reindex, ..] if reindex.is("REINDEX") => {
            has("CONCURRENTLY") || has("DATABASE") || has("SYSTEM") || has("SCHEMA")
        }
        [alter, what, ..] if alter.is("ALTER") && what.is("TABLE") => {
            has("DETACH") && has("CONCURRENTLY")
        }
        [alter, system, ..] if alter.is("ALTER") => system.is("SYSTEM"),
        [create, what, ..] if create.is_any(&["CREATE", "DROP"]) => {
            what.is_any(&["DATABASE", "TABLESPACE"])
        }
        [cluster] => cluster.is("CLUSTER"),
        _ => false,
    }
}
