//! Characters that no address of a database has.

/// Refuses control characters: a file's name with a line end in it is one that got there by mistake, and it steers a terminal.
pub(super) fn refuse_controls(text: &str) -> Result<(), String> {
    match text.chars().find(|letter| letter.is_control()) {
        None => Ok(()),
        Some(found) => Err(format!(
            "the address of the database has a control character in it ({}), as where a line ends otherwise than its reader takes \
             it: write it without",
            found.escape_default()
        )),
    }
}
