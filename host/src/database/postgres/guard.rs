//! What a step's statement may not be, told before it is sent.
//!
//! Whoever is determined can build any text inside a `DO` block; what that could do to the transaction and the journal is
//! looked for before the commit (`verify`). Here the step is told in plain words what it must not do, and why.

use super::super::{Error, JOURNAL_PREFIX, Result};
use super::chain::Chain;
use super::lexer::{Kind, Rules, Token, Tokens};
use super::owned;
use super::statements::{self, Piece};

/// Statements that begin so are refused, with the reason.
const REFUSED: [(&[&str], &str); 29] = [
    (&["BEGIN"], TRANSACTION),
    (&["START"], TRANSACTION),
    (&["COMMIT"], TRANSACTION),
    (&["END"], TRANSACTION),
    (&["ROLLBACK", "TO"], SAVEPOINT),
    (&["ROLLBACK"], TRANSACTION),
    (&["ABORT"], TRANSACTION),
    (&["PREPARE", "TRANSACTION"], TRANSACTION),
    (&["SAVEPOINT"], SAVEPOINT),
    (&["RELEASE"], SAVEPOINT),
    (&["SET", "TRANSACTION"], TRANSACTION),
    (&["SET", "SESSION", "CHARACTERISTICS"], TRANSACTION),
    (&["RESET", "SESSION"], ROLE),
    (&["RESET", "ALL"], SESSION),
    (&["DISCARD"], SESSION),
    (&["PREPARE"], SESSION),
    (&["EXECUTE"], SESSION),
    (&["DEALLOCATE"], SESSION),
    (&["DECLARE"], "read results through a cursor of the host"),
    (&["FETCH"], "read results through a cursor of the host"),
    (&["MOVE"], "read results through a cursor of the host"),
    (&["CLOSE"], "read results through a cursor of the host"),
    (&["LISTEN"], SESSION),
    (&["UNLISTEN"], SESSION),
    (&["LOAD"], "a step cannot load code into the server"),
    (&["ALTER", "SYSTEM"], "a step works on the target alone"),
    (
        &["CREATE", "SUBSCRIPTION"],
        "it works on another server, while a step works on the target alone",
    ),
    (&["CREATE", "DATABASE"], "a step works on the target alone"),
    (&["DROP", "DATABASE"], "a step works on the target alone"),
];

const TRANSACTION: &str = "the host begins and ends the transaction of a step; take it out (a file's BEGIN as its first and \
     COMMIT as its last statement are passed over)";
const SAVEPOINT: &str = "a step in SQL is kept or undone as a whole: take it out, catch the error inside a DO block, or split \
     the step; in a component, open savepoints through the `savepoint` resource";
const ROLE: &str =
    "the host decides in whose name a step works: the operator names a role with `postgres.role`";
const OF_THE_SERVER: &str = "roles, databases and the settings with which sessions begin are the operator's and of the whole \
     server, while a step works on the target alone: let a superuser make them before";
const SESSION: &str = "the connection belongs to the host, and outlives the step";

/// Settings that say in whose name a session works, which have statements of their own, too.
const ROLE_SETTINGS: [&str; 2] = ["role", "session_authorization"];

/// Functions that reach outside the database or the transaction.
const FORBIDDEN_FUNCTIONS: [&str; 24] = [
    "pg_read_file",
    "pg_read_binary_file",
    "pg_ls_dir",
    "pg_stat_file",
    "pg_ls_logdir",
    "pg_ls_waldir",
    "pg_ls_tmpdir",
    "pg_ls_archive_statusdir",
    "lo_import",
    "lo_export",
    "pg_execute_server_program",
    "pg_file_write",
    "pg_file_unlink",
    "pg_file_rename",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_switch_wal",
    "dblink",
    "dblink_exec",
    "dblink_connect",
    "dblink_connect_u",
    "dblink_send_query",
];

/// Statements that only read, as far as their first word tells.
const READING: [&str; 6] = ["SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW"];

/// Words that make a reading statement write, or lock.
const WRITING: [&str; 8] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "SHARE", "TRUNCATE", "DROP",
];

/// What is the host's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Host<'h> {
    /// The journal's schema, where that is apart.
    pub(super) journal: Option<&'h str>,
    /// The role that the host connects as; empty where that is not known.
    pub(super) user: &'h str,
}

