//! Paths in a configuration file that stands elsewhere: relative ones begin at its own directory.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{DEFAULT_FILE, migrator, variables};

/// What the names of settings with paths end with, or are.
const PATHS: [&str; 5] = ["migrations", "seeds", "cache", "base", "trust"];

/// Where steps are when nothing says so.
const STEPS: &str = "migrations";

/// What a release in a directory or an archive begins with.
const LAYOUT: &str = "oci-layout:";

/// The section of values for steps, which are no settings of the host.
const OF_STEPS: &str = "settings";

/// The file that a variable names; an empty one names none.
pub(super) fn named_by_variable(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let named = variable(variables::CONFIG).filter(|path| !path.is_empty());
    named.map(PathBuf::from)
}

/// Our own file, but for a directory that has only the other tool's.
pub(super) fn default_file() -> PathBuf {
    let other = Path::new(migrator::DEFAULT_FILE);
    match !Path::new(DEFAULT_FILE).exists() && other.exists() {
        true => other.to_owned(),
        false => PathBuf::from(DEFAULT_FILE),
    }
}

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
            // A release in a directory or an archive.
            Value::String(text) if name == "migrations" && text.starts_with(LAYOUT) => {
                let path = directory.join(text.split_off(LAYOUT.len()));
                text.push_str(&path.display().to_string());
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

/// The steps beside a file that stands elsewhere and does not say where they are, and a warning where they could be those of the
/// working directory, too.
pub(super) fn steps_beside(directory: &Path) -> Option<(PathBuf, Option<String>)> {
    let beside = directory.join(STEPS);
    if directory.as_os_str().is_empty() || !beside.is_dir() {
        return None;
    }
    let places = (Path::new(STEPS).canonicalize(), beside.canonicalize());
    let warning = matches!(places, (Ok(here), Ok(there)) if here != there).then(|| {
        format!(
            "the configuration does not say where the steps are: they are taken from `{}`, beside it, and not from `{STEPS}` here",
            beside.display()
        )
    });
    Some((beside, warning))
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

/// `$XDG_CACHE_HOME/wasmigrate`, or `~/.cache/wasmigrate`:
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
pub(super) fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("wasmigrate"))
}
