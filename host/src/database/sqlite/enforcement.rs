//! Foreign keys that SQLite itself enforces, with what they do to the rows that refer: in a file that asks for that by
//! `PRAGMA foreign_keys = ON`, and for a target whose URL does.
//!
//! The pragma does nothing inside a transaction; the same switch of the connection does:
//! <https://www.sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfigenablefkey>

use rusqlite::config::DbConfig;

use super::super::{Authority, Result};
use super::open_file::OpenFile;
use super::pragma::{OFF, pragma};
use super::reading::Piece;

/// What a pragma asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// That foreign keys are enforced, or are not.
    Enforce(bool),
    /// That what they demand may wait for the end of the transaction, or not.
    Defer(bool),
}

/// What a statement switches, when it does.
pub(super) fn switch(words: &[&str]) -> Option<Switch> {
    let (name, value) = pragma(words)?;
    let is_on = !OFF.contains(&value?);
    match name {
        "foreign_keys" => Some(Switch::Enforce(is_on)),
        "defer_foreign_keys" => Some(Switch::Defer(is_on)),
        _ => None,
    }
}

/// The places of the statements that switch something here, as they would in SQLite's own shell: what enforces nothing yet can
/// neither end nor wait, what comes between BEGIN and COMMIT does nothing, and neither does what nothing comes after. In order.
pub(super) fn switches(
    pieces: &[Piece],
    around: Option<[usize; 2]>,
    mut is_enforced: bool,
) -> Vec<usize> {
    let is_pragma = |piece: &Piece| piece.words().first() == Some(&"pragma");
    let is_around = |place: &usize| around.is_some_and(|around| around.contains(place));
    let acts = (0..)
        .zip(pieces)
        .filter(|(place, piece)| !is_pragma(piece) && !is_around(place));
    let last = acts.map(|(place, _)| place).last();
    let before_the_last = pieces.iter().enumerate().take(last.unwrap_or(0));
    let mut places = Vec::new();
    for (place, piece) in before_the_last {
        let is_inside = around.is_some_and(|[begin, commit]| begin < place && place < commit);
        let acts = match switch(&piece.words()) {
            Some(Switch::Enforce(on)) if on != is_enforced && !is_inside => {
                is_enforced = on;
                true
            }
            Some(Switch::Defer(_)) => is_enforced,
            _ => false,
        };
        if acts {
            places.push(place);
        }
    }
    places
}

/// Whether a script begins as a dump of SQLite's own shell does, with the switch and a BEGIN, and never enforces foreign keys: it may leave rows without their
/// parents, as the database had them.
pub(super) fn may_orphan(pieces: &[Piece]) -> bool {
    let [first, begin, rest @ ..] = pieces else {
        return false;
    };
    let is_on = |piece: &Piece| switch(&piece.words()) == Some(Switch::Enforce(true));
    switch(&first.words()) == Some(Switch::Enforce(false))
        && begin.words().first() == Some(&"begin")
        && !rest.iter().any(is_on)
}

impl OpenFile {
    /// Does what a statement asks for that `switches` has found.
    pub(super) fn switch(&mut self, switch: Switch) -> Result<()> {
        match switch {
            Switch::Enforce(on) => {
                self.guard.act_for(Authority::Host);
                let switched = self
                    .connection
                    .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, on);
                switched.map(|_| ()).map_err(|error| self.explain(error))
            }
            Switch::Defer(true) => self.control("PRAGMA defer_foreign_keys = ON"),
            Switch::Defer(false) => self.control("PRAGMA defer_foreign_keys = OFF"),
        }
    }

    /// Puts back what a script has switched.
    pub(super) fn put_enforcement_back(&mut self) {
        let is_enforced = self.database.enforces_foreign_keys;
        // Switches of the connection alone, which nothing can keep from it.
        let _ = self.switch(Switch::Defer(false));
        let _ = self.switch(Switch::Enforce(is_enforced));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{pragma, reading};
    use super::*;

    #[test]
    fn what_switches_something_is_what_does_so_in_a_shell() {
        for (script, expected) in [
            ("PRAGMA foreign_keys = ON; DELETE FROM a;", &[0][..]),
            (
                "DELETE FROM a; PRAGMA foreign_keys(1); DELETE FROM b;",
                &[1],
            ),
            (
                "PRAGMA foreign_keys = OFF; DROP TABLE a; PRAGMA foreign_keys = ON;",
                &[],
            ),
            (
                "PRAGMA foreign_keys = OFF; DROP TABLE a; PRAGMA foreign_keys = ON; DELETE FROM b;",
                &[2],
            ),
            (
                "PRAGMA foreign_keys = ON; BEGIN; DELETE FROM a; COMMIT;",
                &[0],
            ),
            (
                "BEGIN; PRAGMA foreign_keys = ON; DELETE FROM a; COMMIT;",
                &[],
            ),
            ("PRAGMA defer_foreign_keys = ON; DELETE FROM a;", &[]),
            (
                "PRAGMA foreign_keys = yes; PRAGMA defer_foreign_keys = ON; DELETE FROM a; PRAGMA foreign_keys = 0; DELETE FROM a",
                &[0, 1, 3],
            ),
            ("PRAGMA foreign_keys; DELETE FROM a;", &[]),
        ] {
            let pieces = reading::split(script).unwrap();
            let around = pragma::transaction(&pieces);
            assert_eq!(switches(&pieces, around, false), expected, "{script}");
        }
    }
}
