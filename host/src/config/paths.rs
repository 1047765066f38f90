//! Paths in a configuration file that stands elsewhere: relative ones begin at its own directory.

use std::path::Path;

use toml::{Table, Value};

/// What the names of settings with paths end with, or are.
const PATHS: [&str; 4] = ["migrations", "seeds", "cache", "base"];

/// The section of values for steps, which are no settings of the host.
const OF_STEPS: &str = "settings";

/// Has the relative paths of a file's settings begin at the file's directory.
pub(super) fn begin_at(table: &mut Table, directory: &Path) {
    if directory.as_os_str().is_empty() {
        return;
    }
    for (name, value) in table.iter_mut() {
        match value {
            Value::Table(_) if name == OF_STEPS => {}
            Value::Table(section) => begin_at(section, directory),
            Value::Array(sections) => {
                for section in sections.iter_mut().filter_map(Value::as_table_mut) {
                    begin_at(section, directory);
                }
            }
            Value::String(text) if name == "database" => {
                if let Some(moved) = database(text, directory) {
                    *text = moved;
                }
            }
            Value::String(text)
                if (PATHS.contains(&name.as_str()) || name.ends_with("_file"))
                    && !text.is_empty()
                    && !text.contains("://") =>
            {
                *text = directory.join(&*text).display().to_string();
            }
            _ => {}
        }
    }
}

/// The URL of a SQLite file whose path is relative, from the directory on; none for all else.
fn database(url: &str, directory: &Path) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let is_relative =
        !path.is_empty() && !path.starts_with(['/', ':']) && !path.starts_with("file:");
    (matches!(scheme, "sqlite" | "sqlite3") && is_relative)
        .then(|| format!("{scheme}:{}", directory.join(path).display()))
}
