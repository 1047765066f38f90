//! What only the journal may do, and how it must do it.

use super::sources;

/// How the names of the host's own tables begin.
const JOURNAL_PREFIX: &str = "wasmigrate_";

#[test]
fn nobody_else_makes_a_permit_to_commit_under_a_right() {
    let makers: Vec<String> = sources(&["host/src"])
        .into_iter()
        .filter(|source| source.text.contains("CommitPermit::fenced()"))
        .map(|source| source.path)
        .collect();
    assert_eq!(makers, ["host/src/journal/commit.rs"]);
}

/// A statement about the journal's tables that goes to the session itself means whatever has that name.
#[test]
fn every_statement_of_the_journal_names_its_tables_in_full() {
    let calls = [
        ".rows(",
        ".query(",
        ".read(",
        ".execute(",
        ".execute_later(",
        ".require(",
    ];
    let mut bare = Vec::new();
    for source in sources(&["host/src/journal"]) {
        let text = &source.text;
        let statements = calls
            .iter()
            .flat_map(|call| text.match_indices(call))
            .filter(|(at, _)| text[..*at].trim_end().ends_with("session"))
            .map(|(at, _)| call(&text[at..]))
            .filter(|statement| statement.contains(JOURNAL_PREFIX));
        bare.extend(statements.map(|statement| format!("{}: {statement}", source.path)));
    }
    assert!(
        bare.is_empty(),
        "write `tables(session)` for these:\n{}",
        bare.join("\n")
    );
}

/// The text up to the end of the call that begins in it.
fn call(text: &str) -> &str {
    let mut depth = 0_i32;
    let end = text.find(|character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        character == ')' && depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}