/// Checks one statement of a step.
pub(super) fn check(statement: &str, rules: Rules, host: Host<'_>) -> Result<()> {
    if statement.contains('\0') {
        return Err(Error::invalid_argument(
            "the statement holds a NUL byte, at which PostgreSQL would stop reading it",
        ));
    }
    if statement.contains(';') && statements::count(statement, rules) > 1 {
        return Err(Error::invalid_argument(
            "the text holds more than one statement: pass one statement per call",
        ));
    }
    check_words(Tokens::new(statement, rules).collect(), false, host)
}

/// Checks one statement of a script.
pub(super) fn check_piece(script: &str, piece: &Piece, host: Host<'_>) -> Result<()> {
    check_words(piece.tokens(script).collect(), piece.rows.is_some(), host)
}

/// Checks the words of one statement. `has_rows` says that the rows of a COPY follow.
pub(super) fn check_words(
    mut tokens: Vec<Token<'_>>,
    has_rows: bool,
    host: Host<'_>,
) -> Result<()> {
    let first = tokens.iter().position(|token| !token.is_symbol(";"));
    tokens.drain(..first.unwrap_or(tokens.len()));
    if tokens.is_empty() {
        return Err(Error::invalid_argument("the text holds no statement"));
    }
    for (words, reason) in REFUSED {
        let begins = words
            .iter()
            .zip(&tokens)
            .all(|(word, token)| token.is(word));
        if begins && tokens.len() >= words.len() {
            return Err(refused(&words.join(" "), reason));
        }
    }
    if !has_rows && tokens.first().is_some_and(|first| first.is("COPY")) {
        check_copy(&tokens)?;
    }
    check_role(&tokens)?;
    check_server(&tokens)?;
    owned::check(&tokens, host.user)?;
    check_names(&tokens, host.journal)
}

/// Whether a statement may change what later statements mean: all but those that only move rows.
pub(super) fn changes_shape(statement: &str) -> bool {
    let first = Tokens::new(statement, Rules::default()).find(|token| !token.is_symbol(";"));
    !first.is_some_and(|first| {
        [
            "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE",
        ]
        .iter()
        .any(|word| first.is(word))
    })
}

/// Whether a statement puts the search path back to that of the connection.
pub(super) fn restores_search_path(statement: &str) -> bool {
    let mut tokens =
        Tokens::new(statement, Rules::default()).skip_while(|token| token.is_symbol(";"));
    let resets = match tokens.next() {
        Some(first) if first.is("RESET") => true,
        Some(first) if first.is("SET") => false,
        _ => return false,
    };
    let is_scope = |token: &Token<'_>| token.is("LOCAL") || token.is("SESSION");
    let mut tokens = tokens.skip_while(is_scope);
    let name = tokens.next().and_then(|token| token.name());
    name.as_deref() == Some("search_path")
        && (resets || tokens.nth(1).is_some_and(|value| value.is("DEFAULT")))
}

