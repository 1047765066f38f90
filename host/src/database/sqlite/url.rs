//! URLs of SQLite files, as their other users write them: `sqlite:app.db`, `sqlite://app.db`, `sqlite:///srv/app.db`,
//! `sqlite:app.db?mode=rwc`.
//!
//! With two slashes a path is relative, with three it is absolute: so sqlx, dbmate and Rails read them.

use std::path::{Path, PathBuf};

use super::pragma::OFF;
use crate::output::names_a_password;

/// What becomes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileMode {
    /// It must be there, unless the user asks for a new one in another way.
    Unsaid,
    /// It must be there.
    Existing,
    /// It is made when it is not there.
    OrNew,
    /// It must be there, and nothing is written to it.
    ToRead,
}

/// What a URL says.
#[derive(Debug)]
pub(super) struct UrlParts {
    pub(super) path: PathBuf,
    pub(super) mode: FileMode,
    /// Whether foreign keys are enforced on its connections.
    pub(super) enforces_foreign_keys: bool,
}

/// Parameters by which a URL says whether foreign keys are enforced.
const OF_FOREIGN_KEYS: [&str; 2] = ["_fk", "_foreign_keys"];

/// Parameters of other programs that say how their own connections behave, and nothing about the file.
const OF_THEIR_CONNECTIONS: [&str; 14] = [
    "_busy_timeout",
    "_cache_size",
    "_cslike",
    "_journal",
    "_journal_mode",
    "_loc",
    "_locking_mode",
    "_sync",
    "_synchronous",
    "_timeout",
    "_txlock",
    "cache",
    "pool",
    "timeout",
];

/// What a URL names, without its scheme; `is_there` says whether there is such a file.
pub(super) fn parse(rest: &str, is_there: &dyn Fn(&Path) -> bool) -> Result<UrlParts, String> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    // It may be a URL with a password, and the path is shown.
    if path.contains("://") {
        return Err("another URL comes after `sqlite:`: name a file, as sqlite:PATH, or leave `sqlite:` out".to_owned());
    }
    if !is_there(Path::new(path))
        && (holds_a_password(rest, path) || holds_a_password(&decoded(path), &decoded(path)))
    {
        return Err(
            "what comes after `sqlite:` looks like an address with a password (it is not shown): write sqlite:PATH for a file, and \
             postgres://USER:PASSWORD@HOST/NAME for a server; a file that is really called like that must be there first"
                .to_owned(),
        );
    }
    if path == ":memory:" || path.starts_with("file:") || path.is_empty() {
        return Err(
            "a database in memory is gone when the command ends, and a URL inside the URL is not understood: name a file, as \
             sqlite:PATH"
                .to_owned(),
        );
    }
    let (mut open, mut enforces_foreign_keys) = (FileMode::Unsaid, false);
    let mut said: Vec<(&str, &str)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let Some((_, other)) = said.iter().find(|(said, _)| *said == name)
            && *other != value
        {
            return Err(format!(
                "the SQLite URL gives `{name}` twice, with different values"
            ));
        }
        said.push((name, value));
        match (name, value) {
            ("mode", "rwc") => open = FileMode::OrNew,
            ("mode", "rw") => open = FileMode::Existing,
            ("mode", "ro") => open = FileMode::ToRead,
            ("mode", "memory") => {
                return Err(
                    "a database in memory (mode=memory) is gone when the command ends: name a file"
                        .to_owned(),
                );
            }
            ("mode", _) => {
                return Err("the mode of a SQLite file can be ro, rw or rwc".to_owned());
            }
            _ if OF_FOREIGN_KEYS.contains(&name) => {
                enforces_foreign_keys = match value.to_ascii_lowercase().as_str() {
                    "1" | "on" | "true" | "yes" => true,
                    value if OFF.contains(&value) => false,
                    _ => return Err(format!("`{name}` of the SQLite URL can be 1 or 0")),
                }
            }
            _ if OF_THEIR_CONNECTIONS.contains(&name) => {}
            _ => {
                // Without a value it may be what follows a `?` or `&` in a password.
                let called = match pair.contains('=') {
                    true => format!("`{name}`"),
                    false => "a parameter".to_owned(),
                };
                return Err(format!(
                    "{called} of the SQLite URL is not known: there is mode, with ro, rw or rwc"
                ));
            }
        }
    }
    let parts = |path: PathBuf| UrlParts {
        path,
        mode: open,
        enforces_foreign_keys,
    };
    let written = PathBuf::from(path);
    if is_there(&written) {
        return Ok(parts(written));
    }
    let decoded = decoded(path);
    if !is_there(Path::new(&decoded))
        && let Some(why) = why_no_new_file(&decoded)
    {
        return Err(format!("the path `{path}` {why}"));
    }
    Ok(parts(PathBuf::from(decoded)))
}

