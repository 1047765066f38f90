//! Names that are those of steps but for their endings: a slip of the fingers, or what an editor or another program has left.
//!
//! What begins as the name of a step is one, or an error: only endings of what is known to stand beside steps are passed over.

use std::collections::BTreeSet;

use super::StepKind;
use super::companions::{COMPANIONS, PAPERS, stands_beside};
use super::file_name::{self, Parts, begins_as_step, is_program, without_ending};
use super::script::is_declarations;

/// What editors and version control put after the name of a file of which they keep an earlier state, which may have another name
/// by now.
const BACKUPS: [&str; 4] = ["orig", "rej", "save", "swp"];

/// What says so only beside that file.
const COPIES: [&str; 10] = [
    "backup", "bak", "base", "copy", "local", "new", "old", "remote", "temp", "tmp",
];

/// What people put after the name of a file that is not to run, or from which one is made. Without that file beside it, one that is
/// to run may have been forgotten.
const SWITCHED_OFF: [&str; 7] = [
    "disabled", "example", "off", "sample", "skip", "template", "tmpl",
];

/// Endings that are near enough to those of steps to be meant for one of them. Those of other languages are told before.
const NEARLY: [(&str, &str); 10] = [
    ("jsc", "js"),
    ("jsx", "js"),
    ("sj", "js"),
    ("qsl", "sql"),
    ("sq", "sql"),
    ("sqlite", "sql"),
    ("sqlite3", "sql"),
    ("sqls", "sql"),
    ("wast", "wasm"),
    ("wat", "wasm"),
];

/// What a file is whose name is nearly that of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nearly {
    /// An error, and why.
    Strange(String),
    /// Something known beside steps, and what.
    Known(&'static str),
}

/// What a file is by its name, among the others of its directory; none where it is nowhere near to that of a step. `is_free` says
/// that names need no number.
pub(super) fn nearly(file_name: &str, others: &BTreeSet<String>, is_free: bool) -> Option<Nearly> {
    let strange = |why: String| Some(Nearly::Strange(why));
    let trimmed = file_name.trim_end_matches([' ', '.']);
    if trimmed.len() < file_name.len() && is_program(trimmed) {
        return strange(
            "ends with a space or a point, so that it is no step: rename it".to_owned(),
        );
    }
    let Some((stem, ending)) = trimmed.rsplit_once('.') else {
        return match begins_as_step(trimmed) {
            true => strange("is named as a step, and has no ending: write .sql, .wasm or .js after its name, or move it away".to_owned()),
            false => None,
        };
    };
    let ending = ending.to_ascii_lowercase();
    if is_declarations(trimmed) || ending == "pyi" {
        return Some(Nearly::Known(
            "holds types for editors, and nothing that runs",
        ));
    }
    if is_program(stem) {
        if without_ending(trimmed, ".txt").is_some() {
            return strange(
                "ends in .txt, so that it is no step: rename it, or move it away".to_owned(),
            );
        }
        let is_switched_off = SWITCHED_OFF.contains(&&*ending) && others.contains(stem);
        if is_switched_off || COMPANIONS.contains(&&*ending) {
            return Some(Nearly::Known(
                "stands beside steps, and is none by its ending",
            ));
        }
        let is_copy = COPIES.contains(&&*ending) && others.contains(stem);
        if is_copy || BACKUPS.contains(&&*ending) {
            return Some(Nearly::Known("a copy of the file before its last ending"));
        }
        return strange(format!(
            "ends in .{ending}, so that it is no step, and `{stem}` {}: rename it, or move it away",
            match others.contains(stem) {
                true => "stands beside it",
                false => "is not there",
            }
        ));
    }
    let is_meant = begins_as_step(stem);
    let is_known = match is_meant {
        true => COMPANIONS.contains(&&*ending) || PAPERS.contains(&&*ending),
        false => stands_beside(&ending) || file_name::is_other_language(&ending),
    };
    if is_known || !(is_meant || is_free) {
        return None;
    }
    // Notes on a step stand beside it.
    let is_of_this = |other: &String| Parts::of_free(other).is_some_and(|parts| parts.stem == stem);
    if ending == "txt" && (others.contains(stem) || others.iter().any(is_of_this)) {
        return None;
    }
    let of = |kind: &StepKind| {
        let known = kind.as_str();
        let is_typo = known.len() > 2 && strsim::osa_distance(known, &ending) == 1;
        (is_typo || NEARLY.contains(&(&*ending, known))).then_some(known)
    };
    let meant = StepKind::ALL.iter().find_map(of).unwrap_or("sql");
    strange(format!(
        "ends in .{ending}, so that it is no step: call it .{meant} when it is one, or move it away"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_a_step_is_told_and_what_is_known_beside_them_is_not() {
        let others = BTreeSet::from(["0001_a.sql".to_owned()]);
        let of = |name: &str| nearly(name, &others, false);
        for name in [
            "0003_x.sq1",
            "0003_x.sqlx",
            "0003_x.SLQ",
            "V3__x.sq",
            "R__x.sqk",
            "0003_x.wams",
            "0003_x.wat",
            "0003_x.jsx",
            "0003_x.SQL.txt",
            "0003_x.wasm.tmp",
            "0003_x.sql.bak",
            "0003_x.sql.foo",
            "0001_a.sql.foo",
            "0003_x.sql.disabled",
            "0003_x.sql.TMPL",
            "0003_x.sql ",
            "0003_x",
            "0003_x.up",
            "0003_x.up.txt",
            "0003_x.do",
            "0003_x.dml",
            "0003_x.plpgsql",
            "0003_x.UP",
            "0003_x.wip",
            "0003_x.1",
            "0003_x.sql;1",
            "0003_x.sql#",
            "0003 x",
            "0003_",
            "0003.",
            "0003",
            "2",
            "R__",
            "R__x.tmpl",
            "R__x.txt",
            "V2__x.txt",
            "B1__x.txt",
            "V2__x.migration",
            "0003_notes.txt",
            "2024 plans",
        ] {
            assert!(matches!(of(name), Some(Nearly::Strange(_))), "{name}");
        }
        for name in [
            "0001_a.sql.bak",
            "0003_x.sql.orig",
            "0001_a.sql.disabled",
            "0003_x.sql.license",
        ] {
            assert!(matches!(of(name), Some(Nearly::Known(_))), "{name}");
        }
        for name in [
            "README.md",
            "README",
            "schema.sq1",
            "0001_a.txt",
            "3rd-party.txt",
            "2fa.up",
            "0003_x.csv",
            "0003_x.md",
            "atlas.sum",
            "Makefile",
            "1.png",
            "b.dml",
            "schema.dump",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
        let of_free = |name: &str| nearly(name, &others, true);
        for name in ["b.dml", "c.up", "002_b.plpgsql", "b.dump", "0002"] {
            assert!(matches!(of_free(name), Some(Nearly::Strange(_))), "{name}");
        }
        for name in [
            "README",
            "LICENSE",
            "README.txt",
            "wasmigrate.toml",
            "go.mod",
            "embed.go",
            "run.sh",
            "people.csv",
        ] {
            assert_eq!(of_free(name), None, "{name}");
        }
    }
}