/// `SET ROLE`, in each of its forms.
fn check_role(tokens: &[Token<'_>]) -> Result<()> {
    let is_set = |word| tokens.first().is_some_and(|first| first.is(word));
    if is_set("SET") || is_set("RESET") {
        let mut words = tokens.iter().skip(1);
        let mut word = words.next();
        while word.is_some_and(|word| word.is("LOCAL") || word.is("SESSION")) {
            word = words.next();
        }
        let name = word.and_then(Token::name).unwrap_or_default();
        if ROLE_SETTINGS.contains(&name.as_str()) || name == "authorization" {
            return Err(refused(&format!("SET {}", name.to_uppercase()), ROLE));
        }
    }
    for call in tokens.windows(3) {
        let [function, parenthesis, setting] = call else {
            continue;
        };
        if function.name().as_deref() == Some("set_config")
            && parenthesis.is_symbol("(")
            && ROLE_SETTINGS.contains(&setting.text.trim_matches('\'').to_lowercase().as_str())
        {
            return Err(refused(&format!("set_config({})", setting.text), ROLE));
        }
    }
    Ok(())
}

/// What belongs to the whole server: roles and who is a member of them, databases, and the settings with which later sessions
/// begin, the host's among them.
fn check_server(tokens: &[Token<'_>]) -> Result<()> {
    let [first, second, rest @ ..] = tokens else {
        return Ok(());
    };
    let is = |token: &Token<'_>, words: &[&str]| words.iter().any(|word| token.is(word));
    let is_mapping = rest.first().is_some_and(|third| third.is("MAPPING"));
    if is(first, &["CREATE", "ALTER", "DROP"])
        && is(second, &["ROLE", "USER", "GROUP"])
        && !is_mapping
    {
        let sets = rest.iter().any(|token| is(token, &["SET", "RESET"]));
        return Err(refused(
            &format!(
                "{} {}{}",
                first.text.to_uppercase(),
                second.text.to_uppercase(),
                if sets { " … SET" } else { "" }
            ),
            OF_THE_SERVER,
        ));
    }
    if first.is("ALTER") && second.is("DATABASE") {
        let sets = rest.iter().any(|token| is(token, &["SET", "RESET"]));
        let what = if sets {
            "ALTER DATABASE … SET"
        } else {
            "ALTER DATABASE"
        };
        return Err(refused(what, OF_THE_SERVER));
    }
    let is_on_whole = |three: &[Token<'_>]| {
        matches!(three, [on, kind, name]
            if on.is("ON") && kind.is_any(&["DATABASE", "TABLESPACE", "PARAMETER"])
            && !name.is_any(&["TO", "FROM"]) && !name.is_symbol(",") && !name.is_symbol("."))
    };
    if is(first, &["GRANT", "REVOKE"]) && tokens.windows(3).any(is_on_whole) {
        let what = format!("{} … ON DATABASE", first.text.to_uppercase());
        return Err(refused(&what, OF_THE_SERVER));
    }
    // Rights are granted on something, roles are not.
    if is(first, &["GRANT", "REVOKE"]) && !tokens.iter().any(|token| token.is("ON")) {
        return Err(refused(
            &format!("{} of a role", first.text.to_uppercase()),
            OF_THE_SERVER,
        ));
    }
    Ok(())
}

fn check_copy(tokens: &[Token<'_>]) -> Result<()> {
    let mut depth = 0_usize;
    for pair in tokens.windows(2) {
        let [token, next] = pair else { continue };
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 || !(token.is("FROM") || token.is("TO")) {
            continue;
        }
        if next.is("PROGRAM") {
            return Err(refused(
                "COPY … PROGRAM",
                "a step cannot start programs on the server",
            ));
        }
        if next.kind == Kind::String {
            return Err(refused(
                "COPY with a file",
                "a step cannot reach the server's files",
            ));
        }
        return Err(refused(
            "COPY",
            "insert in bulk with `load`, and read with a cursor",
        ));
    }
    Ok(())
}

fn check_names(tokens: &[Token<'_>], journal: Option<&str>) -> Result<()> {
    let reads = READING
        .iter()
        .any(|word| tokens.first().is_some_and(|first| first.is(word)))
        && !tokens
            .iter()
            .any(|token| WRITING.iter().any(|word| token.is(word)));
    let (mut lists, mut paths) = (Chain::of(","), Chain::of("."));
    for (place, token) in tokens.iter().enumerate() {
        let (list, path) = (lists.start(tokens, place), paths.start(tokens, place));
        let Some(name) = token.name() else { continue };
        if FORBIDDEN_FUNCTIONS.contains(&name.as_str()) && may_call(tokens, place, path) {
            return Err(forbidden(&name));
        }
        if reads {
            continue;
        }
        if name.starts_with(JOURNAL_PREFIX) {
            return Err(belongs_to_the_host(&name));
        }
        if journal.is_some_and(|journal| journal == name) && names_schema(tokens, place, list) {
            return Err(refused(
                &format!("`{name}`"),
                "a step may read the journal, but the schema that it is in and its tables belong to the host",
            ));
        }
    }
    match may_run_strings(tokens) {
        true => tokens
            .iter()
            .filter_map(Token::content)
            .try_for_each(|body| check_body(&body)),
        false => Ok(()),
    }
}

/// Words that the name of something follows which is in a schema. A name with a dot may else be that of a table's column.
const BEFORE_NAMES: [&str; 18] = [
    "AGGREGATE",
    "CONCURRENTLY",
    "DOMAIN",
    "EXISTS",
    "FROM",
    "FUNCTION",
    "INDEX",
    "INTO",
    "JOIN",
    "ONLY",
    "PROCEDURE",
    "REFERENCES",
    "SEQUENCE",
    "TABLE",
    "TRUNCATE",
    "TYPE",
    "UPDATE",
    "VIEW",
];

/// How many words `IF NOT EXISTS` has.
const WORDS_IN_BETWEEN: usize = 3;

/// Whether the name at this place is that of a schema: with a dot after it, or in a list after `SCHEMA`. `first` is where the list
/// begins.
fn names_schema(tokens: &[Token<'_>], place: usize, first: usize) -> bool {
    let before = tokens.get(..first).unwrap_or_default().iter().rev();
    let before = before.take(WORDS_IN_BETWEEN + 1);
    let is_followed = tokens.get(place + 1).is_some_and(|dot| dot.is_symbol("."));
    if is_followed {
        let before = before.clone().next();
        return before.is_some_and(|word| word.is_any(&BEFORE_NAMES));
    }
    let mut before = before.skip_while(|token| token.is_any(&["IF", "NOT", "EXISTS"]));
    before.next().is_some_and(|word| word.is("SCHEMA"))
}

/// Whether strings of this statement may be code: bodies of functions and blocks, or what a function runs.
fn may_run_strings(tokens: &[Token<'_>]) -> bool {
    tokens
        .first()
        .is_some_and(|first| first.is_any(&["DO", "CALL", "SELECT", "WITH", "EXPLAIN"]))
        || makes(tokens, &["FUNCTION", "PROCEDURE"])
}

/// Whether a statement makes something of these kinds.
fn makes(tokens: &[Token<'_>], kinds: &[&str]) -> bool {
    match tokens {
        [create, or, replace, kind, ..] if or.is("OR") && replace.is("REPLACE") => {
            create.is("CREATE") && kind.is_any(kinds)
        }
        [create, kind, ..] => create.is("CREATE") && kind.is_any(kinds),
        _ => false,
    }
}

/// Whether the name at this place may be that of a function that is called, now or by what is made here. `start` is where the
/// name begins with the schemas before it.
fn may_call(tokens: &[Token<'_>], place: usize, start: usize) -> bool {
    if makes(
        tokens,
        &[
            "AGGREGATE",
            "CAST",
            "CONVERSION",
            "OPERATOR",
            "TRANSFORM",
            "TYPE",
        ],
    ) {
        return true;
    }
    let is_followed = tokens
        .get(place + 1)
        .is_some_and(|next| next.is_symbol("("));
    if !is_followed {
        return false;
    }
    let Some(before) = start.checked_sub(1).and_then(|before| tokens.get(before)) else {
        return true;
    };
    let is_first = |words: &[&str]| tokens.first().is_some_and(|first| first.is_any(words));
    // A table and its columns, or the function itself rather than a call of it.
    let names_another = before.is_any(&[
        "AS",
        "COPY",
        "EXISTS",
        "INTO",
        "RECURSIVE",
        "REFERENCES",
        "TABLE",
        "VIEW",
        "WITH",
    ]) || before.is("ON") && is_first(&["CREATE", "GRANT", "REVOKE"])
        || before.is_any(&["FUNCTION", "PROCEDURE", "ROUTINE"])
            && (is_first(&["ALTER", "COMMENT", "DROP", "GRANT", "REVOKE"])
                || makes(tokens, &["FUNCTION", "PROCEDURE"]));
    !names_another
}

fn forbidden(function: &str) -> Error {
    refused(
        &format!("{function}()"),
        "a step cannot reach outside the target",
    )
}

/// Looks for what is forbidden in a quoted body, of which only the words are known.
fn check_body(body: &str) -> Result<()> {
    let tokens: Vec<Token<'_>> = Tokens::new(body, Rules::default()).collect();
    let mut paths = Chain::of(".");
    for (place, token) in tokens.iter().enumerate() {
        let path = paths.start(&tokens, place);
        let Some(name) = token.name() else { continue };
        // A body of one word is the name of a function in C.
        if FORBIDDEN_FUNCTIONS.contains(&name.as_str())
            && (tokens.len() == 1 || may_call(&tokens, place, path))
        {
            return Err(forbidden(&name));
        }
        if name.starts_with(JOURNAL_PREFIX) {
            return Err(belongs_to_the_host(&name));
        }
    }
    Ok(())
}

/// Names of the journal's tables are not for steps.
pub(super) fn belongs_to_the_host(name: &str) -> Error {
    refused(
        &format!("`{name}`"),
        &format!(
            "a step may read the journal, but tables that begin with `{JOURNAL_PREFIX}` belong to the host"
        ),
    )
}

fn refused(what: &str, why: &str) -> Error {
    Error::not_permitted(format!("not permitted: {what}: {why}"))
}
