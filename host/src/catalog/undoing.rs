//! Files that undo others by their names, in no form that is known here.

use super::StepKind;
use super::file_name::{named, version};

/// Why a file of this form is no step but undoes another by its name, among others with these stems; none when it may be one.
pub(super) fn undoing(stem: &str, form: StepKind, stems: &[String]) -> Option<String> {
    const WORDS: [&str; 10] = [
        "backout",
        "dn",
        "down",
        "downgrade",
        "revert",
        "rollback",
        "teardown",
        "undo",
        "uninstall",
        "unapply",
    ];
    const SEPARATORS: [char; 4] = ['_', '-', '.', ' '];
    // What undoes beside a step is SQL.
    let is_sql = form == StepKind::Sql;
    let name = named(stem);
    if WORDS.contains(&&*name.to_ascii_lowercase()) {
        let way_on = match is_sql {
            true => "name it as the step that it undoes, with `.down.sql` at the end",
            false => "put that into the `reset` of the step that it undoes",
        };
        return Some(format!(
            "is called `{name}`, and would run to migrate: {way_on}, or name it otherwise when it migrates"
        ));
    }
    let name = in_words(name);
    let at_the_end = name
        .rsplit_once(SEPARATORS)
        .map(|(undone, word)| (undone, word.trim_matches(['(', ')', '[', ']'])));
    let at_the_beginning = name.split_once(SEPARATORS).map(|(word, rest)| (rest, word));
    let is_copy = |word: &str| matches!(word, "bak" | "backup" | "copy" | "old" | "orig");
    if let Some((kept, word)) = name.rsplit_once('.')
        && is_copy(word)
        && let Some(other) = stems.iter().find(|other| in_words(named(other)) == kept)
    {
        return Some(format!(
            "is a copy of `{other}` by its name, and would run beside it: move it away"
        ));
    }
    let mut ways = at_the_end.into_iter().chain(at_the_beginning);
    let other = ways.find_map(|(undone, word)| {
        // A step that reverts an earlier one is a step, and what is paid down is none that is undone.
        let is_often_a_step = word == "revert" || (word == "down" && name.starts_with(word));
        let is_undone = |other: &&String| {
            let name = in_words(named(other));
            let done = ["_up", "-up", ".up", " up"];
            let done = done.iter().find_map(|up| name.strip_suffix(up));
            (!is_often_a_step || version(other) == version(stem)) && done.unwrap_or(&name) == undone
        };
        let is_undoing = WORDS.contains(&word);
        is_undoing.then(|| stems.iter().find(is_undone)).flatten()
    })?;
    let way_on = match is_sql {
        true => format!(
            "call it `{}.down.sql` when it undoes that",
            other.trim_end_matches("_up").trim_end_matches("-up")
        ),
        false => "put that into the `reset` of the other".to_owned(),
    };
    Some(format!(
        "undoes `{other}` by its name, and would run to migrate: {way_on}, or name it otherwise when it migrates"
    ))
}

/// A name in small letters, with the words apart that capital letters begin: `createUsersDown` as `create_users_down`.
fn in_words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
        before = letter;
    }
    words
}
