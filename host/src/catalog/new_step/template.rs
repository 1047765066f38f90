//! What the files of a new step hold before anybody has written them.

use super::manner::{Manner, Spread, Undo};
use super::sections::Sections;

/// The names of a step's files in its directory, and what they hold.
pub(super) fn files(manner: &Manner, stem: &str, with_reset: bool) -> Vec<(String, String)> {
    let title = "-- What this step does.\n".to_owned();
    let (up_name, down_word) = match &manner.spread {
        Spread::Directory { up } => (format!("{stem}/{up}"), None),
        Spread::File { up: true } => (format!("{stem}.up.sql"), Some("down")),
        Spread::File { up: false } => (format!("{stem}.sql"), None),
    };
    let down_name = match &manner.undo {
        Undo::Inner => Some(format!("{stem}/down.sql")),
        Undo::Flyway => Some(format!("U{}.sql", stem.trim_start_matches('V'))),
        Undo::Word(word) => Some(format!("{stem}.{word}.sql")),
        Undo::Nothing => down_word.map(|word| format!("{stem}.{word}.sql")),
    };
    if let Some(down_name) = down_name {
        let down = "-- What takes it back.\n".to_owned();
        return vec![(up_name, title), (down_name, down)];
    }
    let mut text = title;
    match &manner.sections {
        Sections::Copied(lines) => {
            for line in lines {
                text.push_str(&format!("\n{line}\n"));
            }
        }
        Sections::Own => {
            text.push_str(
                "-- wasmigrate:migrate\n-- What the running application tolerates: new tables and columns, copies of data.\n\n\
                 -- wasmigrate:finalize\n-- The short cut-over: constraints, renames, drops.\n",
            );
            if with_reset {
                text.push_str("\n-- wasmigrate:reset\n-- What takes back the first section.\n");
            }
        }
    }
    vec![(up_name, text)]
}