/// Why nobody means a file of this name that is not there yet.
fn why_no_new_file(path: &str) -> Option<&'static str> {
    if path.contains("${") {
        return Some(
            "holds `${`, for which nobody has put in a value: `${NAME}` and `${NAME:-text}` are understood in wasmigrate.toml and \
             .env alone; a file that is really called so must be there first",
        );
    }
    if path.contains('?') {
        return Some(
            "holds a question mark once its percent signs are read: write `?` itself before mode=…; a file that is really called \
             so must be there first",
        );
    }
    if path.contains('\0') {
        return Some("holds a NUL byte, which no file's name can");
    }
    path.ends_with('/')
        .then_some("ends with a slash, as that of a directory: name a file in it")
}

/// Whether a URL holds a user with a password, or its path the key of one: the path would be shown.
fn holds_a_password(rest: &str, path: &str) -> bool {
    let after_colon = rest.split_once(':').map(|(_, after)| after);
    after_colon.is_some_and(|after| after.contains('@')) || names_a_password(path)
}

/// A path without its percent signs; what encodes nothing stays.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => tail.get(2..).unwrap_or_default(),
            None => tail,
        };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> Result<(String, FileMode), String> {
        let parts = parse(rest, &|_| false)?;
        Ok((parts.path.display().to_string(), parts.mode))
    }

    #[test]
    fn a_url_names_the_file_that_its_other_users_mean() {
        for (rest, path, open) in [
            ("app.db", "app.db", FileMode::Unsaid),
            ("/srv/app.db", "/srv/app.db", FileMode::Unsaid),
            ("//app.db", "app.db", FileMode::Unsaid),
            ("//db/app.db", "db/app.db", FileMode::Unsaid),
            ("///srv/app.db", "/srv/app.db", FileMode::Unsaid),
            ("app.db?mode=rwc", "app.db", FileMode::OrNew),
            ("app.db?mode=rw", "app.db", FileMode::Existing),
            ("//app.db?mode=rwc&cache=shared", "app.db", FileMode::OrNew),
            ("app.db?mode=ro", "app.db", FileMode::ToRead),
            (
                "app.db?_fk=1&_busy_timeout=5000",
                "app.db",
                FileMode::Unsaid,
            ),
            ("my%20app.db", "my app.db", FileMode::Unsaid),
            ("100%.db", "100%.db", FileMode::Unsaid),
        ] {
            assert_eq!(read(rest).unwrap(), (path.to_owned(), open), "{rest}");
        }
        for rest in [
            ":memory:",
            "//:memory:",
            "",
            "//",
            "app.db?mode=memory",
            "?mode=rwc",
            "file::memory:?cache=shared",
            "app.db?mode=x",
            "app.db?mode=ro&mode=rw",
            "app.db?_fk=maybe",
            "app.db?key=1",
            "app.db?vfs=unix",
            "//u:geheim@h/x",
            "u%3Ageheim@h/x",
            "app.db;password=geheim",
            "app.db?geheim",
            "q%3F",
            "q%3Fmode=rwc",
            "a%00",
            "db/",
            "${A}.db",
            "${A:-${B}}",
        ] {
            let error = read(rest).unwrap_err();
            assert!(!error.contains("geheim"), "{rest}: {error}");
        }
        let enforces = |url| parse(url, &|_| false).unwrap().enforces_foreign_keys;
        assert!(enforces("app.db?_fk=1") && enforces("app.db?_foreign_keys=on"));
        assert!(!enforces("app.db?_fk=0") && !enforces("app.db"));
        for there in ["q%3F", "${A}.db", "q?"] {
            let is_there = |path: &Path| path == Path::new(there);
            let url = there.replace('?', "%3F");
            assert_eq!(parse(&url, &is_there).unwrap().path, Path::new(there));
        }
        let literal = parse("a%20b.db", &|_| true).unwrap().path;
        assert_eq!(literal, Path::new("a%20b.db"));
    }
}
